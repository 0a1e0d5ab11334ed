import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { addMs, type Instant } from "../time.ts";
import { MtuSearch } from "./mtu-search.ts";

const START = 1_000_000 as Instant;
const FULL_BYTES = 1_440;
const RTT_MS = 20;

interface Run {
  readonly search: MtuSearch;
  /** Sizes of the probes, in order. */
  readonly probes: number[];
  readonly end: Instant;
}

/** Runs a search on a path that carries what `carries` says, until the time is over. */
function run(search: MtuSearch, carries: (sizeBytes: number, now: Instant) => boolean, ms: number, start = START): Run {
  const probes: number[] = [];
  const answers: { readonly at: Instant; readonly size: number }[] = [];
  const end = addMs(start, ms);
  for (let now = start; now <= end; now = addMs(now, 5)) {
    while (answers[0] !== undefined && answers[0].at <= now) search.handleAnswer(answers.shift()?.size ?? 0, now);
    search.expire(now);
    search.want(true, now);
    for (let size = search.peek(); size !== undefined; size = search.peek()) {
      probes.push(size);
      if (carries(size, now)) answers.push({ at: addMs(now, RTT_MS), size });
      search.handleSent(RTT_MS, now);
    }
  }
  return { search, probes, end };
}

describe("a path", () => {
  it("of the full size takes one probe, and another one from time to time", () => {
    const search = new MtuSearch(FULL_BYTES, 4);
    expect(run(search, () => true, 14_000).probes).toEqual([FULL_BYTES]);
    expect(search.mtuBytes).toBe(FULL_BYTES);
    expect(run(search, () => true, 14_900, addMs(START, 14_001)).probes).toEqual([FULL_BYTES]);
  });

  it.each([
    [4, 1_252],
    [6, 1_232],
  ] as const)("that carries 1280 bytes of IPv%i is known within half a second", (family, mtuBytes) => {
    const search = new MtuSearch(FULL_BYTES, family);
    run(search, (size) => size <= mtuBytes, 500);
    expect(search.mtuBytes).toBe(mtuBytes);
  });

  it("that carries small packets only is narrow, until a search shows otherwise", () => {
    const search = new MtuSearch(FULL_BYTES, 4);
    const { end } = run(search, (size) => size < 500, 1_000);
    expect([search.mtuBytes, search.isNarrow]).toEqual([228, true]);
    search.forget();
    expect([search.mtuBytes, search.isNarrow]).toEqual([0, true]);
    run(search, () => true, 1_000, end);
    expect([search.mtuBytes, search.isNarrow]).toEqual([FULL_BYTES, false]);
  });

  it.each([
    [1_171, true],
    [1_172, false],
  ])("that carries %i bytes is narrow: %s", (limit, isNarrow) => {
    const search = new MtuSearch(FULL_BYTES, 4);
    run(search, (size) => size <= limit, 10_000);
    expect(search.isNarrow).toBe(isNarrow);
  });

  it("that carries not even the least size is unknown, and tried again", () => {
    const search = new MtuSearch(FULL_BYTES, 4);
    const { probes } = run(search, (size) => size < 200, 3_000);
    expect(search.mtuBytes).toBe(0);
    expect(probes.filter((size) => size === FULL_BYTES).length).toBeGreaterThan(2);
  });

  it("that loses one probe of the full size is not taken for a smaller one", () => {
    const search = new MtuSearch(FULL_BYTES, 4);
    let lost = 0;
    run(search, (size) => size !== FULL_BYTES || ++lost > 1, 1_000);
    expect(search.mtuBytes).toBe(FULL_BYTES);
  });

  it("that loses both is looked at again soon", () => {
    const search = new MtuSearch(FULL_BYTES, 4);
    let lost = 0;
    const carries = (size: number): boolean => size !== FULL_BYTES || ++lost > 2;
    const first = run(search, carries, 1_000);
    expect(search.mtuBytes).toBeLessThan(FULL_BYTES);
    run(search, carries, 2_000, first.end);
    expect(search.mtuBytes).toBe(FULL_BYTES);
  });

  it("that shrinks is noticed, and that grows, too", () => {
    const search = new MtuSearch(FULL_BYTES, 4);
    const full = run(search, () => true, 10_000);
    const small = run(search, (size) => size <= 1_332, 10_000, full.end);
    expect(search.mtuBytes).toBe(1_332);
    run(search, () => true, 70_000, small.end);
    expect(search.mtuBytes).toBe(FULL_BYTES);
  });

  it("is searched at once when something suggests another size", () => {
    const search = new MtuSearch(FULL_BYTES, 4);
    const { end } = run(search, () => true, 1_000);
    search.doubt(end);
    run(search, (size) => size <= 1_252, 600, end);
    expect(search.mtuBytes).toBe(1_252);
  });

  it("that is not in use is not probed, and nothing is known of it once forgotten", () => {
    const search = new MtuSearch(FULL_BYTES, 4);
    search.want(true, START);
    search.pause();
    expect(search.peek()).toBeUndefined();
    expect(search.nextAt(true)).toBeUndefined();
    run(search, () => true, 1_000);
    search.forget();
    expect(search.mtuBytes).toBe(0);
  });
});

describe("whatever the path", () => {
  it("the result is the largest of the sizes tried that passes, and probes are few", () => {
    const anyPath = fc.record({ limit: fc.integer({ min: 548, max: 1_500 }), family: fc.constantFrom(4 as const, 6) });
    fc.assert(
      fc.property(anyPath, ({ limit, family }) => {
        const search = new MtuSearch(FULL_BYTES, family);
        const { probes } = run(search, (size) => size <= limit, 60_000);
        expect(search.mtuBytes).toBe(Math.max(...probes.filter((size) => size <= limit)));
        expect(limit - search.mtuBytes).toBeLessThan(limit >= FULL_BYTES ? 61 : 257);
        expect(probes.length).toBeLessThan(60);
      }),
    );
  });
});
