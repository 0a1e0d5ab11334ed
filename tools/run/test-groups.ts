import { existsSync } from "node:fs";
import { type Counts, NO_TESTS } from "../report/counts.ts";
import { type RunOptions, runCommand } from "./command.ts";
import { runInLanes } from "./lanes.ts";
import { ENGINE_BUILD, ENGINE_TESTS } from "./native-groups.ts";
import { STATIC_STEPS } from "./static-steps.ts";
import { countVitest, runVitest, type VitestRun } from "./vitest-run.ts";

export type GroupOutcome =
  | { readonly kind: "passed"; readonly counts: Counts }
  | { readonly kind: "failed"; readonly counts: Counts; readonly reason: string }
  | { readonly kind: "skipped"; readonly counts: Counts; readonly reason: string };

export interface TestGroup {
  readonly name: string;
  run(options: RunOptions): Promise<GroupOutcome>;
}

const STATIC_LANES = 2;

/** Lint, types, architecture: they fail the run, and count no tests when they pass. */
async function runStatic(options: RunOptions): Promise<GroupOutcome> {
  const results = await runInLanes(
    STATIC_LANES,
    STATIC_STEPS.map(({ name, command }) => async () => ({
      name,
      ...(await runCommand(command, { ...options, echo: () => undefined })),
    })),
  );
  const failed = results.filter(({ ok }) => !ok);
  for (const { name, ok, failure, output } of results) {
    options.echo?.(ok ? `ok      ${name}\n` : `FAILED  ${name}: ${failure}\n${output.trimEnd()}\n`);
  }
  if (failed.length === 0) return { kind: "passed", counts: NO_TESTS };
  const reason = failed.map(({ name }) => name).join(", ");
  return { kind: "failed", counts: { ...NO_TESTS, failed: failed.length }, reason };
}

function vitestOutcome({ ok, failure, failures, counts }: VitestRun): GroupOutcome {
  return ok
    ? { kind: "passed", counts }
    : { kind: "failed", counts, reason: [failure, ...failures].join("\n         ") };
}

/** Why tests that build networks can't run here; undefined if they can. */
function networkObstacle(): string | undefined {
  if (process.platform !== "linux") return "network namespaces exist on Linux only";
  if (process.getuid?.() !== 0) return "building network namespaces needs root";
  return existsSync("/dev/net/tun") ? undefined : "there is no /dev/net/tun";
}

async function runNetworkTests(options: RunOptions): Promise<GroupOutcome> {
  const reason = networkObstacle();
  if (reason === undefined) return vitestOutcome(await runVitest("netns", options));
  return { kind: "skipped", counts: { ...NO_TESTS, skipped: await countVitest("netns") }, reason };
}

/** What is sensitive to delay, or needed by what follows. The network tests wait most of the time. */
export const FOREGROUND_GROUPS: readonly TestGroup[] = [
  ENGINE_BUILD,
  { name: "unit and virtual-time tests", run: async (options) => vitestOutcome(await runVitest("unit", options)) },
  { name: "network tests in namespaces", run: runNetworkTests },
];

/** What only computes, and may take as long as it likes meanwhile. */
export const BACKGROUND_GROUPS: readonly TestGroup[] = [
  { name: "lint, types, architecture", run: runStatic },
  ...ENGINE_TESTS,
];
