/** Members with several lines each: lines that vanish, come back, roam, cost, or swallow everything without a sign. */
import { describe, expect, it } from "vitest";
import type { Packet } from "../../src/virtual-internet/packet.ts";
import { SeededRandom } from "../../src/virtual-internet/seeded-random.ts";
import { carrierOf, choose, type Flow, LinksWorld, type Member, talk } from "./links-world.ts";

const DATA_TYPE = 4;

/** Both ends have two lines, of which the first is faster. */
function pair(seed = 1): { world: LinksWorld; a: Member; b: Member } {
  const world = new LinksWorld(seed);
  const [a, b] = [
    world.member("a", { delayMs: 10 }, { delayMs: 25 }),
    world.member("b", { delayMs: 10 }, { delayMs: 25 }),
  ];
  return { world, a: a!, b: b! };
}

/** Whether what the member sends goes by more than the path in use. */
function isHelped({ node }: Member, peer: Member): boolean {
  return node.engine.paths(peer.node.name).filter(({ weight }) => weight > 0).length > 1;
}

/** How many packets of a run are as described. */
function count(world: LinksWorld, isMeant: (packet: Packet) => boolean, run: () => void): number {
  const { log } = world.net.world;
  const add = log.add.bind(log);
  let packets = 0;
  log.add = (atMs, from, to, packet, dropped) => {
    if (isMeant(packet)) packets += 1;
    add(atMs, from, to, packet, dropped);
  };
  run();
  log.add = add;
  return packets;
}

/** Checks and handshakes that leave from an address in a run. */
function controlPacketsFrom(world: LinksWorld, ipv4: string, run: () => void): number {
  return count(world, ({ source, bytes }) => source.address === ipv4 && bytes[0] !== DATA_TYPE, run);
}

function dataTo(world: LinksWorld, ipv4: string, run: () => void): number {
  return count(world, ({ destination, bytes }) => destination.address === ipv4 && bytes[0] === DATA_TYPE, run);
}

function packetsSent({ node }: Member): number {
  return node.host.sentPackets;
}

describe("a line whose interface is gone", () => {
  it.each(["best", "aggregate", "redundant"] as const)(
    "costs nobody a second, and is used when it is back: %s",
    (mode) => {
      const { world, a, b } = pair();
      for (const member of [a, b]) choose(member, mode);
      talk(world, [a, b], "both", 5_000);
      for (const { links } of [a, b]) {
        expect(carrierOf(a, b)).toBe(a.links[0]!.on);
        links[0]!.vanish();
        expect(talk(world, [a, b], "both", 5_000)).toBeLessThan(500);
        links[0]!.comeBack();
        expect(talk(world, [a, b], "both", 5_000)).toBeLessThan(100);
      }
      expect([carrierOf(a, b), carrierOf(b, a)]).toEqual([a.links[0]!.on, b.links[0]!.on]);
    },
  );
});

describe("a line that swallows everything without a sign", () => {
  const FLOWS: readonly Flow[] = ["both", "answers", "one-way"];
  const DIRECTIONS = [undefined, "up", "down"] as const;

  it.each(FLOWS)("is out of use within a second in mode best: %s", (flow) => {
    const gapsMs = Array.from({ length: 6 }, (_, index) => {
      const seed = index + 1;
      const { world, a, b } = pair(seed);
      talk(world, [a, b], flow, 5_000 + new SeededRandom(seed).between(0, 4_000));
      expect(carrierOf(a, b)).toBe(a.links[0]!.on);
      [a, b][index % 2]!.links[0]!.goSilent(DIRECTIONS[index % 3]);
      const gapMs = talk(world, [a, b], flow, 6_000);
      expect([isHelped(a, b), isHelped(b, a)]).toEqual([false, false]);
      return gapMs;
    });
    process.stdout.write(`  figure: nothing heard for ${Math.max(...gapsMs)} ms (worst of 6), ${flow}\n`);
    expect(Math.max(...gapsMs)).toBeLessThan(750);
  });

  it("is used again within seconds of its being mended", () => {
    const { world, a, b } = pair();
    talk(world, [a, b], "both", 5_000);
    a.links[0]!.goSilent();
    talk(world, [a, b], "both", 6_000);
    expect(carrierOf(a, b)).toBe(a.links[1]!.on);
    a.links[0]!.mend();
    expect(talk(world, [a, b], "both", 8_000)).toBeLessThan(100);
    expect(carrierOf(a, b)).toBe(a.links[0]!.on);
  });
});

describe("silence of a peer that only receives", () => {
  it("is no reason to send twice, to call, or to check more than four times a second", () => {
    const { world, a, b } = pair();
    talk(world, [a, b], "one-way", 10_000);
    const before = { calls: world.calls, sent: packetsSent(a), got: b.heard.get("a")! };
    for (let round = 0; round < 20; round++) {
      talk(world, [a, b], "one-way", 1_000);
      expect([isHelped(a, b), isHelped(b, a)]).toEqual([false, false]);
    }
    expect(world.calls).toBe(before.calls);
    const packets = b.heard.get("a")! - before.got;
    expect(packetsSent(a) - before.sent - packets).toBeLessThan(20 * 6);
  });

  it("is told from that of one that talks or answers: no more checks than otherwise", () => {
    for (const flow of ["both", "answers"] as const) {
      const { world, a, b } = pair();
      talk(world, [a, b], flow, 10_000);
      const packets = controlPacketsFrom(world, "203.0.113.1", () => talk(world, [a, b], flow, 12_000));
      expect(packets).toBeLessThan(20);
    }
  });
});

