/** The results of chaos runs: table for people, JSON for programs. */
import type { Violation } from "./violation.ts";

/** What virtual and real runs have in common. */
export interface ChaosResult {
  readonly seed: number;
  readonly minutes: number;
  readonly agents: number;
  /** Faults that happened. */
  readonly faults: number;
  /** Pairs that were looked at after faults. */
  readonly checks: number;
  readonly violations: readonly Violation[];
  /** From the last fault of a phase to the first answer, of the pair that took longest. */
  readonly worstRecoveryMs: number;
  readonly pings: number;
  readonly answers: number;
  /** Of the busiest host in the busiest second; only in virtual time. */
  readonly maxPacketsPerSecond?: number;
  /** What happened, for people. */
  readonly story: readonly string[];
}

export interface ChaosReport {
  virtual?: ChaosResult;
  real?: ChaosResult;
}

/** The story from so long before a violation is told with it. */
const STORY_MS = 120_000;

/** Counts instead of lists, one object for each kind of run. */
export function toJson(report: ChaosReport): Record<string, object> {
  const rows = resultsOf(report).map(([kind, result]) => {
    const { story, violations, worstRecoveryMs, ...figures } = result;
    return [kind, { ...figures, violations: violations.length, worstRecoveryMs: Math.round(worstRecoveryMs) }] as const;
  });
  return Object.fromEntries(rows);
}

export function formatTable(report: ChaosReport): string {
  const rows = resultsOf(report).map(([kind, result]) => [
    kind,
    result.seed,
    result.minutes,
    result.agents,
    result.faults,
    result.checks,
    result.violations.length,
    `${Math.round(result.worstRecoveryMs)} ms`,
    `${result.answers} of ${result.pings}`,
  ]);
  const head = ["run", "seed", "minutes", "agents", "faults", "checks", "violations", "worst recovery", "answered"];
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => `${row[column]}`.length)));
  return [head, ...rows]
    .map((row) => row.map((cell, column) => `${cell}`.padEnd(widths[column] ?? 0)).join("  "))
    .map((line) => line.trimEnd())
    .join("\n");
}

/** By the kind of run. */
export function resultsOf(report: ChaosReport): [kind: string, result: ChaosResult][] {
  return Object.entries(report);
}

/** What was violated, when, what is known of the pair, and which faults came before. */
export function formatViolations(result: ChaosResult): string {
  return result.violations
    .map(({ atMs, what, details }) => {
      const since = (atMs - STORY_MS) / 1_000;
      const faults = result.story.filter((line) => {
        const seconds = Number.parseFloat(line);
        return seconds >= since && seconds <= atMs / 1_000;
      });
      return [
        `seed ${result.seed}, ${(atMs / 1_000).toFixed(1)} s: ${what}`,
        details,
        "faults before:",
        ...faults,
      ].join("\n");
    })
    .join("\n\n");
}
