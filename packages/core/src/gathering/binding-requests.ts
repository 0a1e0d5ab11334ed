import { encodeHex } from "../bytes/index.ts";
import { formatUdpAddress, type PathAddress, type UdpAddress, udpAddressEquals } from "../net/index.ts";
import type { RandomBytes } from "../random.ts";
import {
  encodeStun,
  readXorAddress,
  STUN_ATTRIBUTE,
  STUN_METHOD_BINDING,
  type StunMessage,
  StunTransaction,
  TRANSACTION_ID_BYTES,
} from "../stun/index.ts";
import { earliest, type Instant } from "../time.ts";
import { BINDING_LAST_WAIT_FACTOR, BINDING_REQUESTS, BINDING_RTO_MS } from "./timings.ts";

export interface BindingAnswer {
  readonly to: PathAddress;
  /** Our address as the server sees it; undefined if it did not say. */
  readonly mapped: UdpAddress | undefined;
  readonly rttMs: number | null;
}

interface Pending {
  readonly to: PathAddress;
  readonly transaction: StunTransaction;
}

const MAX_PENDING = 64;

/** Binding requests to STUN servers that wait for their answers, one for each link and server. */
export class BindingRequests {
  readonly #random: RandomBytes;
  readonly #pending = new Map<string, Pending>(); // bounded: MAX_PENDING

  constructor(random: RandomBytes) {
    this.#random = random;
  }

  /** Asks, unless the same question is under way. */
  ask(to: PathAddress, now: Instant): void {
    const isPending = [...this.#pending.values()].some(
      (other) => other.to.linkId === to.linkId && udpAddressEquals(other.to.remote, to.remote),
    );
    if (isPending || this.#pending.size >= MAX_PENDING) return;
    const transactionId = this.#random(TRANSACTION_ID_BYTES);
    const bytes = encodeStun({
      class: "request",
      method: STUN_METHOD_BINDING,
      transactionId,
      attributes: [],
      fingerprint: true,
    });
    const pace = { rtoMs: BINDING_RTO_MS, requests: BINDING_REQUESTS, lastWaitFactor: BINDING_LAST_WAIT_FACTOR };
    const transaction = new StunTransaction({ to, bytes, transactionId, ...pace }, now);
    this.#pending.set(encodeHex(transactionId), { to, transaction });
  }

  /** Forgets the requests of links that are not among these, or to servers that are not. */
  retain(isCurrent: (to: PathAddress) => boolean): void {
    for (const [id, { to }] of this.#pending) if (!isCurrent(to)) this.#pending.delete(id);
  }

  /** Undefined if the message answers none of our requests. */
  handleMessage(message: StunMessage, from: PathAddress, now: Instant): BindingAnswer | undefined {
    if (message.method !== STUN_METHOD_BINDING) return undefined;
    const id = encodeHex(message.transactionId);
    const pending = this.#pending.get(id);
    // An answer from elsewhere would tell of another mapping than that of the server.
    const isFromServer = pending?.to.linkId === from.linkId && udpAddressEquals(pending.to.remote, from.remote);
    if (pending === undefined || !isFromServer || !pending.transaction.handleMessage(message, from, now)) {
      return undefined;
    }
    this.#pending.delete(id);
    const event = pending.transaction.pollEvent();
    const rttMs = event?.kind === "answered" ? (event.rttMs ?? null) : null;
    const mapped = readXorAddress(message, STUN_ATTRIBUTE.xorMappedAddress);
    const isUsable = message.class === "success" && mapped !== undefined && mapped.port !== 0;
    return { to: pending.to, mapped: isUsable ? mapped : undefined, rttMs };
  }

  handleTimeout(now: Instant): void {
    for (const [id, { transaction }] of this.#pending) {
      transaction.handleTimeout(now);
      if (transaction.pollEvent() !== undefined) this.#pending.delete(id);
    }
  }

  pollTimeout(): Instant | undefined {
    let next: Instant | undefined;
    for (const { transaction } of this.#pending.values()) next = earliest(next, transaction.pollTimeout()?.at);
    return next;
  }

  pollTransmit(): { readonly to: PathAddress; readonly bytes: Uint8Array } | undefined {
    for (const { transaction } of this.#pending.values()) {
      const transmit = transaction.pollTransmit();
      if (transmit !== undefined) return transmit;
    }
    return undefined;
  }
}

/** Tells servers on links apart. */
export function serverKey(linkId: number, server: UdpAddress): string {
  return `${linkId}/${formatUdpAddress(server)}`;
}
