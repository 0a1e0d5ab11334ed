/** Pairs of which a firewall lets no UDP out at one end or both: they meet at the relay, by streams. */

import { BLOCKED_KINDS, isBlocked, SITE_KINDS, type SiteKind } from "./pair-kinds.ts";
import type { PairFigures } from "./report.ts";
import { milliseconds, table } from "./table.ts";

export const BLOCKED_GOAL_MS = 3_000;

/** UDP blocked at one end, which calls or is called, and at both. */
export const BLOCKED_PAIRS: readonly (readonly [SiteKind, SiteKind])[] = [
  ...SITE_KINDS.map((kind) => ["udp-blocked", kind] as const),
  ...SITE_KINDS.map((kind) => [kind, "udp-blocked"] as const),
  ...BLOCKED_KINDS.flatMap((a) => BLOCKED_KINDS.map((b) => [a, b] as const)),
];

export function splitBlocked(pairs: readonly PairFigures[]): { open: PairFigures[]; blocked: PairFigures[] } {
  return {
    open: pairs.filter((pair) => !isBlocked(pair.a, pair.b)),
    blocked: pairs.filter((pair) => isBlocked(pair.a, pair.b)),
  };
}

/** What they should have done and did not, a sentence each. */
export function missedBlockedGoals(pairs: readonly PairFigures[]): { failures: string[]; slow: string[] } {
  const failures: string[] = [];
  const slow: string[] = [];
  for (const { a, b, tries, answered, firstPingMs } of pairs) {
    const pair = `${a} → ${b}`;
    if (answered < tries) failures.push(`${pair}: no answer in ${tries - answered} of ${tries} tries`);
    if (firstPingMs !== null && firstPingMs >= BLOCKED_GOAL_MS) {
      slow.push(`${pair}: first answer after ${firstPingMs} ms (goal: under ${BLOCKED_GOAL_MS} ms)`);
    }
  }
  return { failures, slow };
}

/** Markdown: a row for each pair, then what missed its goal; nothing without pairs. */
export function formatBlocked(pairs: readonly PairFigures[]): string {
  if (pairs.length === 0) return "";
  const { failures, slow } = missedBlockedGoals(pairs);
  const answered = pairs.filter((pair) => pair.answered === pair.tries).length;
  const misses = [...failures, ...slow].map((line) => `- ${line}`);
  return [
    ...table(
      ["from", "to", "path", "first answer", "answered"],
      pairs.map(({ a, b, kind, firstPingMs, answered: times, tries }) => {
        return [a, b, kind, milliseconds(firstPingMs), `${times} of ${tries}`];
      }),
    ),
    "",
    `${answered} of ${pairs.length} pairs with UDP blocked reach each other.`,
    ...(misses.length > 0 ? ["", "Missed:", "", ...misses] : []),
  ].join("\n");
}
