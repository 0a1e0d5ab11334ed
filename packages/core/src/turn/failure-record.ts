/** How often a relay has failed us, and when to try again. */
import type { RandomBytes } from "../random.ts";
import type { Instant } from "../time.ts";
import type { TurnClientSnapshot, TurnFailure } from "./client-types.ts";
import { retryTime } from "./turn-failures.ts";

export interface FailedAttempt {
  readonly reason: TurnFailure;
  /** Of the answer; null if there was none. */
  readonly code: number | null;
  /** There was an allocation, and it had lasted. */
  readonly hadLasted: boolean;
  /** The same would bring the same answer. */
  readonly isFinal: boolean;
}

export class FailureRecord {
  readonly #random: RandomBytes;
  /** Failures since an allocation lasted. */
  #inRow = 0;
  #last: TurnClientSnapshot["lastFailure"] = null;

  constructor(random: RandomBytes) {
    this.#random = random;
  }

  get last(): TurnClientSnapshot["lastFailure"] {
    return this.#last;
  }

  /** When to try again; null: not before something changes. */
  add({ reason, code, hadLasted, isFinal }: FailedAttempt, now: Instant): Instant | null {
    let retryAt: Instant | null = null;
    // A relay that restarted, or a new address of ours: the next attempt is likely to succeed.
    if (hadLasted) retryAt = now;
    else if (!isFinal) retryAt = retryTime(reason, this.#inRow, this.#random, now);
    this.#inRow = hadLasted ? 0 : this.#inRow + 1;
    this.#last = { at: now, reason, code };
    return retryAt;
  }
}
