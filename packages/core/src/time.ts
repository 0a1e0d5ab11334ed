/**
 * The two kinds of time, which never mix.
 *
 * Machines take `now: Instant` as their last argument and never read a clock.
 */

/**
 * Milliseconds of a monotonic clock that goes on while the host sleeps (CLOCK_BOOTTIME on Linux); only differences mean
 * something.
 */
export type Instant = number & { readonly __unit: "monotonic-ms" };

/** Milliseconds since 1970-01-01 UTC; for TAI64N timestamps, expiry and display only. */
export type WallTime = number & { readonly __unit: "wall-ms" };

export function addMs(at: Instant, ms: number): Instant {
  return (at + ms) as Instant;
}

/** The earlier of two deadlines, where `undefined` means "none". */
export function earliest(a: Instant | undefined, b: Instant | undefined): Instant | undefined {
  if (a === undefined) return b;
  if (b === undefined) return a;
  return a < b ? a : b;
}

/** Both kinds of time, read at one moment; for machines that write wall time into what they send. */
export interface ClockReading {
  readonly now: Instant;
  readonly wall: WallTime;
}
