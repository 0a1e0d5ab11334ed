import { createHash } from "node:crypto";
import { candidatePriority, type RemoteCandidate } from "@asterism/core/paths";
import { beforeAll, describe, expect, test } from "vitest";
import { nobleCrypto } from "../../../core/test/noble-crypto.ts";
import { MeshNode, type MeshNodeOptions } from "../../src/virtual-internet/mesh-node.ts";
import type { SignallingServer } from "../../src/virtual-internet/signalling-server.ts";
import { VirtualInternet } from "../../src/virtual-internet/virtual-internet.ts";
import { LINE } from "./scenario.ts";

/** Members of one network on the public internet, 20 ms from each other, with a signalling server. */
class MeshWorld {
  readonly net: VirtualInternet;
  readonly signalling: SignallingServer;
  readonly #seed: number;
  readonly nodes: MeshNode[] = [];

  constructor(seed = 1) {
    this.#seed = seed;
    this.net = new VirtualInternet(seed);
    this.signalling = this.net.signalling();
  }

  node(name: string, options: Partial<MeshNodeOptions> = {}, lossRatio = 0): MeshNode {
    const host = this.net.host(name);
    const node = new MeshNode({
      host,
      signalling: this.signalling,
      crypto: nobleCrypto,
      seed: this.#seed * 100 + this.nodes.length,
      ...options,
    });
    const ipv4 = `203.0.113.${name.charCodeAt(0) - 96}`;
    const line = { up: { ...LINE.up, lossRatio }, down: { ...LINE.down, lossRatio } };
    node.addUplink(host.connect(this.net.public, { ipv4, ...line }));
    this.nodes.push(node);
    return node;
  }

  /** The server tells everybody about everybody. */
  introduce(): void {
    for (const node of this.nodes) {
      const others = this.nodes.filter((other) => other !== node).map(({ info }) => info);
      node.act((mesh, time) => mesh.handleMap(others, time));
    }
  }

  /** Both sides send a packet every `everyMs`. */
  talk(a: MeshNode, b: MeshNode, everyMs: number, durationMs: number): void {
    const { world } = this.net;
    for (let atMs = 0; atMs < durationMs; atMs += everyMs) {
      world.after(atMs, () => {
        a.sendData(b.name, `${a.name}${atMs}`);
        b.sendData(a.name, `${b.name}${atMs}`);
      });
    }
    world.run(durationMs);
  }

  until(condition: () => boolean, limitMs: number): number {
    const tookMs = this.net.world.runUntil(condition, limitMs);
    if (tookMs === undefined) expect.fail(`not within ${limitMs} ms\n${this.net.world.log.toMermaid()}`);
    return tookMs;
  }
}

function pair(options: { a?: Partial<MeshNodeOptions>; b?: Partial<MeshNodeOptions>; lossRatio?: number } = {}) {
  const world = new MeshWorld();
  const a = world.node("a", options.a, options.lossRatio);
  const b = world.node("b", options.b, options.lossRatio);
  world.introduce();
  return { world, a, b };
}

