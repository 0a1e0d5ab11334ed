/** `npm run bench:multipath`: one TCP flow over several links, beside what each link alone gives. */
import { parseArgs } from "node:util";
import { wholeNumber } from "../bench/whole-number.ts";
import { Lab } from "../net/lab.ts";
import { whyLabCannotRun } from "../net/lab-error.ts";
import { Bundle } from "./bundle.ts";
import { measureFigures } from "./figures.ts";
import { buildRow, formatTable, type Row } from "./report.ts";
import { type MultipathScenario, SCENARIOS } from "./scenarios.ts";
import { transfer } from "./transfer.ts";

const USAGE = `npm run bench:multipath [-- OPTIONS]
  --json         one JSON object on standard output instead of the table
  --seconds S    length of each measurement (default 10)
  --only NAME    only this scenario; may be given several times
  --verbose      what the engines counted, on standard error
The fraction is what all links together give, divided by the sum of what each gives alone, all through Asterism. Without
--only, pings beside bulk, a link that is cut and links without a limit are measured too.`;

interface Options {
  readonly seconds: number;
  readonly verbose: boolean;
}

const log = (line: string): void => console.error(line);

async function measureRow(scenario: MultipathScenario, { seconds, verbose }: Options): Promise<Row> {
  await using lab = Lab.create("multi");
  const bundle = await Bundle.open(lab, scenario.links);
  const indices = [...scenario.links.keys()];
  const aloneMbit: number[] = [];
  for (const index of indices) {
    await bundle.use([index], "best");
    aloneMbit.push(await transfer(bundle, { seconds }));
  }
  await bundle.use(indices, "aggregate");
  const aggregateMbit = await transfer(bundle, { seconds });
  if (verbose) log(JSON.stringify(await bundle.describe(), null, 1));
  await bundle.use(indices, "aggregate");
  const fourFlowsMbit = await transfer(bundle, { seconds, flows: 4 });
  const row = buildRow(scenario, { aloneMbit, aggregateMbit, fourFlowsMbit });
  log(JSON.stringify(row));
  return row;
}

function readOptions() {
  const { values } = parseArgs({
    options: {
      json: { type: "boolean", default: false },
      seconds: { type: "string", default: "10" },
      only: { type: "string", multiple: true },
      verbose: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  return { ...values, seconds: wholeNumber("seconds", values.seconds) };
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
  const scenarios = SCENARIOS.filter(({ name }) => options.only?.includes(name) ?? true);
  if (scenarios.length === 0) throw new Error(`no such scenario; there are ${SCENARIOS.map((s) => s.name).join(", ")}`);
  const rows: Row[] = [];
  for (const scenario of scenarios) rows.push(await measureRow(scenario, options));
  const figures = options.only === undefined ? await measureFigures(options.seconds) : undefined;
  console.log(options.json ? JSON.stringify({ rows, figures }) : formatTable(rows, figures));
  return 0;
}

try {
  process.exitCode = await main();
} catch (error: unknown) {
  log(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}
