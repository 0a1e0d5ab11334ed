import { addMs, type Instant } from "../time.ts";

/** Lets a number of things happen at once and then one every `refillMs`. */
export class TokenBucket {
  readonly #capacity: number;
  readonly #refillMs: number;
  #tokens: number;
  #countedAt: Instant | undefined;

  constructor(capacity: number, refillMs: number) {
    this.#capacity = capacity;
    this.#refillMs = refillMs;
    this.#tokens = capacity;
  }

  /** False if it must wait; see `readyAt`. */
  take(now: Instant): boolean {
    this.#refill(now);
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }

  /** When the next token is there; `now` if one is. */
  readyAt(now: Instant): Instant {
    this.#refill(now);
    // Rounded up: a timer that fires a fraction early would find nothing to do.
    return this.#tokens >= 1 ? now : addMs(now, Math.ceil((1 - this.#tokens) * this.#refillMs));
  }

  #refill(now: Instant): void {
    const elapsedMs = this.#countedAt === undefined ? 0 : Math.max(0, now - this.#countedAt);
    this.#countedAt = now;
    this.#tokens = Math.min(this.#capacity, this.#tokens + elapsedMs / this.#refillMs);
  }
}
