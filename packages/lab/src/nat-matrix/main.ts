/** `npm run nat-matrix`: which pairs of NATs get a direct path, and how soon. Table or JSON on stdout, progress on stderr. */
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { describeMachine } from "../bench/machine.ts";
import { whyLabCannotRun } from "../net/lab-error.ts";
import { whyProductCannotRun } from "../product/asterism-command.ts";
import { BLOCKED_PAIRS, formatBlocked, missedBlockedGoals, splitBlocked } from "./blocked-pairs.ts";
import { formatDocument } from "./document.ts";
import { measurePair, type PairTry } from "./measure-pair.ts";
import { BLOCKED_KINDS, FURTHER_KINDS, isBlocked, pairClass, SITE_KINDS, type SiteKind } from "./pair-kinds.ts";
import { figuresOf, formatTables, type MeasuredPair, missedGoals } from "./report.ts";
import { Sites } from "./sites.ts";

const USAGE = `npm run nat-matrix [-- OPTIONS]
  --json        one JSON object on standard output instead of the tables
  --tries N     how often every pair is tried, each time with fresh agents (default 1)
  --delay MS    from each machine to the lab's internet, and the same back (default 5)
  --pair A:B    measure only this pair; may be given several times
  --write       write docs/nat-matrix.md as well
Kinds: ${[...SITE_KINDS, ...BLOCKED_KINDS].join(", ")}; with --pair also ${FURTHER_KINDS.join(", ")}.
Exit code 0 if all pairs reached each other, and directly but for symmetric with symmetric; 1 otherwise.`;

const DOCUMENT = fileURLToPath(new URL("../../../../docs/nat-matrix.md", import.meta.url));

const ALL_KINDS: readonly SiteKind[] = [...SITE_KINDS, ...FURTHER_KINDS, ...BLOCKED_KINDS];

type Pair = readonly [SiteKind, SiteKind];

const log = (line: string): void => console.error(line);

function readOptions() {
  const { values } = parseArgs({
    options: {
      json: { type: "boolean", default: false },
      tries: { type: "string", default: "1" },
      delay: { type: "string", default: "5" },
      pair: { type: "string", multiple: true },
      write: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  const [tries, delayMs] = [Number(values.tries), Number(values.delay)];
  if (!Number.isInteger(tries) || tries < 1) throw new Error("--tries: a whole number from 1 is needed");
  if (!(delayMs >= 0 && delayMs <= 1_000)) throw new Error("--delay: milliseconds from 0 to 1000 are needed");
  const pairs = values.pair?.map(parsePair) ?? [
    ...SITE_KINDS.flatMap((a) => SITE_KINDS.map((b): Pair => [a, b])),
    ...BLOCKED_PAIRS,
  ];
  if (values.write && values.pair !== undefined)
    throw new Error("--write: the document has all pairs; leave --pair out");
  return { ...values, tries, delayMs, pairs };
}

function parsePair(text: string): Pair {
  const [a, b, ...more] = text.split(":").map((name) => ALL_KINDS.find((kind) => kind === name));
  if (a === undefined || b === undefined || more.length > 0) {
    throw new Error(`--pair ${text}: write it as A:B, each one of ${ALL_KINDS.join(", ")}`);
  }
  return [a, b];
}

async function main(): Promise<number> {
  const options = readOptions();
  if (options.help) {
    console.log(USAGE);
    return 0;
  }
  const reason = whyLabCannotRun() ?? whyProductCannotRun();
  if (reason !== undefined) {
    log(reason);
    return 1;
  }
  const measured = options.pairs.map(([a, b]): MeasuredPair & { tries: PairTry[] } => ({ a, b, tries: [] }));
  for (let number = 1; number <= options.tries; number++) {
    log(`try ${number} of ${options.tries}: starting a server and the agents`);
    await tryAll(measured, options.delayMs);
  }
  const { open: pairs, blocked } = splitBlocked(measured.map(figuresOf));
  const tables = [formatTables(pairs), formatBlocked(blocked)].filter((text) => text !== "");
  console.log(options.json ? JSON.stringify({ pairs, blocked }) : tables.join("\n\n"));
  if (options.write) {
    writeFileSync(
      DOCUMENT,
      formatDocument({ pairs, blocked }, options, describeMachine(), new Date().toISOString().slice(0, 10)),
    );
  }
  const failures = [...missedGoals(pairs).failures, ...missedBlockedGoals(blocked).failures];
  return failures.length === 0 ? 0 : 1;
}

/** Every pair once: two machines of each kind, so that no pair has talked before it is measured. */
async function tryAll(measured: readonly (MeasuredPair & { tries: PairTry[] })[], delayMs: number): Promise<void> {
  await using sites = await Sites.create("matrix", { delayMs });
  const callers = measured.map(({ a }) => [`from-${a}`, a] as const);
  const called = measured.map(({ b }) => [`to-${b}`, b] as const);
  const all = await sites.add(Object.fromEntries([...callers, ...called]));
  const site = (name: string) => {
    const found = all.find((one) => one.name === name);
    if (found === undefined) throw new Error(`no site ${name}`);
    return found;
  };
  // Hard pairs go on trying, which costs others time; behind them those that need the relay's streams.
  const easyFirst = [...measured].sort((left, right) => rankOf(left) - rankOf(right));
  for (const { a, b, tries } of easyFirst) {
    const mayBeDirect = !isBlocked(a, b);
    const result = await measurePair(site(`from-${a}`), site(`to-${b}`), sites.relayWatch, mayBeDirect);
    tries.push(result);
    log(`${a.padEnd(16)} ${b.padEnd(16)} ${describe(result)}`);
  }
}

function rankOf({ a, b }: MeasuredPair): number {
  return isBlocked(a, b) ? 3 : { easy: 0, punched: 1, none: 2 }[pairClass(a, b)];
}

function describe({ firstPingMs, directMs, direct }: PairTry): string {
  if (firstPingMs === null) return "no answer";
  const first = `first answer ${firstPingMs.toFixed(0)} ms`;
  return `${direct ? "direct" : "relayed"}, ${first}${directMs === null ? "" : `, direct ${directMs.toFixed(0)} ms`}`;
}

try {
  process.exitCode = await main();
} catch (error: unknown) {
  log(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}
