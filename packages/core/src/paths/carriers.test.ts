import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type CarrierCandidate, chooseCarriers, MAX_TABLE_PATHS } from "./carriers.ts";
import { TRAFFIC_MODES } from "./traffic-mode.ts";

interface Candidate extends CarrierCandidate {
  readonly name: string;
}

/** Direct, from link `link` to the peer's link `peerLink`, with nothing wrong. */
function path(name: string, link: number, peerLink: number, more: Partial<CarrierCandidate> = {}): Candidate {
  const usual = {
    kind: "direct",
    overStream: false,
    cost: 0,
    isNarrow: false,
    isLossy: false,
    isTooLossy: false,
    mtuBytes: 1_440,
  } as const;
  return { name, link, peerLink, ...usual, ...more };
}

function outcome(paths: readonly Candidate[], mode: (typeof TRAFFIC_MODES)[number] = "aggregate"): string[] {
  const { carriers, idle } = chooseCarriers(paths, mode);
  return paths.map((one) => `${one.name} ${carriers.includes(one) ? "carries" : idle.get(one)}`);
}

describe("aggregate", () => {
  it("takes the best path between each two links", () => {
    const paths = [
      path("v6", 1, 10),
      path("v4", 1, 10),
      path("other", 2, 10),
      path("third", 2, 20),
      path("4th", 1, 20),
    ];
    expect(outcome(paths)).toEqual(["v6 carries", "v4 same-links", "other carries", "third carries", "4th carries"]);
    expect(outcome(paths, "auto")).toEqual(outcome(paths));
  });

  it("takes a link of the peer's that it does not know for any of them", () => {
    expect(outcome([path("a", 1, 0), path("b", 1, 10), path("c", 2, 10)])).toEqual([
      "a carries",
      "b same-links",
      "c carries",
    ]);
  });

  it("takes a relayed path only for a link that no direct one uses", () => {
    const relayed = { kind: "relayed" } as const;
    expect(outcome([path("r", 1, 10, relayed), path("a", 1, 10)])).toEqual(["r same-links", "a carries"]);
    const paths = [path("a", 1, 10), path("b", 2, 20), path("r", 1, 20, relayed), path("s", 3, 10, relayed)];
    expect(outcome(paths)).toEqual(["a carries", "b carries", "r relayed", "s carries"]);
    expect(outcome([path("a", 1, 10), path("r", 1, 0, relayed)])).toEqual(["a carries", "r same-links"]);
  });

  it.each([
    ["costly", { cost: 1 }],
    ["narrow", { isNarrow: true }],
    ["lossy", { isTooLossy: true }],
    ["lossy", { isLossy: true, isTooLossy: true }],
    ["stream", { overStream: true, kind: "relayed" }],
    ["small-mtu", { mtuBytes: 1_252 }],
  ] as const)("leaves out what is %s while there is better", (reason, fault) => {
    expect(outcome([path("a", 1, 10), path("b", 2, 20, fault)])).toEqual(["a carries", `b ${reason}`]);
    expect(outcome([path("b", 2, 20, fault), path("c", 3, 30, fault)])).toEqual(["b carries", "c carries"]);
  });

  it("does not mind some bytes of MTU, nor one that is unknown", () => {
    const paths = [path("a", 1, 10), path("b", 2, 20, { mtuBytes: 1_432 }), path("c", 3, 30, { mtuBytes: 0 })];
    expect(outcome(paths)).toEqual(["a carries", "b carries", "c carries"]);
  });

  it("rather costs than loses, as the choice of one path does", () => {
    const dear = path("dear", 1, 10, { cost: 5 });
    const bad = path("bad", 2, 20, { isLossy: true, isTooLossy: true });
    expect(outcome([dear, bad])).toEqual(["dear carries", "bad lossy"]);
    expect(outcome([dear, { ...bad, isTooLossy: false }])).toEqual(["dear carries", "bad carries"]);
  });

  it.each(["aggregate", "auto", "redundant"] as const)("takes what loses some beside what does not: %s", (mode) => {
    const paths = [path("a", 1, 10), path("b", 2, 20, { isLossy: true })];
    expect(outcome(paths, mode)).toEqual(["a carries", "b carries"]);
    expect(outcome(paths, "best")).toEqual(["a carries", "b lossy"]);
  });

  it("takes what loses some only if it is no worse in anything else, and brings another link", () => {
    const lossy = (name: string, more: Partial<CarrierCandidate>): Candidate =>
      path(name, 2, 20, { isLossy: true, ...more });
    for (const fault of [{ cost: 1 }, { overStream: true, kind: "relayed" }, { mtuBytes: 1_252 }] as const) {
      expect(outcome([path("a", 1, 10), lossy("b", fault)])).toEqual(["a carries", "b lossy"]);
    }
    const relay = path("relay", 2, 20, { kind: "relayed" });
    expect(outcome([relay, lossy("direct", {})])).toEqual(["relay carries", "direct lossy"]);
    expect(outcome([path("a", 1, 10), lossy("b", {}), lossy("c", {})])).toEqual(["a carries", "b carries", "c lossy"]);
    const tcp = path("tcp", 1, 10, { overStream: true, kind: "relayed" });
    expect(outcome([tcp, lossy("udp", {})])).toEqual(["tcp carries", "udp lossy"]);
  });

  it("fills the table and no more", () => {
    const paths = Array.from({ length: MAX_TABLE_PATHS + 2 }, (_, index) => path(`p${index}`, index, 10));
    expect(outcome(paths).slice(-3)).toEqual(["p15 carries", "p16 table-full", "p17 table-full"]);
  });
});

