/**
 * Calls that go from member to member, for the time when the server can't pass them on.
 *
 *   caller ──forward-call──► forwarder ──forwarded-call──► callee
 *
 * A forwarder needs tunnels to both and passes a call on once, to the member that it is for: nothing is forwarded
 * twice. The call is sealed for the callee, so a forwarder can drop it, and delay it for as long as calls count, and
 * nothing else. Who has no tunnel to the callee says so, and the caller asks the next one.
 *
 * Whatever a member sends, each message leads to one message at most, and their number is limited.
 */
import { type AgentMessage, encodeAgentMessage } from "../inner/index.ts";
import { TokenBucket } from "../paths/index.ts";
import { type RandomBytes, randomUint32 } from "../random.ts";
import type { Instant } from "../time.ts";

/** Members that one call is given to at a time. */
const MAX_FORWARDERS = 3;
/** Calls that are forwarded for one member, and taken from one forwarder: so many at once, then one every so often. */
const FORWARD_BURST = 16;
const FORWARD_REFILL_MS = 250;
/** The same for all members together. */
const FORWARD_TOTAL_BURST = 64;
const FORWARD_TOTAL_REFILL_MS = 20;
/** Tunnels that had to be opened anew to pass a call on. */
const REOPEN_BURST = 4;
const REOPEN_REFILL_MS = 5_000;
/** How long the member that brought a peer's call is the first to be asked for calls to it. */
const ROUTE_MEMORY_MS = 120_000;
/** How long a refusal can follow, and the call it is about be worth another try. */
const REFUSAL_LIMIT_MS = 5_000;
/** Members that were asked in vain are asked again after this. */
const ASKED_MEMORY_MS = 30_000;

export type Tunnel =
  /** There is a session, and somewhere to send. */
  | "open"
  /** A path is known to have worked, so that a session is likely to come up at once. */
  | "idle";

/** What forwarding needs to know of the other members. */
export interface ForwardingPeers {
  /** The tunnel to a member that is an agent; undefined if there is none. */
  tunnelTo(nodeId: string, now: Instant): Tunnel | undefined;
  /** Node ids of all members. */
  all(): Iterable<string>;
}

export interface ForwardingOptions {
  readonly peers: ForwardingPeers;
  readonly random: RandomBytes;
  readonly send: (nodeId: string, packet: Uint8Array) => void;
}

interface ForwardedCall {
  readonly sealed: Uint8Array;
  readonly at: Instant;
  readonly isInTunnel: boolean;
  readonly with: Set<string>; // bounded: members of the map
}

/** What is known of the ways to one callee. */
interface Callee {
  /** Who brought its last call. */
  via: string | undefined;
  viaAt: Instant;
  /** Our last call, and who was given it. */
  call: ForwardedCall | undefined;
  readonly asked: Map<string, Instant>; // bounded: members of the map
}

export type ForwardingOutcome =
  | { readonly kind: "done" }
  | { readonly kind: "dropped"; readonly reason: string }
  /** A call of `from` for us. */
  | { readonly kind: "call"; readonly from: string; readonly sealed: Uint8Array };

export class CallForwarding {
  readonly #options: ForwardingOptions;
  readonly #callees = new Map<string, Callee>(); // bounded: members of the map
  readonly #senders = new Map<string, TokenBucket>(); // bounded: likewise
  readonly #total = new TokenBucket(FORWARD_TOTAL_BURST, FORWARD_TOTAL_REFILL_MS);
  readonly #own = new TokenBucket(FORWARD_TOTAL_BURST, FORWARD_TOTAL_REFILL_MS);
  readonly #reopened = new TokenBucket(REOPEN_BURST, REOPEN_REFILL_MS);

  constructor(options: ForwardingOptions) {
    this.#options = options;
  }

