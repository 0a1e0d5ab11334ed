import { describe, expect, it } from "vitest";
import { BLOCKED_PAIRS, formatBlocked, missedBlockedGoals, splitBlocked } from "./blocked-pairs.ts";
import type { PairTry } from "./measure-pair.ts";
import { pairClass, SITE_KINDS } from "./pair-kinds.ts";
import { figuresOf, formatTables, missedGoals } from "./report.ts";

const DIRECT: PairTry = { firstPingMs: 100, directMs: 200, direct: true };
const RELAYED: PairTry = { firstPingMs: 120, directMs: null, direct: false };
const SILENT: PairTry = { firstPingMs: null, directMs: null, direct: false };

describe("the matrix's report", () => {
  it("takes medians of the tries that have a figure, and counts the others", () => {
    const tries = [DIRECT, { ...DIRECT, firstPingMs: 141, directMs: 801 }, { ...DIRECT, directMs: 300 }, RELAYED];
    expect(figuresOf({ a: "public", b: "symmetric", tries })).toEqual({
      a: "public",
      b: "symmetric",
      kind: "direct",
      firstPingMs: 110,
      directMs: 300,
      tries: 4,
      answered: 4,
      direct: 3,
    });
    expect(figuresOf({ a: "public", b: "public", tries: [SILENT] })).toMatchObject({ kind: "none", firstPingMs: null });
    expect(figuresOf({ a: "public", b: "public", tries: [RELAYED, DIRECT] }).kind).toBe("relayed");
  });

  it("knows which pairs need guessing, and which can't be direct", () => {
    const pairs = SITE_KINDS.flatMap((a) => SITE_KINDS.map((b) => [a, b, pairClass(a, b)] as const));
    expect(pairs.filter(([, , kind]) => kind !== "easy")).toEqual([
      ["port-restricted", "symmetric", "punched"],
      ["symmetric", "port-restricted", "punched"],
      ["symmetric", "symmetric", "none"],
    ]);
  });

  it("allows one of twenty tries of a pair that takes guessing to stay on the relay", () => {
    const failures = (direct: number, relayed: number): string[] => {
      const tries = [...Array<PairTry>(direct).fill(DIRECT), ...Array<PairTry>(relayed).fill(RELAYED)];
      return missedGoals([figuresOf({ a: "port-restricted", b: "symmetric", tries })]).failures;
    };
    expect(failures(19, 1)).toEqual([]);
    expect(failures(18, 2)).toEqual(["port-restricted → symmetric: not direct in 2 of 20 tries"]);
  });

  it("names what failed and what was slow, and expects nothing direct where there can be nothing", () => {
    const late = { firstPingMs: 300, directMs: 1_000, direct: true };
    const pairs = [
      figuresOf({ a: "symmetric", b: "symmetric", tries: [RELAYED] }),
      figuresOf({ a: "public", b: "symmetric", tries: [RELAYED, DIRECT] }),
      figuresOf({ a: "full-cone", b: "public", tries: [SILENT] }),
      figuresOf({ a: "full-cone", b: "full-cone", tries: [late] }),
    ];
    expect(missedGoals(pairs)).toEqual({
      failures: [
        "public → symmetric: not direct in 1 of 2 tries",
        "full-cone → public: no answer in 1 of 1 tries",
        "full-cone → public: not direct in 1 of 1 tries",
      ],
      slow: [
        "full-cone → full-cone: first answer after 300 ms (goal: under 300 ms)",
        "full-cone → full-cone: direct after 1000 ms (goal: under 1000 ms)",
      ],
    });
  });

  it("draws the square and the rows", () => {
    const text = formatTables([figuresOf({ a: "public", b: "full-cone", tries: [DIRECT] })]);
    expect(text).toContain("| public |  | direct, 200 ms |  |  |  |");
    expect(text).toContain("| public | full-cone | 100 ms | 200 ms | 1 of 1 |");
    expect(text).toContain("1 of 1 pairs reach each other, 1 of them directly.");
  });
});

describe("pairs with UDP blocked", () => {
  it("are those with a blocked end, each once", () => {
    expect(BLOCKED_PAIRS).toHaveLength(14);
    expect(new Set(BLOCKED_PAIRS.map((pair) => pair.join())).size).toBe(14);
    const figures = [...BLOCKED_PAIRS, ["public", "symmetric"] as const].map(([a, b]) =>
      figuresOf({ a, b, tries: [] }),
    );
    const { open, blocked } = splitBlocked(figures);
    expect([open.length, blocked.length]).toEqual([1, 14]);
  });

  it("may be relayed, and have to answer in three seconds", () => {
    const pairs = [
      figuresOf({ a: "udp-blocked", b: "public", tries: [RELAYED] }),
      figuresOf({ a: "https-only", b: "https-only", tries: [{ ...RELAYED, firstPingMs: 3_000 }] }),
      figuresOf({ a: "public", b: "udp-blocked", tries: [SILENT] }),
    ];
    expect(missedBlockedGoals(pairs)).toEqual({
      failures: ["public → udp-blocked: no answer in 1 of 1 tries"],
      slow: ["https-only → https-only: first answer after 3000 ms (goal: under 3000 ms)"],
    });
    expect(formatBlocked(pairs)).toContain("| udp-blocked | public | relayed | 120 ms | 1 of 1 |");
    expect(formatBlocked([])).toBe("");
  });
});
