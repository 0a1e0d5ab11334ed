import { describe, expect, it } from "vitest";
import { planRealChaos, REAL_FAULT_KINDS } from "./real-schedule.ts";

describe("the schedule of faults in namespaces", () => {
  it("is the same for the same seed, knows every kind of fault, and leaves none on for long", () => {
    const plan = (seed: number) => {
      const phases = planRealChaos(seed);
      return Array.from({ length: 60 }, () => phases.next().value ?? []);
    };
    expect(plan(3)).toEqual(plan(3));
    expect(plan(3)).not.toEqual(plan(4));
    const faults = plan(1).flat();
    expect(new Set(faults.map(({ kind }) => kind))).toEqual(new Set(Object.keys(REAL_FAULT_KINDS)));
    expect(Math.max(...faults.map(({ lengthMs }) => lengthMs))).toBeLessThanOrEqual(8_000);
  });
});
