/** `npm run bench:relay`: our relay beside coturn on this machine. Table or JSON on stdout, progress on stderr. */
import { parseArgs } from "node:util";
import { describeMachine } from "../bench/machine.ts";
import { wholeNumber } from "../bench/whole-number.ts";
import { whyLabCannotRun } from "../net/lab-error.ts";
import { METRICS, STREAMS } from "./metrics.ts";
import { relayVersion } from "./relay-server.ts";
import { buildRelayReport, formatRelayTable } from "./report.ts";
import { measureMemory, type RunOptions, runRounds } from "./run.ts";
import { divideCores } from "./stage.ts";

const USAGE = `npm run bench:relay [-- OPTIONS]
  --json            one JSON object on standard output instead of the table
  --rounds N        how often both relays are measured (default 5)
  --milliseconds M  length of each measurement; there are six per metric and round (default 200)
Ratios are asterism's figure divided by coturn's, within one round.`;

const ALLOCATIONS = 1_000;
const CLIENTS = 8;
const STREAM_ROUNDS = 3;

const log = (line: string): void => console.error(line);

function readOptions() {
  const { values } = parseArgs({
    options: {
      json: { type: "boolean", default: false },
      rounds: { type: "string", default: "5" },
      milliseconds: { type: "string", default: "200" },
      help: { type: "boolean", default: false },
    },
  });
  return {
    ...values,
    rounds: wholeNumber("rounds", values.rounds),
    milliseconds: wholeNumber("milliseconds", values.milliseconds, 20),
  };
}

async function main(): Promise<number> {
  const { json, help, rounds, milliseconds } = readOptions();
  if (help) {
    console.log(USAGE);
    return 0;
  }
  const reason = whyLabCannotRun();
  if (reason !== undefined) {
    log(reason);
    return 1;
  }
  const versions = { asterism: await relayVersion("asterism"), coturn: await relayVersion("coturn") };
  const cores = divideCores();
  const options: RunOptions = { metrics: METRICS, rounds, milliseconds, clients: CLIENTS, cores, log };
  const pairs = await runRounds(options);
  const streams = { ...options, metrics: { streams: STREAMS }, rounds: Math.min(rounds, STREAM_ROUNDS), tcp: true };
  const streamPairs = await runRounds(streams);
  const memory = {
    asterism: await measureMemory("asterism", ALLOCATIONS, cores),
    coturn: await measureMemory("coturn", ALLOCATIONS, cores),
  };
  const report = buildRelayReport(
    {
      versions,
      settings: { rounds, milliseconds, clients: CLIENTS },
      metrics: { ...METRICS, ...streams.metrics },
      pairs: { ...pairs, ...streamPairs },
      allocations: ALLOCATIONS,
      memory,
    },
    describeMachine(),
  );
  console.log(json ? JSON.stringify(report) : formatRelayTable(report));
  return 0;
}

try {
  process.exitCode = await main();
} catch (error: unknown) {
  log(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}
