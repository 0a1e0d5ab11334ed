/** `npm run chaos`: everything goes wrong, at random, and must come right. Table or JSON on stdout, progress on stderr. */
import { parseArgs } from "node:util";
import { whyLabCannotRun } from "../net/lab-error.ts";
import { whyProductCannotRun } from "../product/asterism-command.ts";
import { runRealChaos } from "./real/real-run.ts";
import { type ChaosReport, type ChaosResult, formatTable, formatViolations, resultsOf, toJson } from "./report.ts";
import { runVirtualChaos } from "./virtual/run.ts";
import { ALL_KINDS, FAULT_KINDS, type FaultKind } from "./virtual/schedule.ts";

const USAGE = `npm run chaos [-- OPTIONS]
  --json        one JSON object on standard output instead of the table
  --seed N      which faults, when, to whom (default 1); the same seed gives the same virtual run
  --virtual     only the run in virtual time
  --real        only the run with real agents in network namespaces, as root on Linux
  --minutes M   length (default 30 of virtual time, 5 in namespaces)
  --agents N    members (default 20 in virtual time, 8 in namespaces)
  --only A,B    only these kinds of faults in virtual time, see below
  --verbose     tell every fault on standard error
Exit code 0 if every pair that could be connected was, within 10 s of the last fault of every phase, and nothing else was
violated; else 1, with the seed, the faults before and the history of the pair on standard error.
Kinds of faults:
${Object.entries(FAULT_KINDS)
  .map(([kind, text]) => `  ${kind.padEnd(20)}${text}`)
  .join("\n")}`;

const log = (line: string): void => console.error(line);

function readOptions() {
  const { values } = parseArgs({
    options: {
      json: { type: "boolean", default: false },
      seed: { type: "string", default: "1" },
      minutes: { type: "string" },
      agents: { type: "string" },
      virtual: { type: "boolean", default: false },
      real: { type: "boolean", default: false },
      only: { type: "string" },
      verbose: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  const seed = Number(values.seed);
  if (!Number.isInteger(seed) || seed < 0) throw new Error("--seed: a whole number from 0 is needed");
  const minutes = values.minutes === undefined ? undefined : Number(values.minutes);
  if (minutes !== undefined && !(minutes > 0)) throw new Error("--minutes: a number over 0 is needed");
  const agents = values.agents === undefined ? undefined : Number(values.agents);
  const isCountFine = agents === undefined || (Number.isInteger(agents) && agents >= 2 && agents <= 100);
  if (!isCountFine) throw new Error("--agents: 2 to 100 are possible");
  const kinds = values.only?.split(",").map(parseKind) ?? ALL_KINDS;
  return { ...values, seed, minutes, agents, kinds };
}

function parseKind(text: string): FaultKind {
  const kind = ALL_KINDS.find((known) => known === text);
  if (kind === undefined) throw new Error(`--only ${text}: there is no such fault; --help lists them`);
  return kind;
}

async function main(): Promise<number> {
  const options = readOptions();
  const { json, help } = options;
  if (help) {
    console.log(USAGE);
    return 0;
  }
  const isBoth = options.virtual === options.real;
  const reason = options.real || isBoth ? (whyLabCannotRun() ?? whyProductCannotRun()) : undefined;
  if (reason !== undefined) log(`no run in namespaces: ${reason}`);
  if (reason !== undefined && !isBoth) return 1;
  const report: ChaosReport = {};
  if (options.virtual || isBoth) report.virtual = runVirtual(options);
  if ((options.real || isBoth) && reason === undefined) report.real = await runReal(options);
  return tell(report, json);
}

function tell(report: ChaosReport, json: boolean): number {
  for (const [, result] of resultsOf(report)) if (result.violations.length > 0) log(formatViolations(result));
  console.log(json ? JSON.stringify(toJson(report)) : formatTable(report));
  return resultsOf(report).every(([, { violations }]) => violations.length === 0) ? 0 : 1;
}

type Options = ReturnType<typeof readOptions>;

function runVirtual({ seed, kinds, verbose, minutes = 30, agents = 20 }: Options): ChaosResult {
  log(`seed ${seed}: ${minutes} minutes of virtual time, ${agents} agents`);
  return runVirtualChaos({ seed, minutes, agents, kinds, ...(verbose ? { log } : {}) });
}

function runReal({ seed, verbose, minutes = 5, agents = 8 }: Options): Promise<ChaosResult> {
  log(`seed ${seed}: ${minutes} minutes in namespaces, ${agents} agents`);
  return runRealChaos({ seed, minutes, agents, ...(verbose ? { log } : {}) });
}

try {
  process.exitCode = await main();
} catch (error: unknown) {
  log(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}
