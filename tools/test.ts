/**
 * `npm test`: everything that can be tested on this machine, in two lanes: one group after the other in the foreground,
 * and what only computes in the background, where it takes the time that the network tests spend waiting.
 * A group that can't run here is named with its reason. The last line counts what the runners' reports say.
 */
import { addCounts, type Counts, formatCounts, NO_TESTS } from "./report/counts.ts";
import { printNow, type RunOptions } from "./run/command.ts";
import { BACKGROUND_GROUPS, FOREGROUND_GROUPS, type GroupOutcome, type TestGroup } from "./run/test-groups.ts";

interface Done {
  readonly name: string;
  readonly outcome: GroupOutcome;
  readonly seconds: number;
}

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

function countsOf({ outcome }: Done): Counts {
  if (outcome.kind !== "failed") return outcome.counts;
  // A runner that fails without a failed test (it crashed, it wrote no report) is one failure.
  return { ...outcome.counts, failed: Math.max(1, outcome.counts.failed) };
}

async function runGroup(group: TestGroup, options: RunOptions): Promise<Done> {
  const startedAt = performance.now();
  const outcome = await group.run(options);
  return { name: group.name, outcome, seconds: (performance.now() - startedAt) / 1000 };
}

async function runForeground(): Promise<Done[]> {
  const done: Done[] = [];
  for (const group of FOREGROUND_GROUPS) {
    printNow(`\n════ ${group.name}\n`);
    done.push(await runGroup(group, { echo: printNow }));
  }
  return done;
}

/** Shows the output of a group when it has ended, so that it does not mix with what the foreground shows. */
async function runBackground(): Promise<Done[]> {
  const done: Done[] = [];
  for (const group of BACKGROUND_GROUPS) {
    const output: (string | Buffer)[] = [];
    done.push(await runGroup(group, { echo: (text) => void output.push(text), isBackground: true }));
    printNow(`\n──── ${group.name}, in the background\n${output.map(String).join("")}────\n`);
  }
  return done;
}

const [foreground, background] = await Promise.all([runForeground(), runBackground()]);
const all = [...background, ...foreground];
const summary = all.map(({ name, outcome, seconds }) => {
  return `${outcome.kind.padEnd(7)}  ${name.padEnd(34)} ${seconds.toFixed(1).padStart(6)} s  ${describeOutcome(outcome)}`;
});
const total = all.map(countsOf).reduce(addCounts, NO_TESTS);
console.log(`\n════ summary\n${summary.join("\n")}`);
if (total.passed === 0) console.log("no test ran");
process.exitCode = total.failed > 0 || total.passed === 0 ? 1 : 0;
console.log(formatCounts(total));
