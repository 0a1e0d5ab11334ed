/**
 * `npm test`: everything that can be tested on this machine, one group after the other.
 * A group that can't run here is named with its reason. The last line counts what the runners' reports say.
 */
import { addCounts, type Counts, formatCounts, NO_TESTS } from "./report/counts.ts";
import { type GroupOutcome, TEST_GROUPS } from "./run/test-groups.ts";

function describeOutcome(outcome: GroupOutcome): string {
  switch (outcome.kind) {
    case "passed":
      return formatCounts(outcome.counts);
    case "failed":
      return `${formatCounts(outcome.counts)}; ${outcome.reason}`;
    case "skipped":
      return `skipped: ${outcome.reason}`;
  }
}

function countsOf(outcome: GroupOutcome): Counts {
  if (outcome.kind !== "failed") return outcome.counts;
  // A runner that fails without a failed test (it crashed, it wrote no report) is one failure.
  return { ...outcome.counts, failed: Math.max(1, outcome.counts.failed) };
}

const summary: string[] = [];
let total = NO_TESTS;
for (const group of TEST_GROUPS) {
  console.log(`\n════ ${group.name}`);
  const startedAt = performance.now();
  const outcome = await group.run();
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  summary.push(
    `${outcome.kind.padEnd(7)}  ${group.name.padEnd(34)} ${seconds.padStart(6)} s  ${describeOutcome(outcome)}`,
  );
  total = addCounts(total, countsOf(outcome));
}

console.log(`\n════ summary\n${summary.join("\n")}`);
if (total.passed === 0) console.log("no test ran");
process.exitCode = total.failed > 0 || total.passed === 0 ? 1 : 0;
console.log(formatCounts(total));
