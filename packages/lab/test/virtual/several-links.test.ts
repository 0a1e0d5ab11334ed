/** Members with several lines each: lines that vanish, come back, roam, cost, or swallow everything without a sign. */
import { describe, expect, it } from "vitest";
import { SeededRandom } from "../../src/virtual-internet/seeded-random.ts";
import { carrierOf, choose, type Flow, LinksWorld, type Member, talk } from "./links-world.ts";

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

function checksSent({ node }: Member): number {
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
    const before = { calls: world.calls, sent: checksSent(a), got: b.heard.get("a")! };
    for (let round = 0; round < 20; round++) {
      talk(world, [a, b], "one-way", 1_000);
      expect([isHelped(a, b), isHelped(b, a)]).toEqual([false, false]);
    }
    expect(world.calls).toBe(before.calls);
    const packets = b.heard.get("a")! - before.got;
    expect(checksSent(a) - before.sent - packets).toBeLessThan(20 * 6);
  });
});
