import { describe, expect, it } from "vitest";
import { formatViolations } from "../report.ts";
import { runVirtualChaos } from "./run.ts";

/** `npm run check` leaves out what `npm test` runs (docs/testing.md). */
const isQuick = process.env["ASTERISM_QUICK_TESTS"] !== undefined;
const QUICK_SEED = 3;

/** So that a machine under load does not fail it. */
const LIMIT_MS = 600_000;

describe("chaos in virtual time", () => {
  for (const seed of [1, 2, QUICK_SEED]) {
    it.skipIf(isQuick && seed !== QUICK_SEED)(
      `every pair that can be connected is, within 10 s of the last fault (seed ${seed})`,
      () => {
        const result = runVirtualChaos({ seed, minutes: 4, agents: 10 });
        expect(formatViolations(result)).toBe("");
        expect(result.checks).toBeGreaterThan(20);
        expect(result.answers).toBeGreaterThan(0.8 * result.pings);
      },
      LIMIT_MS,
    );
  }

  it(
    "is the same for the same seed, to the packet",
    () => {
      const run = () => runVirtualChaos({ seed: 5, minutes: 1, agents: 8 });
      expect(run()).toEqual(run());
    },
    LIMIT_MS,
  );
});
