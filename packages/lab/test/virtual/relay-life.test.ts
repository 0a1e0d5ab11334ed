import type { RelaysMessage } from "@asterism/core/control";
import { describe, expect, it } from "vitest";
import type { MeshNode } from "../../src/virtual-internet/mesh-node.ts";
import type { VirtualRelay } from "../../src/virtual-internet/virtual-relay.ts";
import { isDirect, isRelayed, PAIR_KINDS, type PairKind, pathOf, RelayWorld } from "./relay-world.ts";
import { LINE } from "./scenario.ts";

interface Pair {
  readonly world: RelayWorld;
  readonly relay: VirtualRelay;
  readonly a: MeshNode;
  readonly b: MeshNode;
}

function pair(
  kindA: PairKind,
  kindB: PairKind,
  more: { relays?: number; seed?: number; lossRatio?: number } = {},
): Pair {
  const { relays = 1, seed = 1, lossRatio = 0 } = more;
  const world = new RelayWorld(seed);
  const [relay] = Array.from({ length: relays }, (_, index) =>
    world.relay(`relay${index}`, `198.51.100.${index + 1}`, LINE),
  );
  if (relay === undefined) throw new Error("no relay");
  const bad = { lossRatio, reorderRatio: lossRatio, duplicateRatio: lossRatio / 2 };
  const line = { up: { ...LINE.up, ...bad }, down: { ...LINE.down, ...bad } };
  const a = world.node("a", PAIR_KINDS[kindA], line);
  const b = world.node("b", PAIR_KINDS[kindB], line);
  world.introduce();
  return { world, relay, a, b };
}

/** A pair that only a relay brings together, with traffic. */
function relayedPair(more: { relays?: number } = {}): Pair {
  const made = pair("symmetric", "symmetric", more);
  made.world.talk(made.a, made.b, 100, 3_000);
  expect([isRelayed(made.a, made.b), isRelayed(made.b, made.a)]).toEqual([true, true]);
  return made;
}

/** Both talk; returns the longest time in which `a` got nothing. */
function longestStallMs({ world, a, b }: Pair, durationMs: number): number {
  const start = a.delivered.length;
  const startMs = a.host.now;
  world.talk(a, b, 100, durationMs);
  const times = [startMs, ...a.delivered.slice(start).map(({ atMs }) => atMs), a.host.now];
  return Math.max(...times.slice(1).map((atMs, index) => atMs - (times[index] ?? 0)));
}

function allocations(node: MeshNode): number {
  return node.mesh.gathering().relays.flatMap((relay) => relay.allocations).length;
}

describe("a relayed pair", () => {
  it("goes through one relay once, though each end has an allocation", () => {
    const { world, relay, a, b } = relayedPair();
    expect(relay.allocationCount).toBe(2);
    const before = { carried: relay.carriedData, delivered: b.delivered.length };
    world.talk(a, b, 100, 10_000);
    expect(b.delivered.length - before.delivered).toBe(100);
    expect(relay.carriedData - before.carried).toBeLessThan(210);
  });

  it("has its first answer within five round trips of 80 ms where the relay is on such a line, too", () => {
    const { world, a, b } = pair("symmetric", "symmetric");
    a.sendData("b", "ping");
    const thereMs = world.until(() => b.delivered.length > 0, 2_000, "ping");
    b.sendData("a", "pong");
    expect(thereMs + world.until(() => a.delivered.length > 0, 2_000, "pong")).toBeLessThan(400);
  });

  it("goes on within seconds when the relay has forgotten everything", () => {
    const made = relayedPair();
    made.relay.restart();
    expect(longestStallMs(made, 30_000)).toBeLessThan(5_000);
    expect(isRelayed(made.a, made.b)).toBe(true);
  });

  it.each([true, false])("moves to another relay when its own is gone for good, with signalling %s", (isUp) => {
    const made = relayedPair({ relays: 2 });
    made.world.talk(made.a, made.b, 100, 5_000);
    const used = made.world.relays.findIndex(({ carriedData }) => carriedData > 0);
    made.world.signalling.isUp = isUp;
    made.world.cut(used);
    expect(longestStallMs(made, 60_000)).toBeLessThan(4_000);
    expect(isRelayed(made.a, made.b)).toBe(true);
    expect(pathOf(made.a, made.b)?.remote.address).toBe(made.world.relays[1 - used]?.address.address);
  });

  it("does not notice an outage of signalling", () => {
    const made = relayedPair();
    made.world.signalling.isUp = false;
    expect(longestStallMs(made, 600_000)).toBeLessThan(250);
  });

  it("goes on for half an hour, and calls about once a minute in search of something better", () => {
    const made = relayedPair();
    const calls = made.world.signalling.forwarded;
    expect(longestStallMs(made, 1_800_000)).toBeLessThan(250);
    const perMinute = (made.world.signalling.forwarded - calls) / 30;
    expect(perMinute).toBeGreaterThan(2);
    expect(perMinute).toBeLessThan(8);
    expect(made.a.mesh.gathering().candidates.length).toBeLessThan(5);
  });

  it("becomes direct within about a minute once a port is forwarded", () => {
    const { world, a, b } = relayedPair();
    world.talk(a, b, 1_000, 300_000);
    expect(isRelayed(a, b)).toBe(true);
    world.routers.get("a")?.forward(41_641, { address: "192.168.1.2", port: 41_641 });
    world.talk(a, b, 1_000, 90_000);
    expect([isDirect(a, b), isDirect(b, a)]).toEqual([true, true]);
  });

  it("gives its allocations back when nobody talks any more, and sends nothing; then it is as fast as at first", () => {
    const { world, relay, a, b } = relayedPair();
    world.run(600_000);
    expect([relay.allocationCount, allocations(a), allocations(b)]).toEqual([0, 0, 0]);
    const before = world.net.world.log.total;
    world.run(3_600_000);
    expect(world.net.world.log.total).toBe(before);
    expect([a.mesh.pollTimeout(), b.mesh.pollTimeout()]).toEqual([undefined, undefined]);
    const delivered = b.delivered.length;
    a.sendData("b", "again");
    expect(world.until(() => b.delivered.length > delivered, 2_000, "data again")).toBeLessThan(400);
  });
});

