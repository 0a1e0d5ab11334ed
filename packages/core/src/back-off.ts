import { type RandomBytes, randomUnit } from "./random.ts";

export interface BackOff {
  readonly firstMs: number;
  readonly capMs: number;
}

/**
 * Delay before attempt number `attempt` (0 is the first repetition): doubles up to the cap, and is spread evenly over
 * the upper half, so that many who failed together don't come back together.
 */
export function backOffDelayMs({ firstMs, capMs }: BackOff, attempt: number, random: RandomBytes): number {
  const ceilingMs = Math.min(capMs, firstMs * 2 ** Math.min(attempt, 30));
  return ceilingMs * (0.5 + randomUnit(random) / 2);
}

/**
 * The same with "full jitter": anything up to the ceiling. Those who failed together are strangers to each other after a
 * few attempts, at the price of some that come very soon.
 */
export function fullJitterDelayMs({ firstMs, capMs }: BackOff, attempt: number, random: RandomBytes): number {
  return Math.min(capMs, firstMs * 2 ** Math.min(attempt, 30)) * randomUnit(random);
}
