/** In which mode the packets of two agents with two uplinks each travel: who decides, and which paths take part. */
import type { ChosenModes, MeshPath } from "@asterism/core/mesh";
import type { TrafficMode } from "@asterism/core/paths";
import { expect, test } from "vitest";
import { nobleCrypto } from "../../../core/test/noble-crypto.ts";
import { MeshNode, type MeshNodeOptions } from "../../src/virtual-internet/mesh-node.ts";
import { VirtualInternet } from "../../src/virtual-internet/virtual-internet.ts";
import { LINE } from "./scenario.ts";

const TALK_MS = 250;

/** Two agents on the public internet, each with two links: four pairs of links. */
class TwoByTwo {
  readonly net = new VirtualInternet(7);
  readonly #signalling = this.net.signalling();
  readonly a = this.#node("a", 1);
  readonly b: MeshNode;

  constructor(b: Partial<MeshNodeOptions> = {}) {
    this.b = this.#node("b", 2, b);
    this.a.act((mesh, time) => mesh.handleMap([this.b.info], time));
    this.b.act((mesh, time) => mesh.handleMap([this.a.info], time));
  }

  #node(name: string, number: number, options: Partial<MeshNodeOptions> = {}): MeshNode {
    const host = this.net.host(name);
    const node = new MeshNode({ host, signalling: this.#signalling, crypto: nobleCrypto, seed: number, ...options });
    for (const network of [113, 114]) {
      node.addUplink(host.connect(this.net.public, { ipv4: `203.0.${network}.${number}`, ...LINE }));
    }
    return node;
  }

  /** Both sides send all the time. */
  talk(durationMs: number): void {
    for (let atMs = 0; atMs < durationMs; atMs += TALK_MS) {
      this.net.world.after(atMs, () => {
        this.a.sendData("b", "to b");
        this.b.sendData("a", "to a");
      });
    }
    this.net.world.run(durationMs);
  }
}

function choose(node: MeshNode, chosen: Partial<Record<"network" | "peer", TrafficMode | null>>): void {
  const peer = node.name === "a" ? "b" : "a";
  const modes: ChosenModes = {
    network: chosen.network ?? null,
    peers: new Map(chosen.peer == null ? [] : [[peer, chosen.peer]]),
  };
  node.act((mesh, time) => mesh.handleModes(modes, time));
}

function carriers(node: MeshNode, peer: string): readonly MeshPath[] {
  return node.engine.paths(peer).filter(({ weight }) => weight > 0);
}

/** Why paths that work carry nothing. */
function idleReasons(node: MeshNode, peer: string): (string | null)[] {
  const { paths = [] } = node.mesh.peers.get(peer)?.paths?.snapshot(node.host.now) ?? {};
  return paths.filter(({ state, weight }) => state === "standby" && weight === 0).map(({ idleBecause }) => idleBecause);
}

function modes({ a, b }: TwoByTwo): TrafficMode[] {
  return [a.engine.mode("b"), b.engine.mode("a")];
}

test("what one end chooses both do, at once and for as long as it wants", () => {
  const world = new TwoByTwo();
  const { a, b } = world;
  world.talk(5_000);
  expect(modes(world)).toEqual(["best", "best"]);
  expect(idleReasons(a, "b")).toEqual(["standby", "standby", "standby"]);
  choose(a, { peer: "aggregate" });
  world.talk(500);
  expect(modes(world)).toEqual(["aggregate", "aggregate"]);
  expect([carriers(a, "b").length, carriers(b, "a").length]).toEqual([4, 4]);
  const received = b.delivered.length;
  world.talk(60_000);
  expect(b.delivered.length - received).toBe(60_000 / TALK_MS);
  expect([carriers(a, "b").length, carriers(b, "a").length]).toEqual([4, 4]);
  // The other end's own choice counts for what that sends.
  choose(b, { peer: "redundant" });
  world.talk(500);
  expect(modes(world)).toEqual(["aggregate", "redundant"]);
  choose(b, {});
  choose(a, {});
  world.talk(5_000);
  expect(modes(world)).toEqual(["best", "best"]);
});

test("the network's default holds where nobody has chosen, also when it is changed meanwhile", () => {
  const world = new TwoByTwo();
  const { a, b } = world;
  for (const node of [a, b]) choose(node, { network: "auto" });
  world.talk(5_000);
  expect(modes(world)).toEqual(["auto", "auto"]);
  for (const node of [a, b]) choose(node, { network: "redundant" });
  world.talk(500);
  expect(modes(world)).toEqual(["redundant", "redundant"]);
  const two = carriers(a, "b");
  expect([two.length, new Set(two.map(({ linkId }) => linkId)).size]).toEqual([2, 2]);
  expect(new Set(two.map(({ remote }) => remote.address)).size).toBe(2);
  choose(a, { network: "redundant", peer: "best" });
  world.talk(5_000);
  expect(modes(world)).toEqual(["best", "best"]);
});

test("a peer that does not announce that it understands it is sent to by one path, and asked for nothing more", () => {
  const [plain, wished] = ([null, "aggregate"] as const).map((mode) => {
    const world = new TwoByTwo({ capabilities: [] });
    const { a, b } = world;
    choose(a, { peer: mode, network: mode });
    world.talk(60_000);
    expect([a.engine.mode("b"), carriers(a, "b").length, carriers(b, "a").length]).toEqual(["best", 1, 1]);
    expect(a.mesh.peers.get("b")?.paths?.snapshot(a.host.now).mode.by).toBe("incapable");
    return {
      sent: a.host.sentPackets,
      answered: b.host.sentPackets,
      messages: b.innerMessages,
      got: b.delivered.length,
    };
  });
  expect(wished).toEqual(plain);
});

test("a link that dies is left and found again; those that are left carry all", () => {
  const world = new TwoByTwo();
  const { a, b } = world;
  choose(a, { peer: "aggregate" });
  world.talk(5_000);
  const [, second] = a.uplinks;
  second?.attachment.setConditions({ up: { ...LINE.up, lossRatio: 1 }, down: { ...LINE.down, lossRatio: 1 } });
  world.talk(5_000);
  expect(idleReasons(a, "b")).toEqual(["silent", "silent"]);
  world.talk(3_000);
  expect(carriers(a, "b").map(({ linkId }) => linkId)).toEqual(Array(2).fill(carriers(a, "b")[0]?.linkId));
  expect(a.engine.mode("b")).toBe("aggregate");
  const received = b.delivered.length;
  world.talk(10_000);
  expect(b.delivered.length - received).toBe(10_000 / TALK_MS);
  second?.attachment.setConditions(LINE);
  world.talk(8_000);
  expect(carriers(a, "b")).toHaveLength(4);
});

test("a path by which nothing arrives, as the engine says, is checked at once", () => {
  const world = new TwoByTwo();
  const { a } = world;
  choose(a, { peer: "aggregate" });
  world.talk(5_000);
  const first = carriers(a, "b")[0]?.linkId;
  const dead = carriers(a, "b").filter(({ linkId }) => linkId !== first);
  a.uplinks[1]?.attachment.setConditions({ up: { lossRatio: 1 }, down: { lossRatio: 1 } });
  a.act((mesh, time) => mesh.handleTraffic("b", a.engine.facts("b"), time, dead));
  // Its heartbeat may be 3 s away, and silence takes 2 s to show.
  world.talk(2_250);
  expect([dead.length, ...carriers(a, "b").map(({ linkId }) => linkId)]).toEqual([2, first, first]);
});

test("a peer that wishes something else all the time does not make us change as often", () => {
  const world = new TwoByTwo();
  const { a, b } = world;
  world.talk(5_000);
  let changes = 0;
  let before = a.engine.mode("b");
  for (let round = 0; round < 100; round++) {
    choose(b, { peer: round % 2 === 0 ? "aggregate" : "redundant" });
    world.talk(100);
    if (a.engine.mode("b") !== before) changes += 1;
    before = a.engine.mode("b");
  }
  expect(changes).toBeGreaterThan(0);
  expect(changes).toBeLessThanOrEqual(11);
  choose(a, { peer: "best" });
  world.talk(1_000);
  expect(a.engine.mode("b")).toBe("best");
});
