import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { exampleNat } from "../../test/gathering-facts.ts";
import type { PortPattern } from "../nat/index.ts";
import type { Instant } from "../time.ts";
import type { RemoteCandidate } from "./candidate.ts";
import { offeredPortsFields, offerPorts, parseOfferedPorts, predictionsOf } from "./offered-ports.ts";

const NOW = 100_000 as Instant;
const ADDRESS = "203.0.113.7";
const REFLEXIVE: RemoteCandidate = { kind: "server-reflexive", address: { address: ADDRESS, port: 5000 }, priority: 1 };
const CANDIDATES = [REFLEXIVE];
const SEQUENTIAL = { kind: "sequential", step: -2, last: 5004, at: 99_880 as Instant, othersPerSecond: 0.5 } as const;

function symmetric(pattern: PortPattern, address: string | null = ADDRESS): Parameters<typeof offerPorts>[0][number] {
  return exampleNat({ type: "symmetric", mapping: "address-and-port-dependent", ports: { address, pattern } });
}

function throughJson(pattern: PortPattern, ourNow: Instant): unknown {
  const offered = JSON.stringify(offerPorts([symmetric(pattern)], NOW).map(offeredPortsFields));
  return predictionsOf(parseOfferedPorts(JSON.parse(offered)) ?? [], CANDIDATES, ourNow);
}

describe("offered ports", () => {
  it.each<PortPattern>([
    { kind: "block", ranges: [{ first: 5120, last: 5631 }] },
    { kind: "preserving", ports: [{ first: 41_641, last: 41_641 }] },
    { kind: "random" },
  ])("of $kind arrive as they were learnt", (pattern) => {
    expect(throughJson(pattern, NOW)).toEqual([{ address: ADDRESS, pattern }]);
  });

  it("in sequence are as old by the receiver's clock as by the sender's", () => {
    const pattern = { ...SEQUENTIAL, at: 880 as Instant };
    expect(throughJson(SEQUENTIAL, 1_000 as Instant)).toEqual([{ address: ADDRESS, pattern }]);
  });

  it("are not told where nobody needs them", () => {
    expect(offerPorts([symmetric({ kind: "unknown" }), symmetric(SEQUENTIAL, null), exampleNat()], NOW)).toEqual([]);
    const none = { ...symmetric(SEQUENTIAL), type: "none" } as const;
    expect(offerPorts([none], NOW)).toEqual([]);
    expect(offerPorts([symmetric({ kind: "random" }), symmetric(SEQUENTIAL)], NOW)).toHaveLength(1);
  });

  it("count only at an address that the peer offers as its own", () => {
    const offered = offerPorts([symmetric({ kind: "random" })], NOW);
    expect(predictionsOf(offered, [], NOW)).toEqual([]);
    const ofOthers: RemoteCandidate[] = [
      { ...REFLEXIVE, address: { address: "203.0.113.8", port: 5000 } },
      { ...REFLEXIVE, kind: "relayed" },
    ];
    expect(predictionsOf(offered, ofOthers, NOW)).toEqual([]);
    expect(predictionsOf(offered, [...ofOthers, ...CANDIDATES], NOW)).toHaveLength(1);
  });

  const block = { address: ADDRESS, kind: "block", ranges: [[5120, 5631]] };
  const sequential = { address: ADDRESS, kind: "sequential", step: 1, last: 5004, othersPerSecond: 0, ageMs: 0 };
  it.each<[string, unknown]>([
    ["no object", 7],
    ["a name for an address", { ...block, address: "host.example" }],
    ["an unknown kind", { ...block, kind: "by the moon" }],
    ["no ranges", { ...block, ranges: [] }],
    ["a low port", { ...block, ranges: [[1023, 5631]] }],
    ["a range backwards", { ...block, ranges: [[5631, 5120]] }],
    ["half a port", { ...block, ranges: [[5120.5, 5631]] }],
    ["too many ranges", { ...block, ranges: new Array(9).fill([5120, 5631]) }],
    ["no step", { ...sequential, step: 0 }],
    ["a giant step", { ...sequential, step: 1025 }],
    ["a port that there is not", { ...sequential, last: 65_536 }],
    ["a rate below zero", { ...sequential, othersPerSecond: -1 }],
    ["an age of years", { ...sequential, ageMs: 1e12 }],
  ])("with %s are left out", (_what, entry) => {
    expect(parseOfferedPorts([entry, block])).toHaveLength(1);
  });

  it("of any content are parsed or left out", () => {
    expect(parseOfferedPorts([block, block, block, block, block])).toBeUndefined();
    const anyBlock = fc.jsonValue().map((ranges) => ({ address: ADDRESS, kind: "block", ranges }));
    fc.assert(
      fc.property(fc.oneof(fc.jsonValue(), fc.array(anyBlock)), (value) => {
        const predictions = predictionsOf(parseOfferedPorts(value) ?? [], CANDIDATES, NOW);
        const ranges = predictions.flatMap(({ pattern }) => (pattern.kind === "block" ? pattern.ranges : []));
        expect(ranges.every(({ first, last }) => first >= 1024 && first <= last && last <= 65_535)).toBe(true);
      }),
    );
  });
});
