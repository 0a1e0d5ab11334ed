import { encodeBase64, parseBase64 } from "../bytes/index.ts";
import { MAX_FORWARDED_CALL_BYTES, parseAgentMessage } from "../inner/index.ts";
import { type NatReport, summariseNats } from "../nat/index.ts";
import { type CallBody, offerPorts, sealedCallBytes, TokenBucket } from "../paths/index.ts";
import { type RandomBytes, randomUint32 } from "../random.ts";
import { addMs, type ClockReading, type Instant, type WallTime } from "../time.ts";
import { CallForwarding, type Tunnel } from "./call-forwarding.ts";
import { CallLog, type CallWays } from "./call-log.ts";
import type { MeshEffect } from "./effects.ts";
import { fitCallBody } from "./forwarded-body.ts";
import type { MeshPeer } from "./mesh-peer.ts";
import type { MeshPeers } from "./mesh-peers.ts";

/** Without a server for so long, members are looked for that could forward a call. */
const KNOCK_AFTER_MS = 1_000;
/** Members that are asked for a tunnel then: so many at once, then one every so often. */
const KNOCK_BURST = 3;
const KNOCK_REFILL_MS = 2_000;
/** Calls to who was asked only to forward are no reason to ask further members. */
const KNOCK_MEMORY_MS = 60_000;
/** A call that the server could not deliver is worth forwarding for so long. */
const FAILURE_LIMIT_MS = 5_000;
/** A peer whom the server could not reach is called through members, too, for so long. */
const FAILURE_MEMORY_MS = 30_000;

/** Calls that are taken from the server: all peers of a large network may call when it is back. */
const SERVER_BURST = 1_000;
const SERVER_REFILL_MS = 5;

export interface MeshCallsOptions {
  readonly peers: MeshPeers;
  readonly random: RandomBytes;
  readonly emit: (effect: MeshEffect) => void;
  /** A peer's path machine has had an input: carry out what it wants. */
  readonly drainPeer: (peer: MeshPeer, time: ClockReading) => void;
  /** A tunnel to the peer is of use. */
  readonly wantTunnel: (peer: MeshPeer, time: ClockReading) => void;
  readonly reportPassphrase: (peer: MeshPeer) => void;
  /** There is a session to send in. */
  readonly hasSession: (peer: MeshPeer, now: Instant) => boolean;
  readonly nats: () => readonly NatReport[];
  readonly countDrop: (reason: string) => void;
}

/** Calls of all peers: through the server, and through members while it can't be reached from here, or not from there. */
export class MeshCalls {
  readonly #options: MeshCallsOptions;
  readonly #forwarding: CallForwarding;
  readonly #log = new CallLog();
  /** How far the server's clock is ahead of our monotonic one; undefined while it is unknown. */
  #serverAheadMs: number | undefined;
  /** When the control stream was lost; undefined while calls can be given to the server. */
  #lostAt: Instant | undefined;
  /** The last call that went to the server, by callee. */
  readonly #sent = new Map<string, { readonly body: CallBody; readonly at: Instant }>(); // bounded: members of the map
  readonly #failedAt = new Map<string, Instant>(); // bounded: likewise
  /** Whom nobody could be found for who would forward. */
  readonly #waiting = new Set<string>(); // bounded: likewise
  readonly #knockedAt = new Map<string, Instant>(); // bounded: likewise
  readonly #fromServer = new TokenBucket(SERVER_BURST, SERVER_REFILL_MS);
  readonly #knocks = new TokenBucket(KNOCK_BURST, KNOCK_REFILL_MS);

