import { encodeHex } from "../bytes/index.ts";
import { addMs, type Instant } from "../time.ts";
import { CHECK_TIMEOUT_MS, OVERTAKEN_RATIO } from "./timings.ts";

export interface InFlightCheck {
  readonly pathKey: string;
  readonly sentAt: Instant;
  /** The size of a padded check, which searches for the path's MTU and says nothing else about the path. */
  readonly probeBytes?: number;
  /** Taken for lost already; an answer would be late. */
  isOvertaken?: boolean;
}

const MAX_IN_FLIGHT = 512;

/** Checks that wait for their answer, by transaction id, oldest first. */
export class InFlightChecks {
  readonly #checks = new Map<string, InFlightCheck>(); // bounded: MAX_IN_FLIGHT, oldest dropped

  add(transactionId: Uint8Array, check: InFlightCheck): void {
    this.#checks.set(encodeHex(transactionId), check);
    if (this.#checks.size > MAX_IN_FLIGHT) this.#checks.delete(this.#checks.keys().next().value ?? "");
  }

  /** The check that an answer belongs to; each is taken once. */
  take(transactionId: Uint8Array): InFlightCheck | undefined {
    const id = encodeHex(transactionId);
    const check = this.#checks.get(id);
    this.#checks.delete(id);
    return check;
  }

  /** How many checks of a path left after `since`, before `answered` and so long ago that their answers should be here. */
  overtake(answered: InFlightCheck, rttMs: number, since: Instant, now: Instant): number {
    const patienceMs = rttMs * (1 + OVERTAKEN_RATIO);
    let overtaken = 0;
    for (const check of this.#checks.values()) {
      if (check.sentAt < since || check.sentAt >= answered.sentAt || check.pathKey !== answered.pathKey) continue;
      if (check.probeBytes !== undefined || check.isOvertaken === true || now - check.sentAt < patienceMs) continue;
      check.isOvertaken = true;
      overtaken += 1;
    }
    return overtaken;
  }

  /** Removes and returns those that have waited too long. */
  takeExpired(now: Instant): InFlightCheck[] {
    const expired: InFlightCheck[] = [];
    for (const [id, check] of this.#checks) {
      if (now < addMs(check.sentAt, CHECK_TIMEOUT_MS)) break;
      this.#checks.delete(id);
      expired.push(check);
    }
    return expired;
  }

  nextExpiryAt(): Instant | undefined {
    const oldest = this.#checks.values().next().value;
    return oldest === undefined ? undefined : addMs(oldest.sentAt, CHECK_TIMEOUT_MS);
  }
}
