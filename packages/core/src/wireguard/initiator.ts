/**
 * Our handshakes towards peers. Source: WireGuard paper §5.4.2–5.4.3, §6.4.
 *
 *   idle ──wanted──▶ sent ──response──▶ idle, with a session
 *    │                │ ╰──REKEY_TIMEOUT + jitter──▶ sent anew, other ephemeral key, index and timestamp
 *    │                ╰──REKEY_ATTEMPT_TIME──▶ idle, "no-answer"
 *    ╰──wanted too soon after our last message──▶ waiting ──▶ sent
 */
import { encodeHex } from "../bytes/index.ts";
import type { PathAddress } from "../net/index.ts";
import { addMs, type ClockReading, type Instant } from "../time.ts";
import { REKEY_ATTEMPT_TIME_MS, REKEY_TIMEOUT_MS } from "./constants.ts";
import type { DeviceContext } from "./device-context.ts";
import type { WireGuardDropReason } from "./drop-reason.ts";
import type { HandshakeGate } from "./handshake-gate.ts";
import { encodeInitiation, type Response } from "./messages.ts";
import { openResponse, sealInitiation, type TransportKeys, wipeNoise } from "./noise.ts";
import type { Initiating, Peer } from "./peer.ts";
import type { Session } from "./sessions.ts";
import { tai64nAfter } from "./tai64n.ts";

type SentInitiation = Extract<Initiating, { kind: "sent" }>;

export class Initiator {
  readonly #context: DeviceContext;
  readonly #gate: HandshakeGate;

  constructor(context: DeviceContext, gate: HandshakeGate) {
    this.#context = context;
    this.#gate = gate;
  }

  /** Starts a series of initiations, at once or when our last message is REKEY_TIMEOUT old; not if one is under way. */
  start(peer: Peer, time: ClockReading): void {
    if (peer.initiating.kind !== "idle") return;
    if (peer.noise === undefined) {
      this.#context.events.push({ kind: "handshake-failed", peer: peer.handle, reason: "invalid-public-key" });
      return;
    }
    const { lastMessageSentAt } = peer;
    if (lastMessageSentAt !== undefined && time.now - lastMessageSentAt < REKEY_TIMEOUT_MS) {
      const until = addMs(lastMessageSentAt, REKEY_TIMEOUT_MS + this.#context.jitterMs());
      peer.initiating = { kind: "waiting", until };
      return;
    }
    this.#send(peer, time.now, time);
  }

  /** Does what the time calls for in the series under way. */
  continue(peer: Peer, time: ClockReading): void {
    const state = peer.initiating;
    if (state.kind === "waiting" && time.now >= state.until) {
      peer.initiating = { kind: "idle" };
      this.start(peer, time);
      return;
    }
    if (state.kind !== "sent") return;
    if (time.now - state.startedAt >= REKEY_ATTEMPT_TIME_MS) {
      this.stop(peer);
      this.#context.events.push({ kind: "handshake-failed", peer: peer.handle, reason: "no-answer" });
    } else if (time.now >= state.retryAt) {
      this.stop(peer);
      this.#send(peer, state.startedAt, time);
    }
  }

  stop(peer: Peer): void {
    if (peer.initiating.kind === "sent") {
      wipeNoise(peer.initiating.noise);
      this.#context.indices.release(peer.initiating.localIndex);
    }
    peer.initiating = { kind: "idle" };
  }

  /** A response with a valid `mac1`. */
  handleResponse(
    message: Response,
    bytes: Uint8Array,
    from: PathAddress,
    now: Instant,
  ): WireGuardDropReason | undefined {
    const { identity, crypto, indices, events, transmits } = this.#context;
    const peer = indices.ownerOf(message.receiverIndex);
    const state = peer?.initiating;
    if (peer === undefined || state?.kind !== "sent" || state.localIndex !== message.receiverIndex) {
      return "unknown-index";
    }
    // The first response to an initiation is computed on even under load: a flood of other messages can't hinder
    // our own handshakes, and who sends a wrong one must have seen the initiation.
    const refusal = state.wrongResponses === 0 ? undefined : this.#gate.refuse(bytes, message.senderIndex, from, now);
    if (refusal?.cookieReply !== undefined) transmits.push({ peer: peer.handle, bytes: refusal.cookieReply, to: from });
    if (refusal !== undefined) return refusal.reason;
    const keys = openResponse(crypto, identity, peer.presharedKey, state.noise, message);
    if (keys === undefined) {
      state.wrongResponses += 1;
      if (state.wrongResponses === 1) {
        events.push({ kind: "handshake-failed", peer: peer.handle, reason: "wrong-preshared-key" });
      }
      return "wrong-response";
    }
    wipeNoise(state.noise);
    peer.initiating = { kind: "idle" };
    this.#install(peer, state, message.senderIndex, keys, from, now);
    return undefined;
  }

  #send(peer: Peer, startedAt: Instant, { now, wall }: ClockReading): void {
    const { identity, crypto, indices, transmits } = this.#context;
    if (peer.noise === undefined) return;
    const timestamp = tai64nAfter(peer.greatestTimestampSent, wall);
    const sealed = sealInitiation(crypto, identity, peer.noise, this.#context.newPrivateKey(), timestamp);
    if (sealed === undefined) return;
    const localIndex = indices.allocate(peer);
    const bytes = encodeInitiation({ senderIndex: localIndex, ...sealed.fields });
    peer.cookies.addMacs(bytes, now);
    peer.greatestTimestampSent = timestamp;
    peer.lastMessageSentAt = now;
    peer.initiating = {
      kind: "sent",
      localIndex,
      noise: sealed.state,
      sentAt: now,
      retryAt: addMs(now, REKEY_TIMEOUT_MS + this.#context.jitterMs()),
      startedAt,
      wrongResponses: 0,
    };
    transmits.push({ peer: peer.handle, bytes, to: "paths" });
  }

  #install(
    peer: Peer,
    { localIndex, sentAt }: SentInitiation,
    remoteIndex: number,
    keys: TransportKeys,
    from: PathAddress,
    now: Instant,
  ): void {
    const { identity, events } = this.#context;
    const { next } = peer.sessions;
    // Both initiated at once, so both sessions would be renewed at once for ever: one side waits for the other.
    const isSimultaneous = next !== undefined && next.createdAt >= sentAt;
    const yields = isSimultaneous && encodeHex(identity.publicKey) > encodeHex(peer.publicKey);
    const rekeyDelayMs = yields ? REKEY_TIMEOUT_MS : 0;
    const session: Session = { localIndex, remoteIndex, role: "initiator", createdAt: now, rekeyDelayMs };
    this.#context.endSessions(peer, peer.sessions.installInitiated(session, sentAt));
    peer.lastHandshakeAt = now;
    this.#context.announceSession(peer, session, keys, from);
    events.push({ kind: "keepalive", peer: peer.handle });
    peer.updateDeadline();
  }
}
