import { describe, expect, it } from "vitest";
import { ALL_KINDS, planChaos } from "./schedule.ts";

const HOUR_MS = 3_600_000;

describe("the schedule of faults", () => {
  it("is the same for the same seed, and another one for another", () => {
    const plan = (seed: number) => planChaos({ seed, durationMs: HOUR_MS, kinds: ALL_KINDS });
    expect(plan(3)).toEqual(plan(3));
    expect(plan(3)).not.toEqual(plan(4));
  });

  it("has every kind of fault, overlapping ones, and some that last through the quiet", () => {
    const phases = planChaos({ seed: 1, durationMs: HOUR_MS, kinds: ALL_KINDS });
    const faults = phases.flatMap((phase) => phase.faults);
    expect(new Set(faults.map(({ kind }) => kind))).toEqual(new Set(ALL_KINDS));
    expect(
      faults.some((fault) => faults.some((other) => other.beginMs > fault.beginMs && other.beginMs < fault.endMs)),
    ).toBe(true);
    expect(phases.some(({ faults: own, quietUntilMs }) => own.some(({ endMs }) => endMs === quietUntilMs))).toBe(true);
  });

  it("lets nothing begin or end in the quiet", () => {
    for (const { beginMs, faults, quietFromMs, quietUntilMs } of planChaos({
      seed: 2,
      durationMs: HOUR_MS,
      kinds: ALL_KINDS,
    })) {
      for (const fault of faults) {
        expect(fault.beginMs).toBeGreaterThanOrEqual(beginMs);
        expect(fault.beginMs).toBeLessThan(quietFromMs);
        expect(fault.endMs <= quietFromMs || fault.endMs === quietUntilMs).toBe(true);
      }
    }
  });
});
