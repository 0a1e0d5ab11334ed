import { existsSync, readFileSync } from "node:fs";
import type { Counts } from "./counts.ts";

interface VitestReport {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
  readonly numTodoTests: number;
  readonly numFailedTestSuites: number;
  readonly success: boolean;
  readonly testResults: readonly {
    readonly name: string;
    readonly message: string;
    readonly assertionResults: readonly {
      readonly status: string;
      readonly fullName: string;
      readonly failureMessages: readonly string[] | null;
    }[];
  }[];
}

export interface VitestResults {
  readonly counts: Counts;
  /** `file: test: first line of the message` of each failed test, or file that could not be loaded. */
  readonly failures: readonly string[];
}

/** A line, so that a log's last page tells what failed. */
const MESSAGE_LENGTH = 200;

/**
 * Reads what `--reporter=json` wrote. A file that could not even be loaded has no tests to count: it counts as one
 * failure. Undefined if there is no report.
 */
export function readVitestReport(file: string): VitestResults | undefined {
  if (!existsSync(file)) return undefined;
  // SAFETY: the file is written by the runner, in a format that its documentation keeps.
  const report = JSON.parse(readFileSync(file, "utf8")) as VitestReport;
  const failed = report.numFailedTests > 0 || report.success ? report.numFailedTests : 1;
  const skipped = report.numPendingTests + report.numTodoTests;
  return { counts: { passed: report.numPassedTests, failed, skipped }, failures: failuresOf(report) };
}

function failuresOf({ testResults }: VitestReport): string[] {
  return testResults.flatMap(({ name, message, assertionResults }) => {
    const failed = assertionResults.filter(({ status }) => status === "failed");
    if (failed.length === 0) return message === "" ? [] : [`${name}: ${firstLine(message)}`];
    return failed.map(({ fullName, failureMessages }) => `${name}: ${fullName}: ${firstLine(failureMessages?.[0])}`);
  });
}

function firstLine(message = ""): string {
  return (message.split("\n", 1)[0] ?? "").slice(0, MESSAGE_LENGTH);
}
