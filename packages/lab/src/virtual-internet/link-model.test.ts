import { describe, expect, it } from "vitest";
import { EventQueue } from "./event-queue.ts";
import { type LinkConditions, LinkModel } from "./link-model.ts";
import { SeededRandom } from "./seeded-random.ts";

function link(conditions: LinkConditions): LinkModel {
  return new LinkModel(conditions, new SeededRandom(1));
}

/** Arrival times of `count` packets sent 1 ms apart. */
function arrivals(conditions: LinkConditions, count = 1_000, sizeBytes = 100): number[] {
  const model = link(conditions);
  return Array.from({ length: count }, (_, index) => model.pass(sizeBytes, index)).flatMap((passage) =>
    "arrivals" in passage ? [...passage.arrivals] : [],
  );
}

describe("link conditions", () => {
  it("delay every packet alike", () => {
    expect(link({ delayMs: 7 }).pass(100, 3)).toEqual({ arrivals: [10] });
  });

  it("keep the order in spite of jitter", () => {
    const times = arrivals({ delayMs: 5, jitterMs: 50 });
    expect(times).toEqual([...times].sort((a, b) => a - b));
    expect(new Set(times).size).toBeGreaterThan(20);
  });

  it("lose, duplicate and reorder the share they are told to", () => {
    expect(arrivals({ lossRatio: 0.2 }).length / 1_000).toBeCloseTo(0.8, 1);
    expect(arrivals({ duplicateRatio: 0.3 }).length / 1_000).toBeCloseTo(1.3, 1);
    const late = arrivals({ reorderRatio: 0.1 }).filter((at, index) => at > index);
    expect(late.length / 1_000).toBeCloseTo(0.1, 1);
  });

  it("refuse what is larger than the MTU", () => {
    expect(link({ mtuBytes: 1_280 }).pass(1_281, 0)).toEqual({ dropped: "larger than the MTU" });
    expect(link({ mtuBytes: 1_280 }).pass(1_280, 0)).toEqual({ arrivals: [0] });
  });

  it("pass no more than the rate, and drop what waits too long", () => {
    const times = arrivals({ rateBitsPerSecond: 400_000, queueMs: 50 }, 1_000, 100);
    // 100 bytes take 2 ms: half of what comes each millisecond passes.
    expect(times.length).toBeGreaterThan(480);
    expect(times.length).toBeLessThan(540);
    const gaps = times.slice(1).map((at, index) => at - (times[index] ?? 0));
    expect(Math.min(...gaps)).toBeCloseTo(2);
  });
});

describe("event queue", () => {
  it("gives events in the order of time, and of planning where times are equal", () => {
    const queue = new EventQueue();
    const random = new SeededRandom(3);
    const times = Array.from({ length: 500 }, () => random.between(0, 50));
    const happened: [number, number][] = [];
    for (const [index, at] of times.entries()) queue.add(at, () => happened.push([at, index]));
    for (let event = queue.take(); event !== undefined; event = queue.take()) event.run();
    const expected = times.map((at, index): [number, number] => [at, index]).sort((a, b) => a[0] - b[0] || a[1] - b[1]);
    expect(happened).toEqual(expected);
  });
});
