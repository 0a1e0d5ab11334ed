/**
 * The checks that go out and come in on the paths to one peer: encodes, authenticates, matches answers with requests,
 * answers requests, and keeps all of it within bounds. What a check means for its path is decided elsewhere.
 */
import type { PathAddress, UdpAddress } from "../net/index.ts";
import type { RandomBytes } from "../random.ts";
import { type StunMessage, TRANSACTION_ID_BYTES } from "../stun/index.ts";
import type { Instant } from "../time.ts";
import { candidatePriority } from "./candidate.ts";
import type { PairKeys } from "./check-keys.ts";
import {
  type Check,
  type CheckRequest,
  encodeCheckAnswer,
  encodeCheckRefusal,
  encodeCheckRequest,
  readCheck,
} from "./check-message.ts";
import { type InFlightCheck, InFlightChecks } from "./in-flight-checks.ts";
import type { Path } from "./path.ts";
import type { PathDropReason } from "./path-types.ts";
import { SeenTransactions } from "./seen-transactions.ts";
import { CHECK_BURST, CHECK_PACING_MS, MAX_ANSWERS_PER_SECOND } from "./timings.ts";
import { TokenBucket } from "./token-bucket.ts";
import type { TrafficMode } from "./traffic-mode.ts";

export interface Transmit {
  readonly to: PathAddress;
  readonly bytes: Uint8Array;
  /** To be sent in one piece or not at all. */
  readonly dontFragment?: true;
}

export type ReceivedCheck =
  /** The peer checks a path; it has been answered. */
  | ({ readonly kind: "request" } & Pick<CheckRequest, "priority" | "place" | "cost" | "mode" | "isInDoubt">)
  /** The peer got our check of this path. */
  | { readonly kind: "answer"; readonly check: InFlightCheck; readonly rttMs: number; readonly mapped: UdpAddress };

const MAX_QUEUED_TRANSMITS = 512;
/** Of ChannelData (RFC 8656 §12.4). */
export const CHANNEL_HEADER_BYTES = 4;

export class CheckExchange {
  readonly #keys: PairKeys;
  readonly #random: RandomBytes;
  readonly #inFlight = new InFlightChecks();
  readonly #seen = new SeenTransactions();
  readonly #pacing = new TokenBucket(CHECK_BURST, CHECK_PACING_MS);
  readonly #answers = { known: answerLimit(), unknown: answerLimit() };
  readonly #transmits: Transmit[] = []; // bounded: MAX_QUEUED_TRANSMITS, oldest dropped
  /** What requests tell the peer of our place in the network (docs/protocol-paths.md §3). */
  place = 0;
  /** The mode that was chosen here by command; null if none was. */
  mode: TrafficMode | null = null;
  /** Requests tell the peer that the path in use does not answer. */
  isInDoubt = false;

  constructor(keys: PairKeys, random: RandomBytes) {
    this.#keys = keys;
    this.#random = random;
  }

  /**
   * What an incoming message tells, or why it is dropped. Requests are answered; `source`: whether the address it came from
   * has been proven to be the peer's.
   */
  handleMessage(
    message: StunMessage,
    from: PathAddress,
    source: "known" | "unknown",
    now: Instant,
  ): ReceivedCheck | PathDropReason {
    const check = this.#read(message);
    if (typeof check === "string") return check;
    if (check.kind === "request") {
      return this.#answers[source].take(now) ? this.#answer(message, check, from) : "check-rate-limited";
    }
    const sent = this.#inFlight.take(message.transactionId);
    if (sent === undefined) return "check-unexpected";
    if (check.kind === "refusal") return "check-refused";
    return { kind: "answer", check: sent, rttMs: now - sent.sentAt, mapped: check.mapped };
  }

  /** An incoming request that there is no way to answer yet, if it is authentic and new. */
  handleUnanswerable(message: StunMessage, now: Instant): CheckRequest | PathDropReason {
    const check = this.#read(message);
    if (typeof check === "string") return check;
    if (check.kind !== "request") return "check-unexpected";
    return this.#answers.unknown.take(now) ? check : "check-rate-limited";
  }

