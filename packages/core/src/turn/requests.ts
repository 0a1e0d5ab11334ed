/** Requests of a TURN client that wait for their answer: encoded, signed, repeated, and matched with what comes back. */
import { encodeHex } from "../bytes/index.ts";
import type { PathAddress } from "../net/index.ts";
import type { RandomBytes } from "../random.ts";
import {
  encodeStun,
  findAttribute,
  parseErrorCode,
  STUN_ATTRIBUTE,
  type StunError,
  type StunMessage,
  type StunToEncode,
  StunTransaction,
  TRANSACTION_ID_BYTES,
  unknownRequiredAttributes,
} from "../stun/index.ts";
import { earliest, type Instant } from "../time.ts";
import { TURN_ATTRIBUTE, TURN_ERROR } from "./attribute-types.ts";
import type { TurnAuthentication } from "./authentication.ts";
import type { TurnDropReason } from "./client-types.ts";
import { LAST_WAIT_FACTOR, MIN_RTO_MS, REQUESTS, RTO_MS, STREAM_ANSWER_MS } from "./timings.ts";

export type TurnPurpose =
  | "allocate"
  /** Deletes an allocation that is in the way of ours. */
  | "clear"
  | "refresh"
  | "close"
  /** For the peer of this key. */
  | { readonly bind: string }
  | { readonly permit: string };

export interface TurnRequest {
  readonly purpose: TurnPurpose;
  readonly method: number;
  readonly attributes: (transactionId: Uint8Array) => StunToEncode["attributes"];
  /** Answers to former tries of the same request that asked for a new nonce. */
  readonly challenges?: number;
}

export type TurnAnswer =
  | {
      readonly kind: "success";
      readonly request: TurnRequest;
      readonly message: StunMessage;
      readonly rttMs: number | undefined;
    }
  | {
      readonly kind: "error";
      readonly request: TurnRequest;
      readonly message: StunMessage;
      readonly error: StunError;
      /** The request carried credentials. */
      readonly wasSigned: boolean;
    };

interface InFlight {
  readonly request: TurnRequest;
  readonly transaction: StunTransaction;
  readonly wasSigned: boolean;
}

/** Errors about the credentials themselves come without integrity, and so does what a relay says to a malformed request. */
const UNSIGNED_ERRORS: ReadonlySet<number> = new Set([
  TURN_ERROR.badRequest,
  TURN_ERROR.unauthenticated,
  TURN_ERROR.unknownAttribute,
  TURN_ERROR.staleNonce,
  TURN_ERROR.wrongCredentials,
]);

const UNDERSTOOD: ReadonlySet<number> = new Set<number>([
  ...Object.values(STUN_ATTRIBUTE),
  ...Object.values(TURN_ATTRIBUTE),
]);

export class TurnRequests {
  readonly #random: RandomBytes;
  readonly #isReliable: boolean;
  readonly #inFlight = new Map<string, InFlight>(); // bounded: MAX_IN_FLIGHT and a few, by the client
  #to: PathAddress;

  constructor(to: PathAddress, isReliable: boolean, random: RandomBytes) {
    this.#to = to;
    this.#isReliable = isReliable;
    this.#random = random;
  }

  get size(): number {
    return this.#inFlight.size;
  }

  /** Forgets all requests; later ones go to this address. */
  restart(to: PathAddress): void {
    this.#inFlight.clear();
    this.#to = to;
  }

  has(purpose: TurnPurpose): boolean {
    for (const { request } of this.#inFlight.values()) if (request.purpose === purpose) return true;
    return false;
  }

  send(request: TurnRequest, authentication: TurnAuthentication | undefined, rttMs: number | null, now: Instant): void {
    const transactionId = this.#random(TRANSACTION_ID_BYTES);
    const signed = authentication?.sign();
    const bytes = encodeStun({
      class: "request",
      method: request.method,
      transactionId,
      attributes: [...request.attributes(transactionId), ...(signed?.attributes ?? [])],
      ...(signed === undefined ? {} : { integrity: signed.integrity }),
      fingerprint: true,
    });
    const pace = this.#isReliable
      ? { rtoMs: STREAM_ANSWER_MS, requests: 1, lastWaitFactor: 1 }
      : { rtoMs: retransmissionMs(rttMs), requests: REQUESTS, lastWaitFactor: LAST_WAIT_FACTOR };
    const transaction = new StunTransaction({ to: this.#to, bytes, transactionId, ...pace }, now);
    this.#inFlight.set(encodeHex(transactionId), { request, transaction, wasSigned: signed !== undefined });
  }

  /** The answer to one of the requests, which is over with that, or why the message is dropped. */
  handleMessage(message: StunMessage, authentication: TurnAuthentication, now: Instant): TurnAnswer | TurnDropReason {
    if (message.class !== "success" && message.class !== "error") return "turn-not-an-answer";
    const id = encodeHex(message.transactionId);
    const inFlight = this.#inFlight.get(id);
    if (inFlight === undefined || inFlight.request.method !== message.method) return "turn-unexpected";
    if (unknownRequiredAttributes(message, UNDERSTOOD).length > 0) return "turn-unknown-attribute";
    const { request, transaction, wasSigned } = inFlight;
    const error = message.class === "error" ? readError(message) : undefined;
    if (message.class === "error" && error === undefined) return "turn-malformed";
    const mustBeSigned = wasSigned && !(error !== undefined && UNSIGNED_ERRORS.has(error.code));
    if (mustBeSigned && authentication.verify(message) !== "valid") return "turn-unauthenticated";
    transaction.handleMessage(message, this.#to, now);
    const event = transaction.pollEvent();
    this.#inFlight.delete(id);
    if (error !== undefined) return { kind: "error", request, message, error, wasSigned };
    return { kind: "success", request, message, rttMs: event?.kind === "answered" ? event.rttMs : undefined };
  }

  /** Repeats what is due; returns the requests that will not be answered any more. */
  handleTimeout(now: Instant): TurnRequest[] {
    const failed: TurnRequest[] = [];
    for (const [id, { request, transaction }] of this.#inFlight) {
      transaction.handleTimeout(now);
      if (transaction.pollEvent()?.kind !== "failed") continue;
      this.#inFlight.delete(id);
      failed.push(request);
    }
    return failed;
  }

  pollTimeout(): Instant | undefined {
    let next: Instant | undefined;
    for (const { transaction } of this.#inFlight.values()) next = earliest(next, transaction.pollTimeout()?.at);
    return next;
  }

  pollTransmit(): { readonly to: PathAddress; readonly bytes: Uint8Array } | undefined {
    for (const { transaction } of this.#inFlight.values()) {
      const transmit = transaction.pollTransmit();
      if (transmit !== undefined) return transmit;
    }
    return undefined;
  }
}

function readError(message: StunMessage): StunError | undefined {
  const value = findAttribute(message, STUN_ATTRIBUTE.errorCode);
  return value === undefined ? undefined : parseErrorCode(value);
}

/** Twice the round trip is long enough for a relay that answers at once. */
function retransmissionMs(rttMs: number | null): number {
  return rttMs === null ? RTO_MS : Math.max(MIN_RTO_MS, 2 * rttMs);
}
