/**
 * `npm run check`: format, lint, types, unused code, architecture, unit and virtual-time tests. Under a minute: some tests
 * that only repeat others with other random numbers are skipped, and counted as such (docs/testing.md).
 * Prints one line per step, then the output of the steps that failed.
 */
import { formatCounts } from "./report/counts.ts";
import { type CommandResult, runCommand } from "./run/command.ts";
import { runInLanes } from "./run/lanes.ts";
import { QUICK_TESTS } from "./run/quick-tests.ts";
import { STATIC_STEPS } from "./run/static-steps.ts";
import { runVitest } from "./run/vitest-run.ts";

const LANES = 2;

interface Outcome {
  readonly name: string;
  readonly result: CommandResult;
}

function show({ name, result }: Outcome, detail = ""): Outcome {
  const verdict = result.ok ? "ok    " : "FAILED";
  console.log(`${verdict}  ${name.padEnd(30)} ${result.seconds.toFixed(1).padStart(5)} s  ${detail || result.failure}`);
  return { name, result };
}

const startedAt = performance.now();
const outcomes = await runInLanes(LANES, [
  async () => {
    const run = await runVitest("unit", { env: QUICK_TESTS });
    const empty = run.counts.passed === 0;
    const result = empty ? { ...run, ok: false, failure: "no test ran" } : run;
    return show({ name: "unit and virtual-time tests", result }, formatCounts(run.counts));
  },
  ...STATIC_STEPS.map(
    ({ name, command }) =>
      async () =>
        show({ name, result: await runCommand(command) }),
  ),
]);

const failed = outcomes.filter(({ result }) => !result.ok);
for (const { name, result } of failed) console.log(`\n──── ${name}: ${result.failure}\n${result.output.trimEnd()}`);
const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
const verdict = failed.length === 0 ? "check passed" : `check failed: ${failed.map(({ name }) => name).join(", ")}`;
console.log(`\n${verdict} (${seconds} s)`);
process.exitCode = failed.length === 0 ? 0 : 1;
