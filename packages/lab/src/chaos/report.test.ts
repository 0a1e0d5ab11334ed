import { describe, expect, it } from "vitest";
import { type ChaosResult, formatTable, formatViolations, toJson } from "./report.ts";

const RESULT: ChaosResult = {
  seed: 7,
  minutes: 30,
  agents: 20,
  faults: 200,
  checks: 900,
  violations: [{ atMs: 130_000, what: "m01 → m02: no answer within 10 s", details: "paths none" }],
  worstRecoveryMs: 1_234.5,
  pings: 1_000,
  answers: 990,
  maxPacketsPerSecond: 650,
  story: ["    5.0 s  long ago", "  100.0 s  m01's cable is out", "  131.0 s  later"],
};

describe("the chaos report", () => {
  it("counts for programs", () => {
    expect(toJson({ virtual: RESULT })).toEqual({
      virtual: {
        seed: 7,
        minutes: 30,
        agents: 20,
        faults: 200,
        checks: 900,
        violations: 1,
        worstRecoveryMs: 1_235,
        pings: 1_000,
        answers: 990,
        maxPacketsPerSecond: 650,
      },
    });
  });

  it("has a line for each run", () => {
    const lines = formatTable({ virtual: RESULT, real: { ...RESULT, seed: 123_456 } }).split("\n");
    expect(lines).toHaveLength(3);
    expect(lines[1]).toMatch(/^virtual\s+7\s+30\s+20\s+200\s+900\s+1\s+1235 ms\s+990 of 1000$/);
  });

  it("tells a violation with what is needed to see it again, and the faults shortly before", () => {
    const text = formatViolations(RESULT);
    expect(text).toContain("seed 7, 130.0 s: m01 → m02: no answer within 10 s\npaths none");
    expect(text).toContain("cable is out");
    expect(text).not.toContain("long ago");
    expect(text).not.toContain("later");
  });
});
