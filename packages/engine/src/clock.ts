import type { Instant } from "@asterism/core/time";
import { loadBinding } from "./binding.ts";

/** The clock that the engine stamps its counters with: CLOCK_BOOTTIME, which goes on while the host sleeps. */
export function engineNow(): Instant {
  return loadBinding().now() as Instant;
}