  constructor(options: MeshCallsOptions) {
    this.#options = options;
    const { peers, random, emit } = options;
    this.#forwarding = new CallForwarding({
      peers: { tunnelTo: (nodeId, now) => this.#tunnelTo(nodeId, now), all: () => peers.byNodeId.keys() },
      random,
      send: (nodeId, packet) => emit({ kind: "send-inner", nodeId, packet }),
    });
  }

  /** Calls carry the server's time, which goes on whatever happens to our wall clock. */
  handleServerTime(offsetMs: number, { now, wall }: ClockReading): void {
    this.#serverAheadMs = wall + offsetMs - now;
  }

  handleSignallingReady(time: ClockReading): void {
    this.#lostAt = undefined;
    this.#failedAt.clear();
    this.#waiting.clear();
    for (const peer of this.#options.peers.all()) {
      peer.paths?.handleSignallingReady(time.now);
      this.#options.drainPeer(peer, time);
    }
  }

  handleSignallingLost(time: ClockReading): void {
    this.#lostAt ??= time.now;
    for (const peer of this.#options.peers.all()) {
      peer.paths?.handleSignallingLost(time.now);
      this.#options.drainPeer(peer, time);
    }
  }

  /** A new peer learns how calls to it travel. */
  introduce({ paths }: MeshPeer, now: Instant): void {
    if (this.#lostAt !== undefined) paths?.handleSignallingLost(now);
  }

  /** What a peer's path machine wants the peer to know. */
  send(peer: MeshPeer, body: CallBody, time: ClockReading): void {
    const { nodeId } = peer.peer;
    const reports = this.#options.nats();
    const call = { ...body, nats: summariseNats(reports), ports: offerPorts(reports, time.now) };
    const isServerThere = this.#lostAt === undefined;
    const mayServerFail = this.#hasFailedLately(nodeId, time.now) || this.#forwarding.cameForwarded(nodeId, time.now);
    const isForwarded = !isServerThere || mayServerFail;
    this.#log.handleSent(nodeId, { byServer: isServerThere, isForwarded }, time.now);
    // Before the one for the server: of two calls the younger counts, and that one may tell more.
    if (isForwarded) this.#forward(peer, call, time);
    if (!isServerThere) return;
    const sealed = peer.sealCall(call, this.#callTime(time));
    if (sealed === undefined) return;
    this.#sent.set(nodeId, { body: call, at: time.now });
    this.#options.emit({ kind: "send-call", nodeId, sealed });
  }

  /** A call that the server passed on; `sealed` is base64. */
  handleCall(nodeId: string, sealed: string, time: ClockReading): void {
    if (this.#fromServer.take(time.now)) this.#open(nodeId, sealed, null, time);
    else this.#options.countDrop("call-rate-limited");
  }

  /** The server could not deliver our last call. */
  handleCallFailed(nodeId: string, time: ClockReading): void {
    const peer = this.#options.peers.get(nodeId);
    const sent = this.#sent.get(nodeId);
    if (peer === undefined || sent === undefined) return;
    const wasForwarded = this.#hasFailedLately(nodeId, time.now);
    this.#failedAt.set(nodeId, time.now);
    this.#sent.delete(nodeId);
    const isForwarded = !wasForwarded && time.now - sent.at < FAILURE_LIMIT_MS;
    this.#log.handleServerFailed(nodeId, isForwarded);
    if (isForwarded) this.#forward(peer, sent.body, time);
  }

  /** How the last calls to the peer and of the peer have travelled. */
  ways(nodeId: string): CallWays {
    return this.#log.of(nodeId, this.#forwarding.givenTo(nodeId));
  }

  /** An inner packet of a member for this agent. */
  handleInner(nodeId: string, packet: Uint8Array, time: ClockReading): void {
    const { peers, countDrop } = this.#options;
    const message = parseAgentMessage(packet);
    if (message === undefined || peers.get(nodeId) === undefined) {
      countDrop("agent-message-unknown");
      return;
    }
    const outcome = this.#forwarding.handleMessage(nodeId, message, time.now);
    if (outcome.kind === "dropped") countDrop(outcome.reason);
    if (outcome.kind === "call") this.#open(outcome.from, encodeBase64(outcome.sealed), nodeId, time);
  }

  /** There is a session with the member: it may forward what nobody could. */
  handleSession(nodeId: string, time: ClockReading): void {
    const { peers, drainPeer } = this.#options;
    const waiting = [...this.#waiting].filter((other) => other !== nodeId);
    for (const other of waiting) {
      this.#waiting.delete(other);
      const peer = peers.get(other);
      peer?.paths?.handleCallsWanted(time.now);
      if (peer !== undefined) drainPeer(peer, time);
    }
  }

  forget(nodeId: string): void {
    this.#forwarding.forget(nodeId);
    this.#log.forget(nodeId);
    this.#waiting.delete(nodeId);
    for (const map of [this.#sent, this.#failedAt, this.#knockedAt]) map.delete(nodeId);
  }

  /** `via`: the member that passed it on, or null. */
  #open(nodeId: string, sealed: string, via: string | null, time: ClockReading): void {
    const { peers, countDrop, drainPeer, reportPassphrase } = this.#options;
    const peer = peers.get(nodeId);
    if (peer === undefined) {
      countDrop("call-of-unknown-peer");
      return;
    }
    const outcome = peer.openCall(sealed, time.now, this.#callTime(time));
    if (outcome.kind === "dropped") countDrop(outcome.reason);
    else {
      this.#log.handleReceived(nodeId, via, time.now);
      this.#forwarding.handleArrival(nodeId, via, time.now);
    }
    if (outcome.kind === "passphrase-differs") {
      reportPassphrase(peer);
      if (outcome.reply !== null) this.send(peer, outcome.reply, time);
    }
    drainPeer(peer, time);
  }

  #forward(peer: MeshPeer, body: CallBody, time: ClockReading): void {
    const { nodeId } = peer.peer;
    const sealed = peer.sealCall(
      fitCallBody(body, MAX_FORWARDED_CALL_BYTES - sealedCallBytes(0)),
      this.#callTime(time),
    );
    const bytes = sealed === undefined ? undefined : parseBase64(sealed);
    if (bytes === undefined || this.#forwarding.forward(nodeId, bytes, time.now)) return;
    this.#waiting.add(nodeId);
    this.#knock(nodeId, time);
  }

  /** Asks members whose addresses are remembered for a tunnel, as there is nobody who could forward a call. */
  #knock(callee: string, time: ClockReading): void {
    const isTooEarly = this.#lostAt === undefined || time.now - this.#lostAt < KNOCK_AFTER_MS;
    if (isTooEarly || this.#wasKnocked(callee, time.now)) return;
    const { peers, random, wantTunnel } = this.#options;
    const known = [...peers.all()]
      .filter(({ peer, paths }) => peer.nodeId !== callee && paths?.hasRemoteCandidates === true)
      .filter(({ peer }) => !this.#wasKnocked(peer.nodeId, time.now))
      .map((peer) => ({ peer, lot: randomUint32(random) }))
      .sort((a, b) => a.lot - b.lot);
    for (const { peer } of known) {
      if (!this.#knocks.take(time.now)) return;
      this.#knockedAt.set(peer.peer.nodeId, time.now);
      wantTunnel(peer, time);
    }
  }

  #wasKnocked(nodeId: string, now: Instant): boolean {
    const at = this.#knockedAt.get(nodeId);
    return at !== undefined && now < addMs(at, KNOCK_MEMORY_MS);
  }

  #hasFailedLately(nodeId: string, now: Instant): boolean {
    const at = this.#failedAt.get(nodeId);
    return at !== undefined && now < addMs(at, FAILURE_MEMORY_MS);
  }

  #tunnelTo(nodeId: string, now: Instant): Tunnel | undefined {
    const peer = this.#options.peers.get(nodeId);
    if (peer?.paths === undefined || peer.table.length === 0) return undefined;
    return this.#options.hasSession(peer, now) ? "open" : "idle";
  }

  #callTime({ now, wall }: ClockReading): WallTime {
    return (this.#serverAheadMs === undefined ? wall : Math.trunc(now + this.#serverAheadMs)) as WallTime;
  }
}
