import type { Instant } from "../time.ts";
import type { CallType } from "./call-body.ts";
import { CALL_GAP_MS, OUTGOING_CALL_BURST } from "./timings.ts";
import { TokenBucket } from "./token-bucket.ts";

export interface DueCall {
  readonly type: CallType;
  readonly callId: string;
}

/**
 * Calls that are to be made. Wishes that come close together become one call, since each call carries all candidates;
 * an offer is worth more than an update.
 */
export class OutgoingCalls {
  #wanted: DueCall | undefined;
  #answer: DueCall | undefined;
  readonly #pace = new TokenBucket(OUTGOING_CALL_BURST, CALL_GAP_MS);

  wantOffer(callId: string): void {
    this.#wanted = { type: "offer", callId };
  }

  wantUpdate(callId: string): void {
    this.#wanted ??= { type: "update", callId };
  }

  /** Answers leave at once; of several offers the last one is answered. */
  wantAnswer(callId: string): void {
    this.#answer = { type: "answer", callId };
  }

  /** The next call that may leave. */
  take(now: Instant): DueCall | undefined {
    const answer = this.#answer;
    this.#answer = undefined;
    if (answer !== undefined) return answer;
    const wanted = this.#wanted;
    if (wanted === undefined || !this.#pace.take(now)) return undefined;
    this.#wanted = undefined;
    return wanted;
  }

  nextAt(now: Instant): Instant | undefined {
    return this.#wanted === undefined ? undefined : this.#pace.readyAt(now);
  }
}