  /**
   * Gives a call of ours to members that may reach the callee, and to the callee itself if a tunnel is open. False if
   * there is nobody.
   */
  forward(callee: string, sealed: Uint8Array, now: Instant): boolean {
    if (!this.#own.take(now)) return false;
    const isTunnelOpen = this.#options.peers.tunnelTo(callee, now) === "open";
    if (isTunnelOpen) this.#send(callee, { kind: "forwarded-call", from: null, sealed });
    const record = this.#callee(callee);
    record.call = { sealed, at: now, isInTunnel: isTunnelOpen, with: new Set() };
    const forwarders = this.#choose(callee, record, MAX_FORWARDERS, now);
    for (const forwarder of forwarders) this.#give(forwarder, callee, record, now);
    return isTunnelOpen || forwarders.length > 0;
  }

  /** Who has got our last call to pass it on, and has not refused; the callee itself if it went through the tunnel. */
  givenTo(callee: string): string[] {
    const call = this.#callees.get(callee)?.call;
    return call === undefined ? [] : [...(call.isInTunnel ? [callee] : []), ...call.with];
  }

  /** Whether the callee's last call came through a member: its answer had better go that way, too. */
  cameForwarded(nodeId: string, now: Instant): boolean {
    const record = this.#callees.get(nodeId);
    return record?.via !== undefined && now - record.viaAt < ROUTE_MEMORY_MS;
  }

  /** A message of a member. Authentic, as it came through the tunnel; whether what it claims is true is another matter. */
  handleMessage(sender: string, message: AgentMessage, now: Instant): ForwardingOutcome {
    if (!this.#mayCost(sender, now)) return dropped("forward-rate-limited");
    switch (message.kind) {
      case "forward-call":
        return this.#passOn(sender, message.to, message.sealed, now);
      case "forwarded-call":
        return { kind: "call", from: message.from ?? sender, sealed: message.sealed };
      case "not-forwarded":
        return this.#handleRefusal(sender, message.to, now);
    }
  }

  /** An authentic call of `caller` came through this member; null: through the server, which reaches it then. */
  handleArrival(caller: string, via: string | null, now: Instant): void {
    if (via === null && !this.#callees.has(caller)) return;
    const record = this.#callee(caller);
    record.via = via === null || via === caller ? undefined : via;
    record.viaAt = now;
  }

  /** The member is gone. */
  forget(nodeId: string): void {
    this.#callees.delete(nodeId);
    this.#senders.delete(nodeId);
    for (const { asked } of this.#callees.values()) asked.delete(nodeId);
  }

  #passOn(caller: string, to: string, sealed: Uint8Array, now: Instant): ForwardingOutcome {
    const tunnel = to === caller ? undefined : this.#options.peers.tunnelTo(to, now);
    const mayPass = tunnel === "open" || (tunnel === "idle" && this.#reopened.take(now));
    if (!mayPass) {
      this.#send(caller, { kind: "not-forwarded", to });
      return dropped("forward-without-tunnel");
    }
    this.#send(to, { kind: "forwarded-call", from: caller, sealed });
    return { kind: "done" };
  }

  #handleRefusal(forwarder: string, callee: string, now: Instant): ForwardingOutcome {
    const record = this.#callees.get(callee);
    const call = record?.call;
    const isExpected = call?.with.delete(forwarder) === true && now - call.at < REFUSAL_LIMIT_MS;
    if (record === undefined || !isExpected) return dropped("refusal-unexpected");
    if (record.via === forwarder) record.via = undefined;
    const [next] = this.#choose(callee, record, 1, now);
    if (next !== undefined) this.#give(next, callee, record, now);
    return { kind: "done" };
  }

  #give(forwarder: string, callee: string, record: Callee, now: Instant): void {
    if (record.call === undefined) return;
    record.call.with.add(forwarder);
    record.asked.set(forwarder, now);
    this.#send(forwarder, { kind: "forward-call", to: callee, sealed: record.call.sealed });
  }

  /** Who brought the callee's last call, then members with an open tunnel that were not asked lately, at random, then others. */
  #choose(callee: string, record: Callee, count: number, now: Instant): string[] {
    const { peers, random } = this.#options;
    const isFresh = record.via !== undefined && now - record.viaAt < ROUTE_MEMORY_MS;
    const rank = (nodeId: string, tunnel: Tunnel): number => {
      if (isFresh && nodeId === record.via) return 0;
      const askedAt = record.asked.get(nodeId);
      const wasAsked = askedAt !== undefined && now - askedAt < ASKED_MEMORY_MS;
      return 1 + (wasAsked ? 2 : 0) + (tunnel === "open" ? 0 : 1);
    };
    const ranked: { nodeId: string; rank: number; lot: number }[] = [];
    for (const nodeId of peers.all()) {
      const tunnel = nodeId === callee || record.call?.with.has(nodeId) ? undefined : peers.tunnelTo(nodeId, now);
      if (tunnel === undefined) continue;
      ranked.push({ nodeId, rank: rank(nodeId, tunnel), lot: randomUint32(random) });
    }
    // A refusal is no reason to begin again with those who have refused.
    const isRetry = count === 1;
    return ranked
      .filter((one) => !isRetry || one.rank <= 2)
      .sort((a, b) => a.rank - b.rank || a.lot - b.lot)
      .slice(0, count)
      .map(({ nodeId }) => nodeId);
  }

  #mayCost(sender: string, now: Instant): boolean {
    let bucket = this.#senders.get(sender);
    if (bucket === undefined) {
      bucket = new TokenBucket(FORWARD_BURST, FORWARD_REFILL_MS);
      this.#senders.set(sender, bucket);
    }
    return bucket.take(now) && this.#total.take(now);
  }

  #callee(nodeId: string): Callee {
    let record = this.#callees.get(nodeId);
    if (record === undefined) {
      record = { via: undefined, viaAt: 0 as Instant, call: undefined, asked: new Map() };
      this.#callees.set(nodeId, record);
    }
    return record;
  }

  #send(nodeId: string, message: AgentMessage): void {
    this.#options.send(nodeId, encodeAgentMessage(message));
  }
}

function dropped(reason: string): ForwardingOutcome {
  return { kind: "dropped", reason };
}
