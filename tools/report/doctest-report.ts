import { existsSync, readFileSync } from "node:fs";
import type { Counts } from "./counts.ts";

const OVERALL = /<OverallResultsTestCases\b[^>]*>/;

/** Reads what a doctest binary wrote with `--reporters=xml`. Undefined if there is no complete report. */
export function readDoctestReport(file: string): Counts | undefined {
  if (!existsSync(file)) return undefined;
  const overall = OVERALL.exec(readFileSync(file, "utf8"))?.[0];
  if (overall === undefined) return undefined;
  const attribute = (name: string): number =>
    Number(new RegExp(`\\b${name}="(\\d+)"`).exec(overall)?.[1] ?? Number.NaN);
  const counts = { passed: attribute("successes"), failed: attribute("failures"), skipped: attribute("skipped") };
  return Object.values(counts).some(Number.isNaN) ? undefined : counts;
}