describe("a pair that has become direct", () => {
  it("has nothing at the relay, gives its allocations back, and goes on without relay and server", () => {
    const made = pair("port-restricted cone", "port-restricted cone");
    made.world.talk(made.a, made.b, 100, 3_000);
    expect([isDirect(made.a, made.b), isDirect(made.b, made.a)]).toEqual([true, true]);
    const carried = made.relay.carriedData;
    made.world.talk(made.a, made.b, 1_000, 400_000);
    expect([made.relay.carriedData, made.relay.allocationCount]).toEqual([carried, 0]);
    made.world.cut(0);
    made.world.signalling.isUp = false;
    expect(longestStallMs(made, 60_000)).toBeLessThan(250);
  });

  it("finds its way again when the NAT forgets its mappings", () => {
    const made = pair("public", "port-restricted cone");
    made.world.talk(made.a, made.b, 100, 3_000);
    expect(isDirect(made.a, made.b)).toBe(true);
    made.world.routers.get("b")?.reboot();
    expect(longestStallMs(made, 20_000)).toBeLessThan(5_000);
    expect(isDirect(made.a, made.b)).toBe(true);
  });
});

describe("on bad lines", () => {
  const kinds = Object.keys(PAIR_KINDS) as PairKind[];
  const combinations = kinds.flatMap((a) => kinds.map((b) => [a, b] as const));

  it.each(combinations)("%s ↔ %s reach each other with 5 % loss, reordering and duplicates", (kindA, kindB) => {
    const { world, a, b } = pair(kindA, kindB, { seed: 7, lossRatio: 0.05 });
    world.talk(a, b, 100, 20_000);
    expect(Math.min(a.delivered.length, b.delivered.length)).toBeGreaterThan(150);
    // Random ports at both ends can't be guessed.
    const isHopeless = kindA === "symmetric" && kindB === "symmetric";
    expect([isDirect(a, b), isDirect(b, a)]).toEqual([!isHopeless, !isHopeless]);
  });
});

describe("a relay that refuses", () => {
  it("is named in a notice, not asked all the time, and costs direct pairs nothing", () => {
    const { world, a, b } = pair("port-restricted cone", "restricted cone");
    const [relay] = world.relaysMessage().relays;
    const wrong: RelaysMessage = { ...world.relaysMessage(), relays: [{ ...relay!, password: "wrong" }] };
    for (const node of [a, b]) node.act((mesh, time) => mesh.handleRelays(wrong, time));
    world.talk(a, b, 1_000, 60_000);
    expect(isDirect(a, b)).toBe(true);
    expect(a.notices.filter((text) => text.includes("credentials-refused"))).toHaveLength(1);
    expect(a.mesh.gathering().relays[0]?.allocations[0]?.lastFailure?.reason).toBe("credentials-refused");
  });
});

describe("many members", () => {
  it("twelve behind all kinds of NAT all reach each other, with one allocation each at most", () => {
    const world = new RelayWorld(3);
    const relay = world.relay("relay", "198.51.100.1");
    const kinds = Object.values(PAIR_KINDS);
    const nodes = Array.from("abcdefghijkl", (name, index) => world.node(name, kinds[index % kinds.length] ?? null));
    world.introduce();
    for (const from of nodes) for (const to of nodes) if (from !== to) from.sendData(to.name, from.name);
    world.run(5_000);
    for (const node of nodes) expect(new Set(node.delivered.map(({ from }) => from)).size).toBe(11);
    expect(relay.allocationCount).toBeLessThanOrEqual(12);
    world.run(900_000);
    const before = world.net.world.log.total;
    world.run(3_600_000);
    expect([relay.allocationCount, world.net.world.log.total]).toEqual([0, before]);
  });
});
