import { median } from "../net/ping.ts";
import type { Machine } from "./machine.ts";
import type { Scenario } from "./scenario.ts";

/** Metric to value, for one contender in one round. */
export type Figures = Readonly<Record<string, number>>;
/** Contender to figures. */
export type Round = Readonly<Record<string, Figures>>;

export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

export interface Entrant {
  readonly version?: string;
  readonly note?: string;
  /** Why it was not measured. */
  readonly leftOut?: string;
}

export interface Report {
  readonly machine: Machine;
  readonly settings: { readonly rounds: number; readonly seconds: number };
  readonly contenders: Readonly<Record<string, Entrant>>;
  readonly metrics: Readonly<Record<string, { readonly unit: string; readonly better: "higher" | "lower" }>>;
  readonly rounds: readonly Round[];
  /** Metric → contender → spread over the rounds. */
  readonly figures: Readonly<Record<string, Readonly<Record<string, Spread>>>>;
  /** Metric → other contender → median over the rounds of (asterism / other within one round). */
  readonly ratios: Readonly<Record<string, Readonly<Record<string, number>>>>;
  readonly ratioSpreads: Readonly<Record<string, Readonly<Record<string, Spread>>>>;
}

const SUBJECT = "asterism";

export function buildReport(
  frame: Pick<Report, "machine" | "settings" | "contenders">,
  scenarios: readonly Scenario[],
  rounds: readonly Round[],
): Report {
  const metrics = Object.assign({}, ...scenarios.map(({ metrics }) => metrics)) as Report["metrics"];
  const names = Object.keys(frame.contenders);
  const figures: Record<string, Record<string, Spread>> = {};
  const ratios: Record<string, Record<string, number>> = {};
  const ratioSpreads: Record<string, Record<string, Spread>> = {};
  for (const metric of Object.keys(metrics)) {
    for (const name of names) {
      const values = rounds.flatMap((round) => round[name]?.[metric] ?? []);
      if (values.length > 0) put(figures, metric, name, spread(values));
      if (name === SUBJECT) continue;
      const quotients = rounds.flatMap((round) => quotient(round[SUBJECT]?.[metric], round[name]?.[metric]));
      if (quotients.length === 0) continue;
      const ratio = spread(quotients);
      put(ratioSpreads, metric, name, ratio);
      put(ratios, metric, name, ratio.median);
    }
  }
  return { ...frame, metrics, rounds, figures, ratios, ratioSpreads };
}

function put<T>(table: Record<string, Record<string, T>>, metric: string, name: string, value: T): void {
  table[metric] = { ...table[metric], [name]: value };
}

function quotient(ours: number | undefined, theirs: number | undefined): number[] {
  return ours === undefined || theirs === undefined || theirs === 0 ? [] : [rounded(ours / theirs)];
}

export function spread(values: readonly number[]): Spread {
  return { median: rounded(median(values)), min: rounded(Math.min(...values)), max: rounded(Math.max(...values)) };
}

function rounded(value: number): number {
  return Number(value.toPrecision(4));
}

/** A Markdown table: one row per metric, figures per contender, and the ratios of Asterism to each. */
export function formatTable(report: Report): string {
  const present = Object.entries(report.contenders).filter(([, { leftOut }]) => leftOut === undefined);
  const names = present.map(([name]) => name);
  const others = names.filter((name) => name !== SUBJECT);
  const header = ["metric", "better", ...names, ...others.map((name) => `${SUBJECT} / ${name}`)];
  const rows = Object.entries(report.metrics).map(([metric, { unit, better }]) => [
    `${metric} (${unit})`,
    better,
    ...names.map((name) => formatSpread(report.figures[metric]?.[name])),
    ...others.map((name) => formatSpread(report.ratioSpreads[metric]?.[name])),
  ]);
  const lines = [header, header.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`);
  const notes = Object.entries(report.contenders).map(([name, { version, note, leftOut }]) =>
    leftOut === undefined ? `${name}: ${[version, note].filter(Boolean).join(", ")}` : `${name}: left out: ${leftOut}`,
  );
  const { machine, settings } = report;
  return [
    ...lines,
    "",
    `Median (least–most) of ${settings.rounds} rounds of ${settings.seconds} s; ratios are taken within a round.`,
    ...notes,
    `${machine.cpu}, ${machine.cores} cores, ${machine.memoryGiB} GiB, Linux ${machine.kernel}, ${machine.distribution}, ` +
      `Node ${machine.node}, OpenSSL ${machine.openssl}, ${machine.instructions.join(" ")}`,
  ].join("\n");
}

export function formatSpread(value: Spread | undefined): string {
  if (value === undefined) return "–";
  const text = (number: number): string => (number >= 100 ? number.toFixed(0) : number.toPrecision(3));
  return value.min === value.max ? text(value.median) : `${text(value.median)} (${text(value.min)}–${text(value.max)})`;
}