describe("a mesh of two", () => {
  test("the first packet opens the tunnel and arrives, within five round trips", () => {
    const { world, a, b } = pair();
    a.sendData("b", "hello");
    const tookMs = world.until(() => b.delivered.length === 1, 2_000);
    expect(tookMs).toBeLessThan(250);
    b.sendData("a", "answer");
    expect(world.until(() => a.delivered.length === 1, 1_000)).toBeLessThan(50);
  });

  test("nobody sends anything while nobody wants to talk", () => {
    const { world, a } = pair();
    world.net.world.run(3_600_000);
    expect(world.net.world.log.toMermaid().split("\n").length).toBeLessThan(4);
    expect(a.mesh.pollTimeout()).toBeUndefined();
  });

  test("both sides start at the same moment: one tunnel, nothing lost", () => {
    const { world, a, b } = pair();
    a.sendData("b", "1");
    b.sendData("a", "2");
    world.until(() => a.delivered.length === 1 && b.delivered.length === 1, 1_000);
    world.talk(a, b, 1_000, 30_000);
    expect(a.engine.sessionCount("b")).toBeLessThanOrEqual(3);
    expect(b.delivered).toHaveLength(31);
  });

  test("an hour with 5 % loss: sessions are renewed in time and traffic never pauses", () => {
    const { world, a, b } = pair({ lossRatio: 0.025 });
    world.talk(a, b, 1_000, 3_600_000);
    for (const { delivered } of [a, b]) {
      expect(delivered.length).toBeGreaterThan(3_600 * 0.9);
      const gaps = delivered.slice(1).map(({ atMs }, index) => atMs - (delivered[index]?.atMs ?? 0));
      expect(Math.max(...gaps)).toBeLessThan(7_000);
    }
    const handshakeAgeMs = a.mesh.peerState(a.mesh.peers.get("b")!, a.host.now).sessionAgeMs;
    expect(handshakeAgeMs).toBeLessThan(180_000);
  });

  test("a member that comes online is called at once by who waits for it, however many calls were in vain", () => {
    const { world, a, b } = pair();
    world.signalling.isUp = false;
    for (let atMs = 0; atMs < 50_000; atMs += 1_000) world.net.world.after(atMs, () => a.sendData("b", "hello"));
    world.net.world.run(45_000);
    world.signalling.isUp = true;
    a.act((mesh, time) => mesh.handlePeerOnline("b", time));
    expect(world.until(() => b.delivered.length > 0, 4_000)).toBeLessThan(500);
  });

  test("a wall clock that is set while the agent runs keeps nobody from being called", () => {
    const { world, a, b } = pair();
    for (const node of [a, b]) node.act((mesh, time) => mesh.handleServerTime(0, time));
    a.host.jumpWallClock(-86_400_000);
    a.sendData("b", "hello");
    expect(world.until(() => b.delivered.length === 1, 2_000)).toBeLessThan(250);
    expect(b.mesh.drops["call-stale"]).toBeUndefined();
  });

  test("an outage of signalling is not noticed by those who are connected", () => {
    const { world, a, b } = pair();
    world.talk(a, b, 1_000, 5_000);
    world.signalling.isUp = false;
    const before = b.delivered.length;
    world.talk(a, b, 1_000, 600_000);
    expect(b.delivered.length - before).toBe(600);
  });

  test("a member that starts anew with signalling down is reached at the address it remembers", () => {
    const { world, a, b } = pair();
    world.talk(a, b, 1_000, 3_000);
    world.signalling.isUp = false;
    a.stop();
    const again = world.node("c", { identity: a.identity });
    const remembered: RemoteCandidate = {
      kind: "host",
      address: { address: "203.0.113.2", port: 41_641 },
      priority: candidatePriority("host", 0),
    };
    again.act((mesh, time) => {
      mesh.handleMap([b.info], time);
      mesh.handleRememberedCandidates("b", [remembered], time);
    });
    const before = b.delivered.length;
    again.sendData("b", "back");
    expect(world.until(() => b.delivered.length > before, 2_000)).toBeLessThan(500);
  });

  test("a member that is removed from the map is cut off at once", () => {
    const { world, a, b } = pair();
    world.talk(a, b, 100, 2_000);
    a.act((mesh, time) => mesh.handleMapChange([], ["b"], time));
    const before = a.delivered.length;
    b.sendData("a", "still here?");
    world.net.world.run(5_000);
    expect(a.delivered.length).toBe(before);
    expect(a.mesh.peers.size).toBe(0);
  });

  test("rubbish and strangers change nothing and are counted", () => {
    const { world, a, b } = pair();
    world.talk(a, b, 1_000, 3_000);
    const from = { linkId: 1, remote: { address: "203.0.113.66", port: 1 }, channel: null };
    a.act((mesh, time) => {
      mesh.handleDatagram("wireguard", from, new Uint8Array(148).fill(1), time);
      mesh.handleDatagram("stun", from, new Uint8Array(20), time);
      mesh.handleCall("nobody", "AAAA", time);
      mesh.handleCall("b", "AAAA", time);
    });
    expect(Object.values(a.mesh.drops).reduce((sum, count) => sum + count, 0)).toBeGreaterThanOrEqual(4);
    const before = b.delivered.length;
    world.talk(a, b, 1_000, 2_000);
    expect(b.delivered.length).toBe(before + 2);
  });
});

describe("the cipher of a pair", () => {
  const aes = { aeads: ["aes-256-gcm"] } as const;

  test.each([
    ["both have AES instructions", aes, aes, "aes-256-gcm"],
    ["only the caller has", aes, {}, "chacha20-poly1305"],
    ["only the callee has", {}, aes, "chacha20-poly1305"],
    ["neither has", {}, {}, "chacha20-poly1305"],
  ] as const)("%s", (_what, forA, forB, expected) => {
    const { world, a, b } = pair({ a: forA, b: forB });
    world.talk(a, b, 1_000, 3_000);
    expect(b.delivered.length).toBe(3);
    expect(a.delivered.length).toBe(3);
    expect([a.engine.aeadOf("b"), b.engine.aeadOf("a")]).toEqual([expected, expected]);
  });
});

describe("a network passphrase", () => {
  let right: Uint8Array;
  let wrong: Uint8Array;
  beforeAll(() => {
    right = new Uint8Array(createHash("sha256").update("right").digest());
    wrong = new Uint8Array(createHash("sha256").update("wrong").digest());
  });

  test("members that share it talk", () => {
    const { world, a, b } = pair({ a: { stretchedSecret: right }, b: { stretchedSecret: right } });
    a.sendData("b", "hello");
    world.until(() => b.delivered.length === 1, 1_000);
  });

  test.each([
    ["another passphrase", () => wrong],
    ["none", () => undefined],
  ])("a member with %s is told so, on both sides, and no tunnel comes up", (_what, secret) => {
    const other = secret();
    const { world, a, b } = pair({
      a: { stretchedSecret: right },
      b: other === undefined ? {} : { stretchedSecret: other },
    });
    a.sendData("b", "hello"); // the caller alone wants something; both must know why nothing comes of it
    world.net.world.run(20_000);
    expect(a.mesh.peers.get("b")?.problem?.text).toContain("passphrase");
    expect(b.mesh.peers.get("a")?.problem?.text).toContain("passphrase");
    expect(a.delivered.length + b.delivered.length).toBe(0);
    expect(a.engine.sessionCount("b")).toBe(0);
  });
});
