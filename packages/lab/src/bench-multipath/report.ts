import type { Figures } from "./figures.ts";
import type { MultipathScenario } from "./scenarios.ts";

export interface Row {
  readonly scenario: string;
  /** What all links together give to one flow, divided by the sum of what each alone gives. */
  readonly fractionOfSum: number;
  readonly goal: number;
  readonly aggregateMbit: number;
  readonly aloneMbit: readonly number[];
  /** The best link alone. */
  readonly bestMbit: number;
  /** Divided by the sum of the links' rates, headers and all. */
  readonly fractionOfRaw: number;
  readonly fourFlowsMbit: number;
}

export interface Measured {
  readonly aloneMbit: readonly number[];
  readonly aggregateMbit: number;
  readonly fourFlowsMbit: number;
}

export function buildRow(scenario: MultipathScenario, measured: Measured): Row {
  const { aloneMbit, aggregateMbit, fourFlowsMbit } = measured;
  const rawMbit = sum(scenario.links.map(({ rateMbit }) => rateMbit ?? 0));
  return {
    scenario: scenario.name,
    fractionOfSum: rounded(aggregateMbit / sum(aloneMbit), 3),
    goal: scenario.goal,
    aggregateMbit: rounded(aggregateMbit, 1),
    aloneMbit: aloneMbit.map((rate) => rounded(rate, 1)),
    bestMbit: rounded(Math.max(...aloneMbit), 1),
    fractionOfRaw: rounded(aggregateMbit / rawMbit, 3),
    fourFlowsMbit: rounded(fourFlowsMbit, 1),
  };
}

/** Markdown. */
export function formatTable(rows: readonly Row[], figures: Figures | undefined): string {
  const header = ["links", "alone (Mbit/s)", "together", "of the sum", "goal", "of the raw rates", "four flows"];
  const cells = rows.map((row) => [
    row.scenario,
    row.aloneMbit.join(" + "),
    String(row.aggregateMbit),
    row.fractionOfSum.toFixed(2),
    `≥ ${row.goal}`,
    row.fractionOfRaw.toFixed(2),
    String(row.fourFlowsMbit),
  ]);
  const lines = [header, header.map(() => "---"), ...cells].map((line) => `| ${line.join(" | ")} |`);
  return [...lines, ...(figures === undefined ? [] : ["", ...describeFigures(figures)])].join("\n");
}

function describeFigures(figures: Figures): string[] {
  const { pingIdleMs, pingBesideBulkMs, cutStallMs, unlimitedBestMbit, unlimitedAggregateMbit } = figures;
  const goalMs = 1.5 * pingIdleMs + 10;
  return [
    `Ping in \`auto\` beside bulk: ${pingBesideBulkMs.toFixed(1)} ms, idle ${pingIdleMs.toFixed(1)} ms (goal ≤ ${goalMs.toFixed(1)} ms).`,
    `One of two links cut in the middle of a transfer: nothing arrived for ${cutStallMs.toFixed(0)} ms (goal < 1,000 ms).`,
    `Two links without a limit: ${unlimitedAggregateMbit.toFixed(0)} Mbit/s, \`best\` ${unlimitedBestMbit.toFixed(0)} Mbit/s.`,
  ];
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function rounded(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
