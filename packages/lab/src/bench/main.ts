/** `npm run bench`: Asterism beside other data planes on this machine. Table or JSON on stdout, progress on stderr. */
import { parseArgs } from "node:util";
import { whyLabCannotRun } from "../net/lab-error.ts";
import type { Contender } from "./contender.ts";
import { ASTERISM } from "./contenders/asterism.ts";
import { RAW } from "./contenders/raw.ts";
import { WIREGUARD_GO_NEWEST, WIREGUARD_GO_STABLE } from "./contenders/wireguard-go.ts";
import { describeMachine } from "./machine.ts";
import { buildReport, type Entrant, formatTable } from "./report.ts";
import { runRounds } from "./run.ts";
import { SCENARIOS } from "./scenarios/list.ts";
import { wholeNumber } from "./whole-number.ts";

const USAGE = `npm run bench [-- OPTIONS]
  --json            one JSON object on standard output instead of the table
  --rounds N        how often every contender is measured (default 3)
  --seconds S       length of each throughput measurement (default 3)
  --only NAME       measure only this contender; may be given several times
  --metric NAME     measure only this metric; may be given several times
  --all             the extended scenarios too (IPv6, no UDP segmentation)
In ratios, Asterism's figure is divided by the other's; for ping, CPU and memory lower is better.`;

const CONTENDERS: readonly Contender[] = [ASTERISM, WIREGUARD_GO_NEWEST, WIREGUARD_GO_STABLE, RAW];

const log = (line: string): void => console.error(line);

function readOptions() {
  const { values } = parseArgs({
    options: {
      json: { type: "boolean", default: false },
      rounds: { type: "string", default: "3" },
      seconds: { type: "string", default: "3" },
      only: { type: "string", multiple: true },
      metric: { type: "string", multiple: true },
      all: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  return {
    ...values,
    rounds: wholeNumber("rounds", values.rounds),
    seconds: wholeNumber("seconds", values.seconds),
  };
}

async function main(): Promise<number> {
  const options = readOptions();
  if (options.help) {
    console.log(USAGE);
    return 0;
  }
  const reason = whyLabCannotRun();
  if (reason !== undefined) {
    log(reason);
    return 1;
  }
  const scenarios = SCENARIOS.filter((scenario) =>
    options.metric === undefined
      ? options.all || scenario.extended !== true
      : options.metric.some((metric) => metric in scenario.metrics),
  );
  const wanted = CONTENDERS.filter(({ name }) => options.only?.includes(name) ?? true);
  if (wanted.length === 0 || scenarios.length === 0) throw new Error("no such contender or metric");
  const [present, contenders] = await prepare(wanted);
  const { rounds, notes } = await runRounds(present, scenarios, { ...options, log });
  const { rounds: count, seconds } = options;
  for (const [name, note] of Object.entries(notes)) contenders[name] = { ...contenders[name], note };
  const frame = { machine: describeMachine(), settings: { rounds: count, seconds }, contenders };
  const report = buildReport(frame, scenarios, rounds);
  console.log(options.json ? JSON.stringify(report) : formatTable(report));
  return contenders[ASTERISM.name]?.leftOut === undefined ? 0 : 1;
}

async function prepare(wanted: readonly Contender[]): Promise<[Contender[], Record<string, Entrant>]> {
  const present: Contender[] = [];
  const contenders: Record<string, Entrant> = {};
  for (const contender of wanted) {
    const found = await contender.prepare();
    if (found.available) present.push(contender);
    else log(`${contender.name} left out: ${found.reason}`);
    contenders[contender.name] = found.available ? { version: found.version } : { leftOut: found.reason };
  }
  return [present, contenders];
}

try {
  process.exitCode = await main();
} catch (error: unknown) {
  log(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}
