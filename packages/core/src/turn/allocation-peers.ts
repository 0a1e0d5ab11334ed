/** The peers that a client talks to through its allocation: how they are bound at the relay, and what they send. */
import type { UdpAddress } from "../net/index.ts";
import type { RandomBytes } from "../random.ts";
import { findAttribute, readXorAddress, type StunMessage } from "../stun/index.ts";
import type { Instant } from "../time.ts";
import { type Allocation, servesFamilyOf } from "./allocation.ts";
import { TURN_ATTRIBUTE, TURN_ERROR, TURN_METHOD } from "./attribute-types.ts";
import { parseChannelData } from "./channel-data.ts";
import type { TurnClientEvent, TurnDropReason, TurnPeerSnapshot } from "./client-types.ts";
import { type PeerBinding, PeerBindings } from "./peer-bindings.ts";
import type { TurnAnswer, TurnRequest } from "./requests.ts";
import { isLastingRefusal } from "./turn-failures.ts";
import { bindingRequest } from "./turn-request.ts";

/** Data is dropped over this; the owner drains events after every input, so only one chunk of a stream can get there. */
const MAX_QUEUED_EVENTS = 4_096;

export class AllocationPeers {
  readonly #bindings: PeerBindings;
  readonly #events: TurnClientEvent[];

  /** `events` are the client's. */
  constructor(random: RandomBytes, events: TurnClientEvent[]) {
    this.#bindings = new PeerBindings(random);
    this.#events = events;
  }

  /** Undefined if there are too many. */
  want(peer: UdpAddress, kind: "channel" | "permission", now: Instant): PeerBinding | undefined {
    return this.#bindings.want(peer, kind, now);
  }

  release(peer: UdpAddress, kind: "channel" | "permission", now: Instant): void {
    this.#bindings.release(peer, kind, now);
  }

  /** A new allocation, which knows nobody. */
  reset(now: Instant): void {
    this.#bindings.reset(now);
  }

  /** When `takeRequest` has another one. */
  nextAt(): Instant | undefined {
    return this.#bindings.nextAt();
  }

  snapshot(): TurnPeerSnapshot[] {
    return this.#bindings.snapshot();
  }

  // Bindings

  /** The next request that is due. */
  takeRequest(allocation: Allocation, now: Instant): TurnRequest | undefined {
    for (let binding = this.#bindings.takeDue(now); binding !== undefined; binding = this.#bindings.takeDue(now)) {
      if (servesFamilyOf(allocation, binding.peer.address)) return bindingRequest(binding);
      this.#refuse(binding, TURN_ERROR.peerAddressFamilyMismatch, "the relay has no address of this family");
    }
    return undefined;
  }

  handleGranted(request: TurnRequest, now: Instant): void {
    const binding = this.#bindingOf(request);
    // Released while the request was under way.
    if (binding === undefined) return;
    const { peer, channel } = binding;
    const isNew = !binding.isGranted;
    this.#bindings.grant(binding, now);
    if (!isNew) return;
    if (channel === null) this.#events.push({ kind: "permitted", address: peer.address });
    else this.#events.push({ kind: "channel-bound", peer, channel });
  }

  handleError({ request, error }: Extract<TurnAnswer, { kind: "error" }>, now: Instant): void {
    const binding = this.#bindingOf(request);
    if (binding === undefined) return;
    if (isLastingRefusal(error.code)) this.#refuse(binding, error.code, error.reason);
    else this.#bindings.postpone(binding, now);
  }

  handleSilence(request: TurnRequest, now: Instant): void {
    const binding = this.#bindingOf(request);
    if (binding !== undefined) this.#bindings.postpone(binding, now);
  }

  // Data

  /** Undefined if it was acted upon. */
  handleChannelData(bytes: Uint8Array, hasAllocation: boolean): TurnDropReason | undefined {
    const parsed = parseChannelData(bytes);
    if (!parsed.ok) return parsed.reason;
    const binding = hasAllocation ? this.#bindings.getByChannel(parsed.channel) : undefined;
    if (binding === undefined) return "turn-channel-unknown";
    return this.#emitData(binding.peer, parsed.channel, parsed.data);
  }

  /** Data indications (RFC 8656 §11.4); any address could be forged in one, so only wanted peers are heard. */
  handleIndication(message: StunMessage): TurnDropReason | undefined {
    if (message.method !== TURN_METHOD.data) return "turn-unexpected";
    const peer = readXorAddress(message, TURN_ATTRIBUTE.xorPeerAddress);
    const data = findAttribute(message, TURN_ATTRIBUTE.data);
    if (peer === undefined || data === undefined) return "turn-malformed";
    if (!this.#bindings.isWanted(peer.address)) return "turn-peer-unknown";
    return this.#emitData(peer, null, data);
  }

  #emitData(peer: UdpAddress, channel: number | null, data: Uint8Array): TurnDropReason | undefined {
    if (this.#events.length >= MAX_QUEUED_EVENTS) return "turn-event-overflow";
    this.#events.push({ kind: "data", peer, channel, bytes: data.slice() });
    return undefined;
  }

  #refuse(binding: PeerBinding, code: number, reason: string): void {
    this.#bindings.refuse(binding);
    this.#events.push({ kind: "peer-refused", peer: binding.peer, code, reason });
  }

  #bindingOf({ purpose }: TurnRequest): PeerBinding | undefined {
    if (typeof purpose === "string") return undefined;
    return this.#bindings.get("bind" in purpose ? purpose.bind : purpose.permit);
  }
}
