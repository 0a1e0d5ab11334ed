import { setTimeout } from "node:timers/promises";
import { STREAM_KEEPALIVE_MS } from "@asterism/core/control";
import { expect, test } from "vitest";
import { runRealChaos } from "../../src/chaos/real/real-run.ts";
import { RealStage } from "../../src/chaos/real/real-stage.ts";
import { formatViolations } from "../../src/chaos/report.ts";

test.concurrent("an idle member is called again soon after its router has forgotten everything", async () => {
  await using stage = await RealStage.create(3);
  const [caller, , idle] = stage.members;
  await idle!.router!.reboot();
  await setTimeout(STREAM_KEEPALIVE_MS + 1_000);
  const { received } = await caller!.agent.ping(idle!.name, ["-c", "10"]);
  expect(received).toBeGreaterThan(0);
});

test.concurrent("real agents come together again after one round of random faults", async () => {
  const result = await runRealChaos({ seed: 3, minutes: 0.05, agents: 5 });
  const { worstRecoveryMs, faults } = result;
  process.stdout.write(
    `  figure: chaos, ${faults} faults, all pairs again: ${worstRecoveryMs.toFixed(0)} ms (goal < 10000)\n`,
  );
  expect(formatViolations(result)).toBe("");
  expect(result.faults).toBeGreaterThan(0);
  expect(result.checks).toBeGreaterThan(10);
});
