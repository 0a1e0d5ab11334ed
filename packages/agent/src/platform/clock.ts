import type { Instant, WallTime } from "@asterism/core/time";

/**
 * The engine stamps its counters with CLOCK_MONOTONIC in milliseconds; `process.hrtime` reads the same clock, so both
 * can be compared.
 */
export function monotonicNow(): Instant {
  return (Number(process.hrtime.bigint() / 1000n) / 1000) as Instant;
}

export function wallNow(): WallTime {
  return Date.now() as WallTime;
}
