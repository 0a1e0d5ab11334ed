import { expect, test } from "vitest";
import { runRealChaos } from "../../src/chaos/real/real-run.ts";
import { formatViolations } from "../../src/chaos/report.ts";

test("real agents come together again after one round of random faults", async () => {
  const result = await runRealChaos({ seed: 3, minutes: 0.05, agents: 5 });
  const { worstRecoveryMs, faults } = result;
  process.stdout.write(
    `  figure: chaos, ${faults} faults, all pairs again: ${worstRecoveryMs.toFixed(0)} ms (goal < 10000)\n`,
  );
  expect(formatViolations(result)).toBe("");
  expect(result.faults).toBeGreaterThan(0);
  expect(result.checks).toBeGreaterThan(10);
});
