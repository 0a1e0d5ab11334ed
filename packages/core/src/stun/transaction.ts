/**
 * One STUN request over UDP, repeated until it is answered (RFC 8489 §6.2.1).
 *
 * The request leaves at once and then after RTO, 2 RTO, 4 RTO …, at most `requests` times; `lastWaitFactor` × RTO after
 * the last one it has failed. With the RFC's figures that is 39.5 s; discovery uses fewer.
 * The machine ends with one event, and has a deadline until then.
 */
import { bytesEqual } from "../bytes/index.ts";
import type { PathAddress } from "../net/index.ts";
import { addMs, type Instant } from "../time.ts";
import type { StunMessage } from "./message.ts";

export interface TransactionOptions {
  readonly to: PathAddress;
  /** The encoded request. */
  readonly bytes: Uint8Array;
  /** The id inside `bytes`, 12 bytes. */
  readonly transactionId: Uint8Array;
  readonly rtoMs?: number;
  /** Rc of the RFC. */
  readonly requests?: number;
  /** Rm of the RFC. */
  readonly lastWaitFactor?: number;
}

export type TransactionEvent =
  | {
      readonly kind: "answered";
      readonly message: StunMessage;
      readonly from: PathAddress;
      /** Undefined if the request was repeated: nobody knows which one was answered (Karn's rule). */
      readonly rttMs: number | undefined;
    }
  | { readonly kind: "failed"; readonly requestsSent: number };

const DEFAULT_RTO_MS = 500;
const DEFAULT_REQUESTS = 7;
const DEFAULT_LAST_WAIT_FACTOR = 16;

export class StunTransaction {
  readonly #options: TransactionOptions;
  readonly #rtoMs: number;
  readonly #requests: number;
  #requestsSent = 0;
  #sentAt: Instant;
  /** When to repeat or give up; undefined once the transaction is over. */
  #deadline: Instant | undefined;
  #transmit = false;
  #event: TransactionEvent | undefined;

  constructor(options: TransactionOptions, now: Instant) {
    this.#options = options;
    this.#rtoMs = options.rtoMs ?? DEFAULT_RTO_MS;
    this.#requests = options.requests ?? DEFAULT_REQUESTS;
    this.#sentAt = now;
    this.#send(now);
  }

  /**
   * True if the message was the answer to this request. The caller has checked its integrity: a forged answer must
   * not end the transaction (RFC 8489 §9.1.4).
   */
  handleMessage(message: StunMessage, from: PathAddress, now: Instant): boolean {
    const isAnswer = message.class === "success" || message.class === "error";
    if (this.#deadline === undefined || !isAnswer) return false;
    if (!bytesEqual(message.transactionId, this.#options.transactionId)) return false;
    const rttMs = this.#requestsSent === 1 ? now - this.#sentAt : undefined;
    this.#finish({ kind: "answered", message, from, rttMs });
    return true;
  }

  handleTimeout(now: Instant): void {
    if (this.#deadline === undefined || now < this.#deadline) return;
    if (this.#requestsSent < this.#requests) this.#send(now);
    else this.#finish({ kind: "failed", requestsSent: this.#requestsSent });
  }

  pollTimeout(): { readonly at: Instant; readonly reason: "retransmit" | "give-up" } | undefined {
    if (this.#deadline === undefined) return undefined;
    return { at: this.#deadline, reason: this.#requestsSent < this.#requests ? "retransmit" : "give-up" };
  }

  pollTransmit(): { readonly to: PathAddress; readonly bytes: Uint8Array } | undefined {
    if (!this.#transmit) return undefined;
    this.#transmit = false;
    return { to: this.#options.to, bytes: this.#options.bytes };
  }

  pollEvent(): TransactionEvent | undefined {
    const event = this.#event;
    this.#event = undefined;
    return event;
  }

  #send(now: Instant): void {
    this.#transmit = true;
    this.#sentAt = now;
    this.#requestsSent += 1;
    const isLast = this.#requestsSent >= this.#requests;
    const lastWaitFactor = this.#options.lastWaitFactor ?? DEFAULT_LAST_WAIT_FACTOR;
    this.#deadline = addMs(now, this.#rtoMs * (isLast ? lastWaitFactor : 2 ** (this.#requestsSent - 1)));
  }

  #finish(event: TransactionEvent): void {
    this.#deadline = undefined;
    this.#transmit = false;
    this.#event = event;
  }
}