it("in mode best tells those that could carry beside the best from those that would be of no use", () => {
  const relayed = { kind: "relayed" } as const;
  const paths = [path("r", 1, 10, relayed), path("a", 1, 10), path("b", 1, 10), path("c", 2, 10)];
  expect(outcome(paths, "best")).toEqual(["r carries", "a standby", "b same-links", "c standby"]);
});

describe("redundant", () => {
  it("takes the best, and beside it the one that shares the fewest links", () => {
    const paths = [path("a", 1, 10), path("b", 1, 20), path("c", 2, 20)];
    expect(outcome(paths, "redundant")).toEqual(["a carries", "b standby", "c carries"]);
    expect(outcome(paths.slice(0, 2), "redundant")).toEqual(["a carries", "b carries"]);
  });

  it("takes a relay only if it leads over another link", () => {
    const relayed = { kind: "relayed" } as const;
    expect(outcome([path("a", 1, 10), path("r", 1, 10, relayed)], "redundant")).toEqual(["a carries", "r standby"]);
    expect(outcome([path("a", 1, 10), path("r", 2, 10, relayed)], "redundant")).toEqual(["a carries", "r carries"]);
  });
});

const candidate = fc.record({
  name: fc.constant("x"),
  link: fc.nat({ max: 4 }),
  peerLink: fc.nat({ max: 4 }),
  kind: fc.constantFrom("direct", "relayed"),
  overStream: fc.boolean(),
  cost: fc.nat({ max: 2 }),
  isNarrow: fc.boolean(),
  isLossy: fc.boolean(),
  isTooLossy: fc.boolean(),
  mtuBytes: fc.constantFrom(0, 1_200, 1_252, 1_440),
}) as fc.Arbitrary<Candidate>;

it("whatever there is: one carries if any does, nobody twice, everybody else has a reason, and no link is left alone", () => {
  const property = fc.property(
    fc.array(candidate, { maxLength: 24 }),
    fc.constantFrom(...TRAFFIC_MODES),
    (paths, mode) => {
      const { carriers, idle } = chooseCarriers(paths, mode);
      expect(carriers.length > 0).toBe(paths.length > 0);
      expect(carriers.length + idle.size).toBe(paths.length);
      const most = { best: 1, redundant: 2, aggregate: MAX_TABLE_PATHS, auto: MAX_TABLE_PATHS }[mode];
      expect(carriers.length).toBeLessThanOrEqual(most);
      for (const reason of ["cost", "isNarrow"] as const) {
        // What loses some may cost less.
        const alike = reason === "cost" ? carriers.filter(({ isLossy }) => isLossy === carriers[0]?.isLossy) : carriers;
        expect(new Set(alike.map((carrier) => carrier[reason])).size).toBeLessThanOrEqual(1);
      }
      const together = mode === "best" ? chooseCarriers(paths, "aggregate").carriers : carriers;
      for (const path of paths)
        if (idle.get(path) === "same-links") {
          expect(together.some(({ link }) => link === path.link)).toBe(true);
        }
    },
  );
  fc.assert(property, { numRuns: 300 });
});
