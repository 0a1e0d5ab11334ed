import { describe, expect, it } from "vitest";
import type { Packet } from "../../src/virtual-internet/packet.ts";
import type { LogEntry } from "../../src/virtual-internet/packet-log.ts";
import type { Attachment } from "../../src/virtual-internet/segment.ts";
import type { PathNode } from "./path-node.ts";
import { LINE, NAT_KINDS, Scenario } from "./scenario.ts";

const ATTACKER = { address: "203.0.113.66", port: 6_666 };
const DATA_TYPE = 4;

/** A pair that talks, and somebody who sees all packets on the internet between them and can send any, from any address. */
class Attack {
  readonly scenario = new Scenario();
  readonly a: PathNode;
  readonly b: PathNode;
  readonly #attachment: Attachment;

  constructor(kind?: keyof typeof NAT_KINDS) {
    const { scenario } = this;
    this.a =
      kind === undefined
        ? scenario.publicNode("a", "203.0.113.1")
        : scenario.natNode("a", "198.51.100.1", NAT_KINDS[kind]).node;
    this.b = scenario.publicNode("b", "203.0.113.2");
    const { address } = ATTACKER;
    this.#attachment = scenario.net.host("attacker").connect(scenario.net.public, { ipv4: address }).attachment;
    scenario.settle();
    this.a.startTalking("b");
    this.b.startTalking("a");
    scenario.untilDirect(this.a, "b", 2_000);
    scenario.untilDirect(this.b, "a", 2_000);
    scenario.run(2_000);
  }

  /** STUN messages that were on their way to this member, delivered or not. */
  checksTo(node: PathNode): LogEntry[] {
    const own = node.interfaces.map(({ ipv4 }) => ipv4);
    return this.scenario.net.world.log.entries.filter(
      ({ packet }) => (packet.bytes[0] ?? 9) < 2 && own.includes(packet.destination.address),
    );
  }