function handshakeAgeMs({ node }: Member, peer: Member): number {
  const meshPeer = node.mesh.peers.get(peer.node.name);
  return (meshPeer && node.mesh.peerState(meshPeer, node.host.now).sessionAgeMs) ?? 0;
}

describe("a line that roams", () => {
  it.each(["public", "symmetric"] as const)("leaves the other one alone: %s", (kind) => {
    const world = new LinksWorld(3);
    const first = kind === "public" ? { delayMs: 10 } : ({ delayMs: 10, nat: kind } as const);
    const [a, b] = [world.member("a", first, { delayMs: 25 }), world.member("b", { delayMs: 10 }, { delayMs: 25 })];
    talk(world, [a, b], "both", 10_000);
    const before = { calls: world.calls, ageMs: handshakeAgeMs(a, b), changes: pathChanges(a, b) };
    expect(carrierOf(a, b)).toBe(a.links[0]!.on);
    const packets = controlPacketsFrom(world, "203.0.113.1", () => {
      a.links[1]!.roam("203.0.114.99");
      for (let atMs = 0; atMs < 2_000; atMs += 10) {
        talk(world, [a, b], "both", 10);
        expect([isHelped(a, b), isHelped(b, a)]).toEqual([false, false]);
      }
    });
    expect(packets).toBeLessThanOrEqual(6);
    expect(world.calls - before.calls).toBeLessThanOrEqual(2);
    expect(handshakeAgeMs(a, b)).toBe(before.ageMs + 2_000);
    expect(pathChanges(a, b)).toBe(before.changes);
    // The new address is of use.
    a.links[0]!.goSilent();
    expect(talk(world, [a, b], "both", 5_000)).toBeLessThan(750);
    expect(carrierOf(a, b)).toBe(a.links[1]!.on);
  });

  it("is used again at once if it is the one in use", () => {
    const { world, a, b } = pair();
    talk(world, [a, b], "both", 5_000);
    a.links[0]!.roam("203.0.113.99");
    expect(talk(world, [a, b], "both", 3_000)).toBeLessThan(300);
    expect([carrierOf(a, b), carrierOf(b, a)]).toEqual([a.links[0]!.on, b.links[0]!.on]);
  });
});

describe("what a line costs", () => {
  it("keeps both ends from it for as long as anything cheaper works, and no longer", () => {
    const world = new LinksWorld();
    const [a, b] = [
      world.member("a", { delayMs: 10, traits: { cost: 10 } }, { delayMs: 40 }),
      world.member("b", {}, {}),
    ];
    for (const mode of ["best", "aggregate"] as const) {
      for (const member of [a, b]) choose(member, mode);
      talk(world, [a, b], "both", 5_000);
      expect(linksInUse(a, b)).toEqual([a.links[1]!.on]);
      expect(dataTo(world, "203.0.113.1", () => talk(world, [a, b], "both", 1_000))).toBe(0);
      a.links[1]!.vanish();
      expect(talk(world, [a, b], "both", 5_000)).toBeLessThan(500);
      expect(linksInUse(a, b)).toEqual([a.links[0]!.on]);
      a.links[1]!.comeBack();
      talk(world, [a, b], "both", 5_000);
      expect(linksInUse(a, b)).toEqual([a.links[1]!.on]);
    }
  });
});

describe("of several peers", () => {
  it("only those that are reached by a line notice what becomes of it", () => {
    const world = new LinksWorld();
    const a = world.member("a", { delayMs: 10 }, { delayMs: 25, traits: { cost: 5 } });
    const [b, c] = [world.member("b", {}), world.member("c", {})];
    // c is not reached by the first line.
    a.links[0]!.on.attachment.setCutOff(c.links[0]!.on.attachment, true);
    talk(world, [a, b, c], "both", 5_000);
    expect([carrierOf(a, b), carrierOf(a, c)]).toEqual([a.links[0]!.on, a.links[1]!.on]);
    const before = { changes: pathChanges(a, c) };
    a.links[0]!.vanish();
    const gapMs = talk(world, [a, c], "both", 2_000);
    expect(gapMs).toBeLessThan(100);
    expect(pathChanges(a, c)).toBe(before.changes);
    expect([isHelped(a, c), isHelped(c, a)]).toEqual([false, false]);
    talk(world, [a, b, c], "both", 2_000);
    expect(carrierOf(a, b)).toBe(a.links[1]!.on);
  });
});

function pathChanges({ node }: Member, peer: Member): number {
  return node.mesh.peers.get(peer.node.name)?.paths?.snapshot(node.host.now).changes.length ?? 0;
}

/** The member's interfaces that carry what it sends to the peer. */
function linksInUse({ node }: Member, peer: Member): unknown[] {
  const carriers = node.engine.paths(peer.node.name).filter(({ weight }) => weight > 0);
  return [...new Set(carriers.map(({ linkId }) => node.interfaceOf(linkId)))];
}
