/**
 * One Binding request of the discovery, repeated after 100 ms and then every 200 ms: a verdict from silence must not
 * rest on a lost packet, and must be there in time.
 */
import { bytesEqual } from "../bytes/index.ts";
import type { PathAddress, UdpAddress } from "../net/index.ts";
import type { RandomBytes } from "../random.ts";
import {
  type ChangeRequest,
  encodeChangeRequest,
  encodeStun,
  STUN_ATTRIBUTE,
  STUN_METHOD_BINDING,
  type StunMessage,
  TRANSACTION_ID_BYTES,
} from "../stun/index.ts";
import { addMs, type Instant } from "../time.ts";

export type ProbePurpose = "mapping" | "changed-address" | "changed-port" | "hairpin";
export type ProbeState = "waiting" | "answered" | "silent" | "refused";

const FIRST_GAP_MS = 100;
const GAP_MS = 200;
const REQUESTS = 7;
/** After the last request; longer than the round trip to any place on earth. */
const LAST_WAIT_MS = 400;

export class Probe {
  readonly to: PathAddress;
  readonly purpose: ProbePurpose;
  /** When the first request went out. */
  readonly askedAt: Instant;
  readonly #bytes: Uint8Array;
  readonly #transactionId: Uint8Array;
  #state: ProbeState = "waiting";
  #requestsSent = 0;
  #sentAt: Instant;
  #nextAt: Instant;
  #transmit = false;

  constructor(
    { to, purpose, change }: { to: PathAddress; purpose: ProbePurpose; change?: ChangeRequest },
    random: RandomBytes,
    now: Instant,
  ) {
    this.to = to;
    this.purpose = purpose;
    this.#transactionId = random(TRANSACTION_ID_BYTES);
    const value = change === undefined ? undefined : encodeChangeRequest(change);
    this.#bytes = encodeStun({
      class: "request",
      method: STUN_METHOD_BINDING,
      transactionId: this.#transactionId,
      attributes: value === undefined ? [] : [{ type: STUN_ATTRIBUTE.changeRequest, value }],
      fingerprint: true,
    });
    this.askedAt = now;
    this.#sentAt = now;
    this.#nextAt = now;
    this.handleTimeout(now);
  }

  get state(): ProbeState {
    return this.#state;
  }

  get server(): UdpAddress {
    return this.to.remote;
  }

  owns({ method, transactionId }: StunMessage): boolean {
    return method === STUN_METHOD_BINDING && bytesEqual(transactionId, this.#transactionId);
  }

  finish(state: "answered" | "refused"): void {
    if (this.#state === "waiting") this.#state = state;
    this.#transmit = false;
  }

  /** Null if the request was repeated (Karn's rule). */
  rttMs(now: Instant): number | null {
    return this.#requestsSent === 1 ? now - this.#sentAt : null;
  }

  handleTimeout(now: Instant): void {
    if (this.#state !== "waiting" || now < this.#nextAt) return;
    if (this.#requestsSent >= REQUESTS) {
      this.#state = "silent";
      return;
    }
    this.#requestsSent += 1;
    this.#sentAt = now;
    this.#transmit = true;
    const gapMs = this.#requestsSent === 1 ? FIRST_GAP_MS : GAP_MS;
    this.#nextAt = addMs(now, this.#requestsSent === REQUESTS ? LAST_WAIT_MS : gapMs);
  }

  pollTimeout(): Instant | undefined {
    return this.#state === "waiting" ? this.#nextAt : undefined;
  }

  pollTransmit(): { readonly to: PathAddress; readonly bytes: Uint8Array } | undefined {
    if (!this.#transmit) return undefined;
    this.#transmit = false;
    return { to: this.to, bytes: this.#bytes };
  }
}
