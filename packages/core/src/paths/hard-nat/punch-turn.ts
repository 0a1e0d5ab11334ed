import type { Instant } from "../../time.ts";
import { TURN_MS, TURN_POLL_MS } from "./punch-limits.ts";

/** Who waits must ask again so soon. */
const MEMORY_MS = 4 * TURN_POLL_MS;
const MAX_WAITING = 1_024;

/**
 * Lets one attempt at a time run on an agent, for whichever peer and network; the others wait in the order in which
 * they came.
 */
export class PunchTurn {
  readonly #waiting = new Map<object, Instant>(); // bounded: MAX_WAITING
  #holder: object | undefined;
  #until = 0;

  /** True if it is `who`'s turn until `giveBack`, for `TURN_MS` at most; else ask again every `TURN_POLL_MS`. */
  take(who: object, now: Instant): boolean {
    if (this.#holder !== undefined && now < this.#until) {
      if (this.#holder === who) return true;
      if (this.#waiting.size < MAX_WAITING || this.#waiting.has(who)) this.#waiting.set(who, now);
      return false;
    }
    for (const [other, askedAt] of this.#waiting) {
      if (other === who) break;
      if (now - askedAt > MEMORY_MS) {
        this.#waiting.delete(other);
        continue;
      }
      this.#waiting.set(who, now);
      return false;
    }
    this.#waiting.delete(who);
    this.#holder = who;
    this.#until = now + TURN_MS;
    return true;
  }

  giveBack(who: object): void {
    this.#waiting.delete(who);
    if (this.#holder === who) this.#holder = undefined;
  }
}
