import type { Instant, WallTime } from "@asterism/core/time";
import { engineNow } from "@asterism/engine";

/** The clock of the engine's counters and of every deadline; it goes on while the host sleeps, timers do not. */
export function monotonicNow(): Instant {
  return engineNow();
}

export function wallNow(): WallTime {
  return Date.now() as WallTime;
}
