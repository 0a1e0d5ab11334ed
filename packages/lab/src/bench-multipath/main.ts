/** `npm run bench:multipath`: one TCP flow over several links, beside what each link alone gives. */
import { parseArgs } from "node:util";
import { measureTcp } from "../net/iperf.ts";
import { Lab } from "../net/lab.ts";
import { whyLabCannotRun } from "../net/lab-error.ts";
import { Bundle } from "./bundle.ts";
import { type MultipathScenario, SCENARIOS } from "./scenarios.ts";

const USAGE = `npm run bench:multipath [-- OPTIONS]
  --json         one JSON object on standard output instead of the table
  --seconds S    length of each measurement (default 10)
  --flows N      TCP flows (default 1)
  --only NAME    only this scenario; may be given several times
  --verbose      what the engines counted, on standard error
The fraction is what all links together give, divided by the sum of what each gives alone, all through Asterism.`;

interface Row {
  readonly scenario: string;
  readonly fractionOfSum: number;
  readonly goal: number;
  readonly aggregateMbit: number;
  readonly aloneMbit: readonly number[];
  /** The best link alone. */
  readonly bestMbit: number;
}

interface Options {
  readonly seconds: number;
  readonly flows: number;
  readonly verbose: boolean;
}

const log = (line: string): void => console.error(line);

async function measureRow(scenario: MultipathScenario, options: Options): Promise<Row> {
  await using lab = Lab.create("multi");
  const bundle = await Bundle.open(lab, scenario.links);
  const aloneMbit: number[] = [];
  for (const index of scenario.links.keys()) {
    await bundle.use([index], "best");
    aloneMbit.push(await transfer(bundle, options));
  }
  await bundle.use([...scenario.links.keys()], "aggregate");
  const aggregateMbit = await transfer(bundle, options);
  if (options.verbose) log(JSON.stringify(await bundle.describe(), null, 1));
  const sum = aloneMbit.reduce((total, rate) => total + rate, 0);
  const row = {
    scenario: scenario.name,
    fractionOfSum: round(aggregateMbit / sum, 3),
    goal: scenario.goal,
    aggregateMbit: round(aggregateMbit, 1),
    aloneMbit: aloneMbit.map((rate) => round(rate, 1)),
    bestMbit: round(Math.max(...aloneMbit), 1),
  };
  log(JSON.stringify(row));
  return row;
}

async function transfer(bundle: Bundle, options: Options): Promise<number> {
  const { seconds, flows } = options;
  const result = await measureTcp(bundle.b, bundle.a, {
    address: bundle.addressB,
    congestion: "cubic",
    seconds,
    flows,
  });
  return result.bitsPerSecond / 1e6;
}

function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}

function formatTable(rows: readonly Row[]): string {
  const lines = rows.map(({ scenario, aloneMbit, aggregateMbit, fractionOfSum, goal }) =>
    [
      scenario.padEnd(22),
      aloneMbit.join(" + ").padEnd(30),
      String(aggregateMbit).padStart(8),
      fractionOfSum.toFixed(2).padStart(9),
      `≥ ${goal}`.padStart(7),
    ].join(" "),
  );
  const head = ["links", "alone, Mbit/s", "together", "fraction", "goal"];
  const widths = [-22, -30, 8, 9, 7];
  const header = head.map((text, index) => {
    const width = widths[index] ?? 0;
    return width < 0 ? text.padEnd(-width) : text.padStart(width);
  });
  return [header.join(" "), ...lines].join("\n");
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      json: { type: "boolean", default: false },
      seconds: { type: "string", default: "10" },
      flows: { type: "string", default: "1" },
      only: { type: "string", multiple: true },
      verbose: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    console.log(USAGE);
    return 0;
  }
  const reason = whyLabCannotRun();
  if (reason !== undefined) {
    log(reason);
    return 1;
  }
  const options = { seconds: Number(values.seconds), flows: Number(values.flows), verbose: values.verbose };
  if (!Number.isInteger(options.seconds) || options.seconds < 1) throw new Error("--seconds: a whole number from 1");
  if (!Number.isInteger(options.flows) || options.flows < 1) throw new Error("--flows: a whole number from 1");
  const scenarios = SCENARIOS.filter(({ name }) => values.only?.includes(name) ?? true);
  if (scenarios.length === 0) throw new Error(`no such scenario; there are ${SCENARIOS.map((s) => s.name).join(", ")}`);
  const rows: Row[] = [];
  for (const scenario of scenarios) rows.push(await measureRow(scenario, options));
  console.log(values.json ? JSON.stringify({ rows }) : formatTable(rows));
  return 0;
}

try {
  process.exitCode = await main();
} catch (error: unknown) {
  log(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}