  /** Sends a check if the pace allows it. */
  sendCheck(path: Path, now: Instant): boolean {
    if (!this.#pacing.take(now)) return false;
    const transactionId = this.#random(TRANSACTION_ID_BYTES);
    this.#inFlight.add(transactionId, { pathKey: path.key, sentAt: now });
    const { place, mode, isInDoubt } = this;
    const { cost } = path.traits;
    const bytes = encodeCheckRequest(this.#keys, transactionId, ownPriority(path), { place, cost, mode, isInDoubt });
    this.#transmit({ to: path.address, bytes });
    return true;
  }

  /**
   * A check for somebody else to send, from a link that costs so much: nobody waits for its answer. The peer takes it for
   * any other, so it tells the same.
   */
  encodeUncounted(cost: number): Uint8Array {
    const priority = candidatePriority("peer-reflexive", 0);
    return encodeCheckRequest(this.#keys, this.#random(TRANSACTION_ID_BYTES), priority, { cost, mode: this.mode });
  }

  /** Sends a check padded to a datagram of this size, UDP payload with the channel's header, if the pace allows it. */
  sendProbe(path: Path, sizeBytes: number, now: Instant): boolean {
    if (!this.#pacing.take(now)) return false;
    const transactionId = this.#random(TRANSACTION_ID_BYTES);
    this.#inFlight.add(transactionId, { pathKey: path.key, sentAt: now, probeBytes: sizeBytes });
    const stunBytes = sizeBytes - (path.address.channel === null ? 0 : CHANNEL_HEADER_BYTES);
    const bytes = encodeCheckRequest(this.#keys, transactionId, ownPriority(path), { paddedBytes: stunBytes });
    this.#transmit({ to: path.address, bytes, dontFragment: true });
    return true;
  }

  /** When `sendCheck` will be allowed. */
  mayCheckFrom(now: Instant): Instant {
    return this.#pacing.readyAt(now);
  }

  /** Checks that have waited too long for their answer. */
  takeLost(now: Instant): InFlightCheck[] {
    return this.#inFlight.takeExpired(now);
  }

  /** How many earlier checks of the path sent after `since`, an answer has shown to be lost. */
  countOvertaken({ check, rttMs }: Extract<ReceivedCheck, { kind: "answer" }>, since: Instant, now: Instant): number {
    return this.#inFlight.overtake(check, rttMs, since, now);
  }

  nextLossAt(): Instant | undefined {
    return this.#inFlight.nextExpiryAt();
  }

  pollTransmit(): Transmit | undefined {
    return this.#transmits.shift();
  }

  #answer({ transactionId }: StunMessage, request: CheckRequest, from: PathAddress): ReceivedCheck | PathDropReason {
    if (request.unknown.length > 0) {
      this.#transmit({ to: from, bytes: encodeCheckRefusal(this.#keys, transactionId, request.unknown) });
      return "check-unknown-attribute";
    }
    this.#transmit({ to: from, bytes: encodeCheckAnswer(this.#keys, transactionId, from.remote) });
    const { priority, place, cost, mode, isInDoubt } = request;
    return { kind: "request", priority, place, cost, mode, isInDoubt };
  }

  /**
   * Copies of requests cost next to nothing, and don't count for the limit of answers: whoever floods us with them must not
   * keep us from answering the peer.
   */
  #read(message: StunMessage): Check | PathDropReason {
    const isRequest = message.class === "request";
    if (isRequest && this.#seen.has(message.transactionId)) return "check-replayed";
    const check = readCheck(message, this.#keys);
    if (isRequest && typeof check !== "string") this.#seen.add(message.transactionId);
    return check;
  }

  #transmit(transmit: Transmit): void {
    this.#transmits.push(transmit);
    if (this.#transmits.length > MAX_QUEUED_TRANSMITS) this.#transmits.shift();
  }
}

function answerLimit(): TokenBucket {
  return new TokenBucket(MAX_ANSWERS_PER_SECOND, 1_000 / MAX_ANSWERS_PER_SECOND);
}

/** What the peer does not know yet it learns from the check: that it comes from a relay's address. */
function ownPriority({ address, linkPreference }: Path): number {
  return candidatePriority(address.channel === null ? "peer-reflexive" : "relayed", linkPreference);
}
