import { InvalidArgumentError } from "commander";

const UNIT_SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 };
const MAX_SECONDS = 10 * 365 * 86_400;

/** Seconds, or for ever. (Not null: commander takes that for an option without a value.) */
export type Lifetime = number | "never";

/** Reads `30s`, `15m`, `1h`, `7d`, `2w` and `never`. Throws commander's usage error. */
export function parseLifetime(text: string): Lifetime {
  if (text === "never") return text;
  const match = /^([1-9][0-9]{0,8})([smhdw])$/.exec(text.trim());
  const seconds = Number(match?.[1]) * (UNIT_SECONDS[match?.[2] ?? ""] ?? Number.NaN);
  if (Number.isFinite(seconds) && seconds <= MAX_SECONDS) return seconds;
  throw new InvalidArgumentError("Write it as 30s, 15m, 1h, 7d, 2w (ten years at most) or never.");
}

/** The lifetime as the admin API has it. */
export function expiresInSeconds(lifetime: Lifetime): number | null {
  return lifetime === "never" ? null : lifetime;
}
