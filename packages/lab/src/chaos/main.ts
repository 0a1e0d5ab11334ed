/** `npm run chaos`: everything goes wrong, at random, and must come right. Table or JSON on stdout, progress on stderr. */
import { parseArgs } from "node:util";
import { type ChaosReport, formatTable, formatViolations, toJson } from "./report.ts";
import { runVirtualChaos } from "./virtual/run.ts";
import { ALL_KINDS, FAULT_KINDS, type FaultKind } from "./virtual/schedule.ts";

const USAGE = `npm run chaos [-- OPTIONS]
  --json        one JSON object on standard output instead of the table
  --seed N      which faults, when, to whom (default 1); the same seed gives the same virtual run
  --minutes M   length (default 30, of virtual time)
  --agents N    members (default 20)
  --only A,B    only these kinds of faults, see below
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
      minutes: { type: "string", default: "30" },
      agents: { type: "string", default: "20" },
      only: { type: "string" },
      verbose: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  const [seed, minutes, agents] = [Number(values.seed), Number(values.minutes), Number(values.agents)];
  if (!Number.isInteger(seed) || seed < 0) throw new Error("--seed: a whole number from 0 is needed");
  if (!(minutes > 0)) throw new Error("--minutes: a number over 0 is needed");
  if (!Number.isInteger(agents) || agents < 2 || agents > 200) throw new Error("--agents: 2 to 200 are possible");
  const kinds = values.only?.split(",").map(parseKind) ?? ALL_KINDS;
  return { ...values, seed, minutes, agents, kinds };
}

function parseKind(text: string): FaultKind {
  const kind = ALL_KINDS.find((known) => known === text);
  if (kind === undefined) throw new Error(`--only ${text}: there is no such fault; --help lists them`);
  return kind;
}

function main(): number {
  const { json, help, verbose, kinds, seed, minutes, agents } = readOptions();
  if (help) {
    console.log(USAGE);
    return 0;
  }
  log(`seed ${seed}: ${minutes} minutes of virtual time, ${agents} agents`);
  const virtual = runVirtualChaos({ seed, minutes, agents, kinds, ...(verbose ? { log } : {}) });
  const report: ChaosReport = { virtual };
  for (const result of Object.values(report)) if (result.violations.length > 0) log(formatViolations(result));
  console.log(json ? JSON.stringify(toJson(report)) : formatTable(report));
  return Object.values(report).every(({ violations }) => violations.length === 0) ? 0 : 1;
}

try {
  process.exitCode = main();
} catch (error: unknown) {
  log(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}
