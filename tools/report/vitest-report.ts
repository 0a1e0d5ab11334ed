import { existsSync, readFileSync } from "node:fs";
import type { Counts } from "./counts.ts";

interface VitestReport {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
  readonly numTodoTests: number;
  readonly numFailedTestSuites: number;
  readonly success: boolean;
}

/**
 * Reads what `--reporter=json` wrote. A file that could not even be loaded has no tests to count: it counts as one
 * failure. Undefined if there is no report.
 */
export function readVitestReport(file: string): Counts | undefined {
  if (!existsSync(file)) return undefined;
  // SAFETY: the file is written by the runner, in a format that its documentation keeps.
  const report = JSON.parse(readFileSync(file, "utf8")) as VitestReport;
  const failed = report.numFailedTests > 0 || report.success ? report.numFailedTests : 1;
  return { passed: report.numPassedTests, failed, skipped: report.numPendingTests + report.numTodoTests };
}
