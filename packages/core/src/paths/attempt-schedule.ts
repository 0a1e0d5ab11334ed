import { backOffDelayMs } from "../back-off.ts";
import type { RandomBytes } from "../random.ts";
import { addMs, type Instant } from "../time.ts";
import { ATTEMPT_BACK_OFF } from "./timings.ts";

/** When to try again to find a direct path: at once, then further and further apart. */
export class AttemptSchedule {
  readonly #random: RandomBytes;
  #nextAt: Instant | undefined;
  #withoutSuccess = 0;

  constructor(random: RandomBytes) {
    this.#random = random;
  }

  get nextAt(): Instant | undefined {
    return this.#nextAt;
  }

  /** Attempts since the last success. */
  get withoutSuccess(): number {
    return this.#withoutSuccess;
  }

  /** An attempt is wanted: at `at`, unless one is planned already. */
  want(at: Instant): void {
    this.#nextAt ??= at;
  }

  /** Things have changed: what failed before may work, so begin anew at `at`. */
  restart(at: Instant): void {
    this.#withoutSuccess = 0;
    this.#nextAt = at;
  }

  /** True if an attempt is due; it counts as begun, and the next one is planned. */
  begin(now: Instant): boolean {
    if (this.#nextAt === undefined || now < this.#nextAt) return false;
    const delayMs = backOffDelayMs(ATTEMPT_BACK_OFF, this.#withoutSuccess, this.#random);
    this.#withoutSuccess += 1;
    this.#nextAt = addMs(now, Math.ceil(delayMs));
    return true;
  }

  succeed(): void {
    this.#withoutSuccess = 0;
    this.#nextAt = undefined;
  }

  /** Nobody wants a path at present; the back-off is kept. */
  pause(): void {
    this.#nextAt = undefined;
  }
}