  /** Sends copies of packets, from the attacker's own address or as they were. */
  replay(entries: readonly LogEntry[], from: "own address" | "forged address"): void {
    for (const { packet } of entries) {
      const copy = from === "own address" ? { ...packet, source: ATTACKER } : packet;
      this.scenario.net.public.send(copy, this.#attachment);
    }
  }

  /** How often each of the two has changed its path. */
  get changes(): number[] {
    const { a, b } = this;
    return [a.peer("b"), b.peer("a")].map(({ paths }) => paths.snapshot(a.host.now).changes.length);
  }

  /** Data that members have sent to the attacker. */
  get stolen(): number {
    return this.scenario.net.world.log.entries.filter(
      ({ packet }) => packet.destination.address === ATTACKER.address && packet.bytes[0] === DATA_TYPE,
    ).length;
  }

  /** Messages of members to the attacker. */
  get sentToAttacker(): number {
    return this.scenario.net.world.log.entries.filter(({ packet }) => packet.destination.address === ATTACKER.address)
      .length;
  }
}

describe("somebody on the way who replays checks", () => {
  it.each([
    ["own address", undefined],
    ["forged address", undefined],
    ["own address", "port-restricted cone"],
    ["forged address", "symmetric"],
  ] as const)("from his %s moves no path (NAT: %s)", (from, kind) => {
    const attack = new Attack(kind);
    const { scenario, a, b } = attack;
    const before = [a.directTo("b"), b.directTo("a")];
    for (const delayMs of [0, 100, 3_000, 60_000]) {
      scenario.run(delayMs);
      attack.replay(attack.checksTo(b), from);
      if (kind === undefined) attack.replay(attack.checksTo(a), from);
    }
    scenario.run(5_000);
    expect([a.directTo("b"), b.directTo("a")]).toEqual(before);
    expect(attack.sentToAttacker).toBe(0);
    const { drops, changes, paths } = b.peer("a").paths.snapshot(b.host.now);
    expect(drops["check-replayed"]).toBeGreaterThan(0);
    expect(changes).toHaveLength(1);
    expect(paths.map(({ peer }) => peer.address)).not.toContain(ATTACKER.address);
  });
});

describe("somebody on the way who holds checks back and sends them from his own address", () => {
  it("gets a few checks for it, and no data, and the pair goes on where it was", () => {
    const attack = new Attack();
    const { scenario, a, b } = attack;
    const before = [a.directTo("b"), b.directTo("a")];
    const heard = b.peer("a").received;
    const [line] = b.interfaces;
    // What is dropped here has reached nobody: its transaction ids are new to b.
    line!.attachment.setConditions({ ...LINE, down: { ...LINE.down, lossRatio: 1 } });
    const outageBegan = scenario.net.world.nowMs;
    scenario.run(4_000);
    const held = attack.checksTo(b).filter(({ atMs, dropped }) => dropped !== null && atMs >= outageBegan);
    expect(held.length).toBeGreaterThan(1);
    line!.attachment.setConditions(LINE);
    attack.replay(held, "own address");
    scenario.run(10_000);
    expect([a.directTo("b"), b.directTo("a")]).toEqual(before);
    expect(attack.stolen).toBe(0);
    // An answer and checks in return, from which nothing can be made: he can't answer them.
    expect(attack.sentToAttacker).toBeGreaterThan(0);
    expect(attack.sentToAttacker).toBeLessThan(held.length + 30);
    expect(
      b
        .peer("a")
        .paths.usablePaths()
        .every(({ address }) => address.remote.address !== ATTACKER.address),
    ).toBe(true);
    scenario.run(60_000);
    expect(attack.sentToAttacker).toBeLessThan(held.length + 60);
    expect(b.peer("a").received).toBeGreaterThan(heard + 200);
  });
});

describe("somebody on the way who holds packets back until they are old", () => {
  it("does not bring traffic back to a place that the peer has left", () => {
    const attack = new Attack();
    const { scenario, a, b } = attack;
    const [line] = b.interfaces;
    const old = b.interfaces[0]!.ipv4;
    line!.attachment.setConditions({ ...LINE, up: { ...LINE.up, lossRatio: 1 } });
    const began = scenario.net.world.nowMs;
    scenario.run(4_000);
    const held = attack.checksTo(a).filter(({ atMs, dropped }) => dropped !== null && atMs >= began);
    expect(held.filter(({ packet }) => packet.bytes[0] === 0).length).toBeGreaterThan(0);
    line!.attachment.setConditions(LINE);
    line!.setAddresses({ ipv4: "203.0.113.50" });
    b.gather();
    scenario.until(() => a.directTo("b")?.address === "203.0.113.50", 10_000, "a → b where it is now");
    scenario.run(3_000);
    const movedAt = scenario.net.world.nowMs;
    attack.replay(held, "forged address");
    scenario.run(20_000);
    expect(a.directTo("b")?.address).toBe("203.0.113.50");
    const { entries } = scenario.net.world.log;
    const toOld = entries.filter(({ atMs, packet }) => atMs > movedAt && packet.destination.address === old);
    expect(toOld.filter(({ packet }) => packet.bytes[0] === DATA_TYPE)).toEqual([]);
    expect(toOld.length).toBeLessThan(held.length + 30);
  });

  it("makes no answer count that is older than 5 s", () => {
    const attack = new Attack();
    const { scenario, a } = attack;
    const [line] = a.interfaces;
    line!.attachment.setConditions({ ...LINE, down: { ...LINE.down, lossRatio: 1 } });
    const began = scenario.net.world.nowMs;
    scenario.run(2_000);
    const held = attack.checksTo(a).filter(({ atMs, packet }) => atMs >= began && packet.bytes[0] === 1);
    expect(held.length).toBeGreaterThan(0);
    scenario.run(6_000);
    expect(a.directTo("b")).toBeUndefined();
    line!.attachment.setConditions({ ...LINE, up: { ...LINE.up, lossRatio: 1 } });
    const before = a.peer("b").paths.snapshot(a.host.now).drops["check-unexpected"] ?? 0;
    attack.replay(held, "forged address");
    scenario.run(100);
    expect(a.peer("b").paths.snapshot(a.host.now).drops["check-unexpected"]).toBe(before + held.length);
    expect(a.directTo("b")).toBeUndefined();
  });
});

describe("somebody on the way who delays every check of a path by 2 s, and nothing else", () => {
  const isCheck = ({ bytes }: Packet): boolean => (bytes[0] ?? 9) < 2;

  function longestSilenceMs(scenario: Scenario, node: PathNode, peer: string, durationMs: number): number {
    let longestMs = 0;
    for (let atMs = 0; atMs < durationMs; atMs += 50) {
      scenario.run(50);
      longestMs = Math.max(longestMs, node.host.now - node.peer(peer).lastReceivedAt);
    }
    return longestMs;
  }

  function delayed(attack: Attack, to: "a" | "b"): void {
    const { scenario, a, b } = attack;
    attack[to].interfaces[0]!.attachment.holdBackMs = (packet) => (isCheck(packet) ? 2_000 : 0);
    expect(longestSilenceMs(scenario, a, "b", 60_000)).toBeLessThan(1_000);
    expect(longestSilenceMs(scenario, b, "a", 60_000)).toBeLessThan(1_000);
  }

  it.each(["a", "b"] as const)("stops no data where it is the only one (on the way to %s)", (to) => {
    const attack = new Attack();
    delayed(attack, to);
    expect(attack.changes).toEqual([1, 1]);
    expect([attack.a.directTo("b")?.address, attack.b.directTo("a")?.address]).toEqual(["203.0.113.2", "203.0.113.1"]);
  });

  it("has it left for another one, once", () => {
    const attack = new Attack();
    const { scenario, a, b } = attack;
    a.addUplink(a.host.connect(scenario.net.public, { ipv4: "203.0.113.11", ...LINE }), 41_641, -1);
    scenario.run(5_000);
    delayed(attack, "a");
    expect(b.directTo("a")?.address).toBe("203.0.113.11");
    expect(attack.changes).toEqual([2, 2]);
  });
});

describe("somebody on the way who floods a member with checks that he has recorded", () => {
  const COPIES = 10_000;
  const DURATION_MS = 10_000;

  /** Requests of a's to b, all different. */
  function record(attack: Attack, count: number): LogEntry[] {
    const recorded: LogEntry[] = [];
    while (recorded.length < count) {
      const began = attack.scenario.net.world.nowMs;
      attack.scenario.run(60_000);
      const heard = attack.checksTo(attack.b).filter(({ atMs, packet }) => atMs >= began && packet.bytes[0] === 0);
      recorded.push(...heard.slice(0, count - recorded.length));
    }
    return recorded;
  }

  function flood(attack: Attack, recorded: readonly LogEntry[], from: "own address" | "forged address"): void {
    const { scenario, a } = attack;
    // So that what is genuine does not keep time with the limits.
    a.interfaces[0]?.attachment.setConditions({ up: { delayMs: 10, jitterMs: 10 }, down: { delayMs: 10 } });
    for (let copy = 0; copy < COPIES; copy++) {
      const entry = recorded[copy % recorded.length];
      const send = (): void => attack.replay(entry === undefined ? [] : [entry], from);
      scenario.net.world.after((copy * DURATION_MS) / COPIES, send);
    }
    scenario.run(DURATION_MS);
  }

  it("keeps it from nothing, and gets no answer", () => {
    const attack = new Attack();
    const { scenario, a, b } = attack;
    const recorded = record(attack, 200);
    const heard = [a.peer("b").received, b.peer("a").received];
    const { sentPackets } = b.host;
    scenario.run(DURATION_MS);
    const usually = b.host.sentPackets - sentPackets;
    flood(attack, recorded, "forged address");
    expect(b.host.sentPackets - sentPackets).toBeLessThan(2 * usually + 20);
    const { paths, changes, drops } = a.peer("b").paths.snapshot(a.host.now);
    expect(changes).toHaveLength(1);
    expect(paths[0]).toMatchObject({ state: "active", lossRatio: 0 });
    expect(drops).toEqual({});
    expect(Object.keys(b.peer("a").paths.snapshot(b.host.now).drops)).toEqual(["check-replayed"]);
    expect(a.peer("b").received - heard[0]!).toBeGreaterThan(75);
    expect(b.peer("a").received - heard[1]!).toBeGreaterThan(75);
  });

  it("more of them than it remembers, from an address of his own, breaks nothing off either", () => {
    const attack = new Attack();
    const { a, b } = attack;
    flood(attack, record(attack, 1_000), "own address");
    expect(attack.changes).toEqual([1, 1]);
    expect([a.directTo("b")?.address, b.directTo("a")?.address]).toEqual(["203.0.113.2", "203.0.113.1"]);
    expect(a.peer("b").paths.snapshot(a.host.now).paths[0]).toMatchObject({ state: "active", lossRatio: 0 });
    expect(attack.stolen).toBe(0);
    expect(attack.sentToAttacker / (DURATION_MS / 1_000)).toBeLessThan(150);
  });

  it("more of them than it remembers, gets a few answers for many, and all is well when he ends", () => {
    const attack = new Attack();
    const { scenario, a, b } = attack;
    const recorded = record(attack, 1_000);
    const { sentPackets } = b.host;
    flood(attack, recorded, "forged address");
    const perSecond = (b.host.sentPackets - sentPackets) / (DURATION_MS / 1_000);
    expect(perSecond).toBeLessThan(150);
    expect(b.directTo("a")).toEqual({ address: "203.0.113.1", port: 41_641 });
    expect(attack.sentToAttacker).toBe(0);
    scenario.untilDirect(a, "b", 5_000);
    const received = b.peer("a").received;
    scenario.run(5_000);
    expect(b.peer("a").received - received).toBeGreaterThanOrEqual(18);
  });
});

describe("anybody", () => {
  it("who sends rubbish in the form of checks gets no answer and changes nothing", () => {
    const attack = new Attack();
    const { scenario, a, b } = attack;
    const before = [a.directTo("b"), b.directTo("a")];
    const checks = attack.checksTo(b);
    for (const [index, entry] of checks.entries()) {
      const bytes = Uint8Array.from(entry.packet.bytes);
      const place = 4 + ((index * 7) % (bytes.length - 4));
      bytes[place] = (bytes[place] ?? 0) ^ (1 << (index % 8));
      attack.replay([{ ...entry, packet: { ...entry.packet, bytes } }], "own address");
      attack.replay([{ ...entry, packet: { ...entry.packet, bytes } }], "forged address");
    }
    scenario.run(5_000);
    expect([a.directTo("b"), b.directTo("a")]).toEqual(before);
    expect(attack.sentToAttacker).toBe(0);
  });
});
