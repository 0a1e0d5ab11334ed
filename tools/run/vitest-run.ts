import { mkdirSync, rmSync } from "node:fs";
import { relative, resolve } from "node:path";
import { NO_TESTS } from "../report/counts.ts";
import { readVitestReport, type VitestResults } from "../report/vitest-report.ts";
import { type CommandResult, ROOT, type RunOptions, runCommand, tool } from "./command.ts";

export type VitestProject = "unit" | "netns";

export interface VitestRun extends CommandResult, VitestResults {}

/** Where runners leave their machine-readable reports. */
export const REPORTS = resolve(ROOT, "build/reports");

/** The network tests are two projects of vitest.config.ts, `netns` and `netns-waiting`. */
function projectArguments(project: VitestProject): string[] {
  return ["--project", project === "netns" ? "netns*" : project];
}

/** Runs one kind of tests and counts from its JSON report; no report counts as one failure. */
export async function runVitest(
  project: VitestProject,
  options: RunOptions & { readonly env?: Readonly<Record<string, string>> } = {},
): Promise<VitestRun> {
  const report = resolve(REPORTS, `vitest-${project}.json`);
  mkdirSync(REPORTS, { recursive: true });
  rmSync(report, { force: true });
  const args = [
    "run",
    ...projectArguments(project),
    "--reporter=default",
    "--reporter=json",
    `--outputFile.json=${report}`,
  ];
  const result = await runCommand({ program: tool("vitest"), args, env: options.env ?? {} }, options);
  const { counts, failures } = readVitestReport(report) ?? { counts: { ...NO_TESTS, failed: 1 }, failures: [] };
  return {
    ...result,
    counts: !result.ok && counts.failed === 0 ? { ...counts, failed: 1 } : counts,
    failures: failures.map((failure) => relative(ROOT, failure)),
  };
}

/** How many tests the project has, without running them; 0 if they can't be listed. */
export async function countVitest(project: VitestProject): Promise<number> {
  const listed = await runCommand({ program: tool("vitest"), args: ["list", ...projectArguments(project), "--json"] });
  const json = /^\[[\s\S]*^\]/m.exec(listed.output)?.[0];
  if (!listed.ok || json === undefined) return 0;
  const tests: unknown = JSON.parse(json);
  return Array.isArray(tests) ? tests.length : 0;
}
