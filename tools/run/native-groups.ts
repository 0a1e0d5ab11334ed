import { mkdirSync, rmSync } from "node:fs";
import { resolve } from "node:path";
import { NO_TESTS } from "../report/counts.ts";
import { readDoctestReport } from "../report/doctest-report.ts";
import { hasProgram, runCommand } from "./command.ts";
import type { GroupOutcome, TestGroup } from "./test-groups.ts";
import { REPORTS } from "./vitest-run.ts";

const NATIVE = "packages/engine/native";

async function missingPrograms(names: readonly string[]): Promise<string[]> {
  const present = await Promise.all(names.map(hasProgram));
  return names.filter((_, index) => present[index] !== true);
}

/** Skips with a reason when a compiler is missing; one group that can't be counted is one skipped test. */
async function obstacle(programs: readonly string[]): Promise<GroupOutcome | undefined> {
  const missing = await missingPrograms(programs);
  if (missing.length === 0) return undefined;
  const reason = `${missing.join(" and ")} not installed (./setup test installs what the tests need)`;
  return { kind: "skipped", counts: { ...NO_TESTS, skipped: 1 }, reason };
}

async function buildEngine(): Promise<GroupOutcome> {
  const blocked = await obstacle(["g++", "make"]);
  if (blocked !== undefined) return blocked;
  const result = await runCommand({ program: "make", args: ["--silent", "-C", NATIVE] }, { echo: true });
  return result.ok
    ? { kind: "passed", counts: NO_TESTS }
    : { kind: "failed", counts: NO_TESTS, reason: `the engine does not build: ${result.failure}` };
}

/** The engine's own tests in one build with sanitizers; counts come from doctest's XML report. */
async function runSanitized(sanitizers: string): Promise<GroupOutcome> {
  const blocked = await obstacle(["g++", "make"]);
  if (blocked !== undefined) return blocked;
  const report = resolve(REPORTS, `native-${sanitizers.replace(",", "-")}.xml`);
  mkdirSync(REPORTS, { recursive: true });
  rmSync(report, { force: true });
  const args = ["--silent", "-C", NATIVE, "test", `SANITIZE=${sanitizers}`, `REPORT=${report}`];
  const result = await runCommand({ program: "make", args }, { echo: true });
  const counts = readDoctestReport(report);
  if (counts === undefined) return { kind: "failed", counts: NO_TESTS, reason: `no report; ${result.failure}` };
  if (result.ok && counts.failed === 0) return { kind: "passed", counts };
  return { kind: "failed", counts, reason: result.failure };
}

export function nativeGroups(): TestGroup[] {
  return [
    { name: "packet engine: build", run: buildEngine },
    { name: "packet engine: ASan, UBSan", run: () => runSanitized("address,undefined") },
    { name: "packet engine: TSan", run: () => runSanitized("thread") },
  ];
}
