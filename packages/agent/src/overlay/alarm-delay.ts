import type { Instant } from "@asterism/core/time";

/** As often as a fault may cost something. */
const STUCK_MS = 100;
const MAX_DELAY_MS = 0x7fff_ffff;

export interface AlarmDelay {
  readonly delayMs: number;
  /** The deadline is still due after it was dealt with. */
  readonly isStuck: boolean;
}

/**
 * How long to wait for a deadline. `dealtWith` is the one that was last dealt with: if that is still due something has
 * forgotten it, which must not keep the agent from everything else.
 */
export function alarmDelay(at: Instant, dealtWith: Instant | undefined, now: Instant): AlarmDelay {
  if (at <= now && at === dealtWith) return { delayMs: STUCK_MS, isStuck: true };
  return { delayMs: Math.min(Math.max(0, Math.ceil(at - now)), MAX_DELAY_MS), isStuck: false };
}
