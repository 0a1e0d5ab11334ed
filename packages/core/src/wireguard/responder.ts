/**
 * Peers' handshakes towards us. Source: WireGuard paper §5.1, §5.4.2–5.4.3.
 *
 * An initiation costs two X25519 before its sender is known, which is why the gate comes first. It is answered once;
 * the same bytes that come by another path within DUPLICATE_ANSWER_MS get the same response on that path, so that a
 * peer may knock on all of its paths at once and goes on with the first that answers.
 */
import { bytesEqual, encodeHex, wipe } from "../bytes/index.ts";
import { type PathAddress, pathAddressKey } from "../net/index.ts";
import type { ClockReading, Instant } from "../time.ts";
import { DUPLICATE_ANSWER_MS, DUPLICATE_ANSWERS_MAX, INITIATION_INTERVAL_MIN_MS } from "./constants.ts";
import type { DeviceContext } from "./device-context.ts";
import type { WireGuardDropReason } from "./drop-reason.ts";
import type { PeerHandle } from "./events.ts";
import type { HandshakeGate } from "./handshake-gate.ts";
import { encodeResponse, type Initiation, mac1Of } from "./messages.ts";
import { openInitiation, openInitiationName, type ResponderState, sealResponse, wipeNoise } from "./noise.ts";
import type { Peer } from "./peer.ts";
import type { Session } from "./sessions.ts";
import { isLater } from "./tai64n.ts";

/** In cookie replies to initiations, whose senders are not known yet. */
const NO_PEER: PeerHandle = 0;

export class Responder {
  readonly #context: DeviceContext;
  readonly #gate: HandshakeGate;
  readonly #peersByKey: ReadonlyMap<string, Peer>;
  readonly #onOutdated: (peer: Peer, time: ClockReading) => void;
  readonly #answers = new Map<string, Peer>(); // bounded: one per peer; key is mac1 of the initiation

  /**
   * `onOutdated`: an initiation was refused for its timestamp, which is older than the peer's greatest. Perhaps the peer has
   * started anew after its clock was set back; then it can't open a tunnel until the clock has caught up, but we can.
   */
  constructor(
    context: DeviceContext,
    gate: HandshakeGate,
    peersByKey: ReadonlyMap<string, Peer>,
    onOutdated: (peer: Peer, time: ClockReading) => void,
  ) {
    this.#onOutdated = onOutdated;
    this.#context = context;
    this.#gate = gate;
    this.#peersByKey = peersByKey;
  }

  /** An initiation with a valid `mac1`. */
  handleInitiation(
    message: Initiation,
    bytes: Uint8Array,
    from: PathAddress,
    time: ClockReading,
  ): WireGuardDropReason | undefined {
    const { identity, crypto, transmits } = this.#context;
    const { now } = time;
    if (this.#answerAgain(bytes, from, now)) return undefined;
    const refusal = this.#gate.refuse(bytes, message.senderIndex, from, now);
    if (refusal?.cookieReply !== undefined) transmits.push({ peer: NO_PEER, bytes: refusal.cookieReply, to: from });
    if (refusal !== undefined) return refusal.reason;
    const named = openInitiationName(crypto, identity, message);
    if (named === undefined) return "undecryptable";
    const peer = this.#peersByKey.get(encodeHex(named.staticPublic));
    const opened = peer?.noise === undefined ? undefined : openInitiation(crypto, peer.noise, named, message);
    wipeNoise(named);
    if (peer?.noise === undefined) return "unknown-peer";
    if (opened === undefined) return "undecryptable";
    const dropped =
      refuseInitiation(peer, opened.timestamp, now) ??
      this.#respond(peer, message.senderIndex, opened.state, bytes, from, now);
    wipeNoise(opened.state);
    const { greatestTimestampReceived: greatest } = peer;
    if (dropped === "replayed" && greatest !== undefined && isLater(greatest, opened.timestamp)) {
      this.#onOutdated(peer, time);
    }
    if (dropped !== undefined) return dropped;
    peer.greatestTimestampReceived = opened.timestamp;
    peer.lastInitiationReceivedAt = now;
    return undefined;
  }

  forgetAnswer(peer: Peer): void {
    if (peer.answer !== undefined) this.#answers.delete(encodeHex(mac1Of(peer.answer.initiation)));
    peer.answer = undefined;
  }

  #respond(
    peer: Peer,
    remoteIndex: number,
    noise: ResponderState,
    initiation: Uint8Array,
    from: PathAddress,
    now: Instant,
  ): WireGuardDropReason | undefined {
    const { crypto, indices, transmits } = this.#context;
    if (peer.noise === undefined) return "unknown-peer";
    const ephemeralPrivate = this.#context.newPrivateKey();
    const sealed = sealResponse(crypto, peer.noise, peer.presharedKey, noise, ephemeralPrivate);
    wipe(ephemeralPrivate);
    if (sealed === undefined) return "undecryptable";
    const localIndex = indices.allocate(peer);
    const bytes = encodeResponse({ senderIndex: localIndex, receiverIndex: remoteIndex, ...sealed.fields });
    peer.cookies.addMacs(bytes, now);
    peer.lastMessageSentAt = now;
    this.#rememberAnswer(peer, initiation, bytes, from, now);
    transmits.push({ peer: peer.handle, bytes, to: from });
    const session: Session = { localIndex, remoteIndex, role: "responder", createdAt: now, rekeyDelayMs: 0 };
    this.#context.endSessions(peer, peer.sessions.installResponded(session));
    this.#context.announceSession(peer, session, sealed.keys, from);
    peer.updateDeadline();
    return undefined;
  }

  #rememberAnswer(peer: Peer, initiation: Uint8Array, response: Uint8Array, from: PathAddress, now: Instant): void {
    this.forgetAnswer(peer);
    peer.answer = { initiation: initiation.slice(), response, at: now, paths: new Set([pathAddressKey(from)]) };
    this.#answers.set(encodeHex(mac1Of(initiation)), peer);
  }

  /** True if these bytes were answered lately on another path, and are answered on this one too. */
  #answerAgain(initiation: Uint8Array, from: PathAddress, now: Instant): boolean {
    const peer = this.#answers.get(encodeHex(mac1Of(initiation)));
    const answer = peer?.answer;
    if (peer === undefined || answer === undefined || now - answer.at >= DUPLICATE_ANSWER_MS) return false;
    const path = pathAddressKey(from);
    if (answer.paths.has(path) || answer.paths.size >= DUPLICATE_ANSWERS_MAX) return false;
    if (!bytesEqual(answer.initiation, initiation)) return false;
    answer.paths.add(path);
    this.#context.transmits.push({ peer: peer.handle, bytes: answer.response, to: from });
    return true;
  }
}

/** Replay and flood guards. */
function refuseInitiation(peer: Peer, timestamp: Uint8Array, now: Instant): "replayed" | "too-frequent" | undefined {
  const { greatestTimestampReceived: greatest, lastInitiationReceivedAt: last } = peer;
  if (greatest !== undefined && !isLater(timestamp, greatest)) return "replayed";
  return last !== undefined && now - last < INITIATION_INTERVAL_MIN_MS ? "too-frequent" : undefined;
}
