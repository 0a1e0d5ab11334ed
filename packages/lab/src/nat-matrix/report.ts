import { median } from "../net/ping.ts";
import type { PairTry } from "./measure-pair.ts";
import { FURTHER_KINDS, type PairClass, pairClass, SITE_KINDS, type SiteKind } from "./pair-kinds.ts";
import { milliseconds, table } from "./table.ts";

/** Every try of one pair. */
export interface MeasuredPair {
  readonly a: SiteKind;
  readonly b: SiteKind;
  readonly tries: readonly PairTry[];
}

/** One row of the table. Times are medians of the tries that had them, `null` when none had. */
export interface PairFigures {
  /** The side that sends the first packet. */
  readonly a: SiteKind;
  readonly b: SiteKind;
  /** How most tries ended. */
  readonly kind: "direct" | "relayed" | "none";
  readonly firstPingMs: number | null;
  readonly directMs: number | null;
  readonly tries: number;
  /** Tries that were answered at all. */
  readonly answered: number;
  /** Tries that ended on a direct path. */
  readonly direct: number;
}

export const FIRST_PING_GOAL_MS = 300;
export const DIRECT_GOALS_MS: Readonly<Record<PairClass, number>> = {
  easy: 1_000,
  punched: 10_000,
  none: Number.POSITIVE_INFINITY,
};
/** Share of the tries that may stay on the relay: guessing is a matter of chance. */
export const MISSES_ALLOWED: Readonly<Record<PairClass, number>> = { easy: 0, punched: 0.05, none: 1 };

export function figuresOf({ a, b, tries }: MeasuredPair): PairFigures {
  const answered = tries.filter(({ firstPingMs }) => firstPingMs !== null).length;
  const direct = tries.filter((one) => one.direct).length;
  const half = tries.length / 2;
  const reached = answered > half ? "relayed" : "none";
  const kind = direct > half ? "direct" : reached;
  const firstPingMs = medianOf(tries.map((one) => one.firstPingMs));
  const directMs = medianOf(tries.map((one) => one.directMs));
  return { a, b, kind, firstPingMs, directMs, tries: tries.length, answered, direct };
}

function medianOf(values: readonly (number | null)[]): number | null {
  const known = values.filter((value) => value !== null);
  return known.length === 0 ? null : Math.round(median(known));
}

/** What the pairs should have done and did not, a sentence each. */
export function missedGoals(pairs: readonly PairFigures[]): { failures: string[]; slow: string[] } {
  const failures: string[] = [];
  const slow: string[] = [];
  for (const { a, b, tries, answered, direct, firstPingMs, directMs } of pairs) {
    const pair = `${a} → ${b}`;
    if (answered < tries) failures.push(`${pair}: no answer in ${tries - answered} of ${tries} tries`);
    const kind = pairClass(a, b);
    if (tries - direct > tries * MISSES_ALLOWED[kind])
      failures.push(`${pair}: not direct in ${tries - direct} of ${tries} tries`);
    if (firstPingMs !== null && firstPingMs >= FIRST_PING_GOAL_MS) {
      slow.push(`${pair}: first answer after ${firstPingMs} ms (goal: under ${FIRST_PING_GOAL_MS} ms)`);
    }
    if (directMs !== null && directMs >= DIRECT_GOALS_MS[kind]) {
      slow.push(`${pair}: direct after ${directMs} ms (goal: under ${DIRECT_GOALS_MS[kind]} ms)`);
    }
  }
  return { failures, slow };
}

/** Markdown: how each pair ended as a square, then a row for each pair, then what missed its goal. */
export function formatTables(pairs: readonly PairFigures[]): string {
  if (pairs.length === 0) return "";
  const { failures, slow } = missedGoals(pairs);
  const answered = pairs.filter((pair) => pair.answered === pair.tries).length;
  const direct = pairs.filter((pair) => pair.kind === "direct").length;
  const misses = [...failures, ...slow].map((line) => `- ${line}`);
  return [
    ...square(pairs),
    "",
    ...rows(pairs),
    "",
    `${answered} of ${pairs.length} pairs reach each other, ${direct} of them directly.`,
    ...(misses.length > 0 ? ["", "Missed:", "", ...misses] : []),
  ].join("\n");
}

function square(pairs: readonly PairFigures[]): string[] {
  const cell = (a: SiteKind, b: SiteKind): string => {
    const pair = pairs.find((one) => one.a === a && one.b === b);
    if (pair === undefined) return "";
    return pair.kind === "direct" ? `direct, ${milliseconds(pair.directMs)}` : pair.kind;
  };
  const further = FURTHER_KINDS.filter((kind) => pairs.some(({ a, b }) => a === kind || b === kind));
  const kinds: readonly SiteKind[] = [...SITE_KINDS, ...further];
  return table(
    ["from \\ to", ...kinds],
    kinds.map((a) => [a, ...kinds.map((b) => cell(a, b))]),
  );
}

function rows(pairs: readonly PairFigures[]): string[] {
  return table(
    ["from", "to", "first answer", "direct after", "direct tries"],
    pairs.map(({ a, b, firstPingMs, directMs, direct, tries }) => [
      a,
      b,
      milliseconds(firstPingMs),
      milliseconds(directMs),
      `${direct} of ${tries}`,
    ]),
  );
}
