import { existsSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { availableParallelism } from "node:os";
import { resolve } from "node:path";
import { NO_TESTS } from "../report/counts.ts";
import { readDoctestReport } from "../report/doctest-report.ts";
import { hasProgram, printNow, ROOT, type RunOptions, runCommand } from "./command.ts";
import type { GroupOutcome, TestGroup } from "./test-groups.ts";
import { REPORTS } from "./vitest-run.ts";

const NATIVE = resolve(ROOT, "packages/engine/native");
const SHORT_FUZZ_SECONDS = 5;

/** Debian names the version that ./setup test installs. */
const CLANGS = ["clang++-14", "clang++"];

/** Skips with a reason when a program is missing; a group that can't be counted is one skipped test. */
async function obstacle(programs: readonly string[]): Promise<GroupOutcome | undefined> {
  const present = await Promise.all(programs.map(hasProgram));
  const missing = programs.filter((_, index) => present[index] !== true);
  return missing.length === 0 ? undefined : skipped(`${missing.join(" and ")} is not installed`);
}

function skipped(why: string): GroupOutcome {
  const reason = `${why} (./setup test installs what the tests need)`;
  return { kind: "skipped", counts: { ...NO_TESTS, skipped: 1 }, reason };
}

function make(args: readonly string[], options: RunOptions): ReturnType<typeof runCommand> {
  const jobs = `-j${availableParallelism()}`;
  return runCommand({ program: "make", args: ["--silent", jobs, "-C", NATIVE, ...args] }, options);
}

async function buildEngine(options: RunOptions): Promise<GroupOutcome> {
  const blocked = await obstacle(["g++", "make"]);
  if (blocked !== undefined) return blocked;
  const built = await make([], options);
  if (built.ok) return { kind: "passed", counts: NO_TESTS };
  return { kind: "failed", counts: NO_TESTS, reason: `the engine does not build: ${built.failure}` };
}

/** The engine's own tests in a build with sanitizers; the counts come from doctest's XML report. */
async function runSanitized(sanitizers: string, options: RunOptions): Promise<GroupOutcome> {
  const blocked = await obstacle(["g++", "make"]);
  if (blocked !== undefined) return blocked;
  if (!existsSync("/usr/include/doctest")) return skipped("doctest-dev is not installed");
  const variant = sanitizers.replace(",", "-");
  const target = `build/test-${variant}/engine-test`;
  const built = await make([target, `SANITIZE=${sanitizers}`], options);
  if (!built.ok) return { kind: "failed", counts: NO_TESTS, reason: `the tests do not build: ${built.failure}` };

  const program = resolve(NATIVE, target);
  const report = resolve(REPORTS, `engine-${variant}.xml`);
  mkdirSync(REPORTS, { recursive: true });
  rmSync(report, { force: true });
  const env = { TSAN_OPTIONS: "halt_on_error=1" };
  const run = await runCommand({ program, args: ["--reporters=xml", `--out=${report}`], env }, options);
  const counts = readDoctestReport(report) ?? NO_TESTS;
  if (run.ok && counts.passed > 0) return { kind: "passed", counts };
  // The XML report holds the details for machines; people get them from a second run.
  await runCommand({ program, args: ["--no-colors"], env }, options);
  return { kind: "failed", counts, reason: run.failure || "no test ran" };
}

/** Runs every fuzzer for the given time. Fuzzing counts no tests: it passes or it finds something. */
export async function runFuzzers(secondsEach: number, options: RunOptions = { echo: printNow }): Promise<GroupOutcome> {
  if (
    !existsSync(resolve(NATIVE, "fuzz")) ||
    !readdirSync(resolve(NATIVE, "fuzz")).some((name) => name.endsWith(".cc"))
  ) {
    return skipped("there are no fuzz targets");
  }
  const clangs = await Promise.all(CLANGS.map(hasProgram));
  const clang = CLANGS.find((_, index) => clangs[index] === true);
  if (clang === undefined) return skipped(`${CLANGS[0]} is not installed`);
  const run = await make(["fuzz", `FUZZ_SECONDS=${secondsEach}`, `CLANG=${clang}`], options);
  const executions = [...run.output.matchAll(/stat::number_of_executed_units:\s+(\d+)/g)];
  const total = executions.reduce((sum, match) => sum + Number(match[1]), 0);
  options.echo?.(`${executions.length} fuzzers, ${total} executions\n`);
  if (run.ok && total > 0) return { kind: "passed", counts: NO_TESTS };
  return { kind: "failed", counts: NO_TESTS, reason: run.failure || "nothing was executed" };
}

export const ENGINE_BUILD: TestGroup = { name: "packet engine: build", run: buildEngine };

/** The engine's tests have builds of their own. */
export const ENGINE_TESTS: readonly TestGroup[] = [
  { name: "packet engine: ASan and UBSan", run: (options) => runSanitized("address,undefined", options) },
  { name: "packet engine: TSan", run: (options) => runSanitized("thread", options) },
  { name: "packet engine: short fuzzing", run: (options) => runFuzzers(SHORT_FUZZ_SECONDS, options) },
];
