/**
 * WireGuard's handshakes and timers for one overlay device, without I/O and without data packets.
 * Source: WireGuard paper, https://www.wireguard.com/papers/wireguard.pdf.
 *
 * Story of a session. The engine has a packet for a peer and no session: `requestSession`. An initiation leaves by
 * `pollTransmit`; it is repeated, made anew, about every 5 s for 90 s. The response comes in by `handleDatagram`, and
 * `pollEvent` hands out the keys for the engine, followed by the wish for an empty packet, in which the responder
 * sees that it may send too (`handleSessionConfirmed` on its side). The engine counts traffic; `handleTraffic` brings
 * the counts, and they decide about new sessions and keepalives. After 180 s a session's end is announced.
 *
 * After every input the caller drains `pollTransmit` and `pollEvent` and sets one alarm at `pollTimeout`. Inputs take
 * both kinds of time, because initiations carry wall time. Before `handleTimeout` it is best to bring fresh traffic
 * facts; without them the machine acts on the last ones, which costs at worst a superfluous keepalive or handshake.
 *
 * Hostile input never throws and, unless it is an authentic message of a peer, changes nothing but the measure of
 * load. Throwing is for misuse: an unknown handle, a key of the wrong length.
 */
import { bytesEqual, encodeHex, wipe } from "../bytes/index.ts";
import { type Crypto, clampX25519, KEY_SIZE_BYTES } from "../identity/index.ts";
import { type PathAddress, pathAddressKey } from "../net/index.ts";
import { type RandomBytes, randomUnit } from "../random.ts";
import { addMs, type ClockReading, type Instant } from "../time.ts";
import {
  DUPLICATE_ANSWER_MS,
  DUPLICATE_ANSWERS_MAX,
  INITIATION_INTERVAL_MIN_MS,
  REKEY_ATTEMPT_TIME_MS,
  REKEY_TIMEOUT_JITTER_MAX_MS,
  REKEY_TIMEOUT_MS,
} from "./constants.ts";
import { CookieMaker } from "./cookie.ts";
import type { WireGuardDropReason } from "./drop-reason.ts";
import type { PeerHandle, SessionRole, WireGuardEvent, WireGuardTransmit } from "./events.ts";
import { HandshakeLoad } from "./handshake-load.ts";
import {
  type CookieReply,
  encodeInitiation,
  encodeResponse,
  type Initiation,
  mac1Of,
  parseHandshakeMessage,
  type Response,
} from "./messages.ts";
import {
  type NoiseIdentity,
  openInitiation,
  openInitiationName,
  openResponse,
  type ResponderState,
  sealInitiation,
  sealResponse,
  staticStaticOf,
  type TransportKeys,
  wipeNoise,
} from "./noise.ts";
import { Peer, PRESHARED_KEY_SIZE_BYTES, type TimeoutReason } from "./peer.ts";
import { SessionIndices } from "./session-index.ts";
import { expiryOf, type Session } from "./sessions.ts";
import { isLater, tai64nAfter } from "./tai64n.ts";
import { isRekeyDue, passiveKeepaliveAt, type TrafficFacts } from "./timers.ts";

/** In cookie replies to initiations, whose senders are not known yet. */
const NO_PEER: PeerHandle = 0;

export interface WireGuardOptions {
  /** X25519, 32 bytes; copied. */
  readonly privateKey: Uint8Array;
  readonly crypto: Crypto;
  readonly random: RandomBytes;
}

export interface PeerOptions {
  /** X25519, 32 bytes. */
  readonly publicKey: Uint8Array;
  /** 32 bytes; copied. */
  readonly presharedKey?: Uint8Array;
  /** An empty packet goes out after this long without any packet either way. */
  readonly persistentKeepaliveMs?: number;
}

export interface WireGuardPeerState {
  /** As initiator when the response came, as responder when the session was first used. */
  readonly lastHandshakeAt?: Instant;
  /** Where the last authentic handshake message came from. */
  readonly lastHandshakeFrom?: PathAddress;
  /** Age of the session that sends. */
  readonly sessionAgeMs?: number;
  readonly sessionRole?: SessionRole;
  readonly handshaking: boolean;
  /** How long the series of initiations has gone without success. */
  readonly handshakingForMs?: number;
}

export interface WireGuardTimeout {
  readonly at: Instant;
  readonly reason: TimeoutReason;
  readonly peer: PeerHandle;
}

export class WireGuard {
  readonly publicKey: Uint8Array;
  readonly #identity: NoiseIdentity;
  readonly #crypto: Crypto;
  readonly #random: RandomBytes;
  readonly #cookieMaker: CookieMaker;
  readonly #load = new HandshakeLoad();
  readonly #indices: SessionIndices<Peer>;
  readonly #peers = new Map<PeerHandle, Peer>(); // bounded: the caller's peers
  readonly #peersByKey = new Map<string, Peer>(); // bounded: likewise
  readonly #answers = new Map<string, Peer>(); // bounded: one per peer; key is mac1 of the initiation
  #transmits: WireGuardTransmit[] = []; // bounded: drained after every input, which adds at most one per peer
  #events: WireGuardEvent[] = []; // bounded: likewise
  #nextHandle = 1;

  /** Throws RangeError unless the key is 32 bytes. */
  constructor(options: WireGuardOptions) {
    const privateKey = options.privateKey.slice();
    clampX25519(privateKey);
    this.publicKey = options.crypto.x25519PublicKey(privateKey);
    this.#identity = { privateKey, publicKey: this.publicKey };
    this.#crypto = options.crypto;
    this.#random = options.random;
    this.#cookieMaker = new CookieMaker(this.publicKey, options.random);
    this.#indices = new SessionIndices(options.random);
  }

  // Peers

  /** Throws RangeError on keys of another length and on a key that a peer has already. */
  addPeer(options: PeerOptions): PeerHandle {
    const { publicKey, presharedKey, persistentKeepaliveMs } = options;
    requireSize(publicKey, KEY_SIZE_BYTES, "public key");
    if (this.#peersByKey.has(encodeHex(publicKey))) throw new RangeError("a peer with this public key exists already");
    const handle = this.#nextHandle++;
    const peer = new Peer(handle, publicKey.slice(), this.#noisePeerOf(publicKey), persistentKeepaliveMs);
    this.#peers.set(handle, peer);
    this.#peersByKey.set(encodeHex(publicKey), peer);
    if (presharedKey !== undefined) this.setPresharedKey(handle, presharedKey);
    peer.updateDeadline();
    return handle;
  }

  /** Forgets the peer with its secrets. Nothing more is emitted of it, not even the end of its sessions. */
  removePeer(handle: PeerHandle): void {
    const peer = this.#peerOf(handle);
    this.#stopInitiating(peer);
    for (const session of peer.sessions.all()) this.#indices.release(session.localIndex);
    this.#forgetAnswer(peer);
    peer.wipe();
    this.#peers.delete(handle);
    this.#peersByKey.delete(encodeHex(peer.publicKey));
    this.#transmits = this.#transmits.filter((transmit) => transmit.peer !== handle);
    for (const event of this.#events) if (event.peer === handle) wipeKeysOf(event);
    this.#events = this.#events.filter((event) => event.peer !== handle);
  }

  /** For handshakes from here on; undefined means none. Sessions go on. */
  setPresharedKey(handle: PeerHandle, presharedKey: Uint8Array | undefined): void {
    const peer = this.#peerOf(handle);
    if (presharedKey === undefined) {
      wipe(peer.presharedKey);
      return;
    }
    requireSize(presharedKey, PRESHARED_KEY_SIZE_BYTES, "preshared key");
    peer.presharedKey.set(presharedKey);
  }

  peerState(handle: PeerHandle, now: Instant): WireGuardPeerState {
    const { lastHandshakeAt, lastHandshakeFrom, sessions, initiating } = this.#peerOf(handle);
    const { current } = sessions;
    return {
      ...(lastHandshakeAt === undefined ? {} : { lastHandshakeAt }),
      ...(lastHandshakeFrom === undefined ? {} : { lastHandshakeFrom }),
      ...(current === undefined ? {} : { sessionAgeMs: now - current.createdAt, sessionRole: current.role }),
      handshaking: initiating.kind === "sent",
      ...(initiating.kind === "sent" ? { handshakingForMs: now - initiating.startedAt } : {}),
    };
  }

  /** Wipes every secret. The device must not be used any more. */
  close(): void {
    for (const handle of [...this.#peers.keys()]) this.removePeer(handle);
    wipe(this.#identity.privateKey);
  }

  // Inputs

  /**
   * Asks for a session, because the engine has a packet and none to carry it, or to replace the one in use. Does nothing
   * while a handshake is under way or a session is so young that the wish must be older. Otherwise an initiation
   * leaves, at once or as soon as our last handshake message is REKEY_TIMEOUT old.
   */
  requestSession(handle: PeerHandle, time: ClockReading): void {
    const peer = this.#peerOf(handle);
    const { current } = peer.sessions;
    const isYoung = current !== undefined && time.now - current.createdAt < REKEY_TIMEOUT_MS;
    if (!isYoung) this.#startInitiating(peer, time);
    peer.updateDeadline();
  }

  /** A handshake message from the network. Returns why it had no effect, if it had none. */
  handleDatagram(bytes: Uint8Array, from: PathAddress, time: ClockReading): WireGuardDropReason | undefined {
    const message = parseHandshakeMessage(bytes);
    if (typeof message === "string") return message;
    if (message.kind === "cookie-reply") return this.#handleCookieReply(message, time.now);
    if (!this.#cookieMaker.isMac1Valid(bytes)) return "wrong-mac1";
    return message.kind === "initiation"
      ? this.#handleInitiation(message, bytes, from, time.now)
      : this.#handleResponse(message, bytes, from, time.now);
  }

  /** The engine's counters of one peer; about once a second while there is traffic, and at deadlines. */
  handleTraffic(handle: PeerHandle, facts: TrafficFacts, time: ClockReading): void {
    const peer = this.#peerOf(handle);
    peer.facts = facts;
    this.#actOnTraffic(peer, time);
    peer.updateDeadline();
  }

  /** The first packet arrived in a session that the peer initiated. An unknown index is ignored: the session has ended. */
  handleSessionConfirmed(handle: PeerHandle, localIndex: number, time: ClockReading): void {
    const peer = this.#peerOf(handle);
    const ended = peer.sessions.confirm(localIndex);
    if (ended === undefined) return;
    this.#endSessions(peer, ended);
    this.#stopInitiating(peer);
    peer.lastHandshakeAt = time.now;
    peer.updateDeadline();
  }

  handleTimeout(time: ClockReading): void {
    for (const peer of this.#peers.values()) {
      if (peer.deadline === undefined || peer.deadline.at > time.now) continue;
      this.#endSessions(peer, peer.sessions.expire(time.now));
      this.#continueInitiating(peer, time);
      this.#actOnTraffic(peer, time);
      peer.updateDeadline();
    }
  }

  // Outputs

  /** When `handleTimeout` is due next. Undefined while no peer has a session or a handshake: there is nothing to end. */
  pollTimeout(): WireGuardTimeout | undefined {
    let first: Peer | undefined;
    for (const peer of this.#peers.values()) {
      if (peer.deadline === undefined) continue;
      if (first?.deadline === undefined || peer.deadline.at < first.deadline.at) first = peer;
    }
    return first?.deadline === undefined ? undefined : { ...first.deadline, peer: first.handle };
  }

  pollTransmit(): WireGuardTransmit | undefined {
    return this.#transmits.shift();
  }

  pollEvent(): WireGuardEvent | undefined {
    return this.#events.shift();
  }

  // As initiator

  #startInitiating(peer: Peer, time: ClockReading): void {
    if (peer.initiating.kind !== "idle") return;
    if (peer.noise === undefined) {
      this.#events.push({ kind: "handshake-failed", peer: peer.handle, reason: "invalid-public-key" });
      return;
    }
    if (peer.lastMessageSentAt !== undefined && peer.mustWait(time.now)) {
      const until = addMs(peer.lastMessageSentAt, REKEY_TIMEOUT_MS + this.#jitterMs());
      peer.initiating = { kind: "waiting", until };
      return;
    }
    this.#sendInitiation(peer, time.now, time);
  }

  #continueInitiating(peer: Peer, time: ClockReading): void {
    const state = peer.initiating;
    if (state.kind === "waiting" && time.now >= state.until) {
      peer.initiating = { kind: "idle" };
      this.#startInitiating(peer, time);
      return;
    }
    if (state.kind !== "sent") return;
    if (time.now - state.startedAt >= REKEY_ATTEMPT_TIME_MS) {
      this.#stopInitiating(peer);
      this.#events.push({ kind: "handshake-failed", peer: peer.handle, reason: "no-answer" });
    } else if (time.now >= state.retryAt) {
      this.#stopInitiating(peer);
      this.#sendInitiation(peer, state.startedAt, time);
    }
  }

  #sendInitiation(peer: Peer, startedAt: Instant, { now, wall }: ClockReading): void {
    if (peer.noise === undefined) return;
    const timestamp = tai64nAfter(peer.greatestTimestampSent, wall);
    const ephemeralPrivate = this.#newPrivateKey();
    const sealed = sealInitiation(this.#crypto, this.#identity, peer.noise, ephemeralPrivate, timestamp);
    if (sealed === undefined) return;
    const localIndex = this.#indices.allocate(peer);
    const bytes = encodeInitiation({ senderIndex: localIndex, ...sealed.fields });
    peer.cookies.addMacs(bytes, now);
    peer.greatestTimestampSent = timestamp;
    peer.lastMessageSentAt = now;
    const retryAt = addMs(now, REKEY_TIMEOUT_MS + this.#jitterMs());
    peer.initiating = {
      kind: "sent",
      localIndex,
      noise: sealed.state,
      sentAt: now,
      retryAt,
      startedAt,
      wrongResponses: 0,
    };
    this.#transmits.push({ peer: peer.handle, bytes, to: "paths" });
  }

  #stopInitiating(peer: Peer): void {
    if (peer.initiating.kind === "sent") {
      wipeNoise(peer.initiating.noise);
      this.#indices.release(peer.initiating.localIndex);
    }
    peer.initiating = { kind: "idle" };
  }

  #handleResponse(
    message: Response,
    bytes: Uint8Array,
    from: PathAddress,
    now: Instant,
  ): WireGuardDropReason | undefined {
    const peer = this.#indices.ownerOf(message.receiverIndex);
    const state = peer?.initiating;
    if (peer === undefined || state?.kind !== "sent" || state.localIndex !== message.receiverIndex) {
      return "unknown-index";
    }
    // The first response to an initiation is computed on even under load: a flood of others can't hinder our own
    // handshakes, and who sends wrong ones must have seen the initiation.
    if (state.wrongResponses > 0) {
      const refused = this.#refuseUnderLoad(peer.handle, message.senderIndex, bytes, from, now);
      if (refused !== undefined) return refused;
    }
    const keys = openResponse(this.#crypto, this.#identity, peer.presharedKey, state.noise, message);
    if (keys === undefined) {
      state.wrongResponses += 1;
      if (state.wrongResponses === 1) {
        this.#events.push({ kind: "handshake-failed", peer: peer.handle, reason: "wrong-preshared-key" });
      }
      return "wrong-response";
    }
    wipeNoise(state.noise);
    peer.initiating = { kind: "idle" };
    this.#installInitiated(peer, message.senderIndex, state.localIndex, state.sentAt, keys, from, now);
    return undefined;
  }

  #installInitiated(
    peer: Peer,
    remoteIndex: number,
    localIndex: number,
    initiatedAt: Instant,
    keys: TransportKeys,
    from: PathAddress,
    now: Instant,
  ): void {
    const { next } = peer.sessions;
    // Both initiated at once, so both sessions would be renewed at once for ever: one side waits for the other.
    const isSimultaneous = next !== undefined && next.createdAt >= initiatedAt;
    const rekeyDelayMs = isSimultaneous && encodeHex(this.publicKey) > encodeHex(peer.publicKey) ? REKEY_TIMEOUT_MS : 0;
    const session: Session = { localIndex, remoteIndex, role: "initiator", createdAt: now, rekeyDelayMs };
    this.#endSessions(peer, peer.sessions.installInitiated(session, initiatedAt));
    peer.lastHandshakeAt = now;
    this.#announceSession(peer, session, keys, from);
    this.#events.push({ kind: "keepalive", peer: peer.handle });
    peer.updateDeadline();
  }

  #handleCookieReply(message: CookieReply, now: Instant): WireGuardDropReason | undefined {
    const peer = this.#indices.ownerOf(message.receiverIndex);
    if (peer === undefined) return "unknown-index";
    return peer.cookies.acceptReply(message, now) ? undefined : "wrong-cookie";
  }

  // As responder

  #handleInitiation(
    message: Initiation,
    bytes: Uint8Array,
    from: PathAddress,
    now: Instant,
  ): WireGuardDropReason | undefined {
    const answered = this.#answers.get(encodeHex(mac1Of(bytes)));
    if (answered !== undefined && this.#answerAgain(answered, bytes, from, now)) return undefined;
    const refused = this.#refuseUnderLoad(NO_PEER, message.senderIndex, bytes, from, now);
    if (refused !== undefined) return refused;
    const named = openInitiationName(this.#crypto, this.#identity, message);
    if (named === undefined) return "undecryptable";
    const peer = this.#peersByKey.get(encodeHex(named.staticPublic));
    if (peer?.noise === undefined) {
      wipeNoise(named);
      return "unknown-peer";
    }
    const opened = openInitiation(this.#crypto, peer.noise, named, message);
    wipeNoise(named);
    if (opened === undefined) return "undecryptable";
    const refusal = refuseInitiation(peer, opened.timestamp, now);
    const dropped = refusal ?? this.#respond(peer, message.senderIndex, opened.state, bytes, from, now);
    wipeNoise(opened.state);
    if (dropped === undefined) {
      peer.greatestTimestampReceived = opened.timestamp;
      peer.lastInitiationReceivedAt = now;
    }
    return dropped;
  }

  #respond(
    peer: Peer,
    remoteIndex: number,
    noise: ResponderState,
    initiation: Uint8Array,
    from: PathAddress,
    now: Instant,
  ): WireGuardDropReason | undefined {
    if (peer.noise === undefined) return "unknown-peer";
    const ephemeralPrivate = this.#newPrivateKey();
    const sealed = sealResponse(this.#crypto, peer.noise, peer.presharedKey, noise, ephemeralPrivate);
    wipe(ephemeralPrivate);
    if (sealed === undefined) return "undecryptable";
    const localIndex = this.#indices.allocate(peer);
    const bytes = encodeResponse({ senderIndex: localIndex, receiverIndex: remoteIndex, ...sealed.fields });
    peer.cookies.addMacs(bytes, now);
    peer.lastMessageSentAt = now;
    this.#rememberAnswer(peer, initiation, bytes, from, now);
    this.#transmits.push({ peer: peer.handle, bytes, to: from });
    const session: Session = { localIndex, remoteIndex, role: "responder", createdAt: now, rekeyDelayMs: 0 };
    this.#endSessions(peer, peer.sessions.installResponded(session));
    this.#announceSession(peer, session, sealed.keys, from);
    peer.updateDeadline();
    return undefined;
  }

  #rememberAnswer(peer: Peer, initiation: Uint8Array, response: Uint8Array, from: PathAddress, now: Instant): void {
    this.#forgetAnswer(peer);
    peer.answer = { initiation: initiation.slice(), response, at: now, paths: new Set([pathAddressKey(from)]) };
    this.#answers.set(encodeHex(mac1Of(initiation)), peer);
  }

  #forgetAnswer(peer: Peer): void {
    if (peer.answer !== undefined) this.#answers.delete(encodeHex(mac1Of(peer.answer.initiation)));
    peer.answer = undefined;
  }

  /** True if these bytes were answered lately on another path, and are answered on this one too. */
  #answerAgain(peer: Peer, initiation: Uint8Array, from: PathAddress, now: Instant): boolean {
    const { answer } = peer;
    if (answer === undefined || now - answer.at >= DUPLICATE_ANSWER_MS) return false;
    const path = pathAddressKey(from);
    if (answer.paths.has(path) || answer.paths.size >= DUPLICATE_ANSWERS_MAX) return false;
    if (!bytesEqual(answer.initiation, initiation)) return false;
    answer.paths.add(path);
    this.#transmits.push({ peer: peer.handle, bytes: answer.response, to: from });
    return true;
  }

  /** Counts the message. Under load: why it is not computed on, if its sender has not proved its address or asks too much. */
  #refuseUnderLoad(
    peer: PeerHandle,
    senderIndex: number,
    bytes: Uint8Array,
    from: PathAddress,
    now: Instant,
  ): "under-load" | "rate-limited" | undefined {
    if (!this.#load.countArrival(now)) return undefined;
    if (!this.#cookieMaker.isMac2Valid(bytes, from, now)) {
      if (this.#load.admitCookieReply(now)) {
        this.#transmits.push({ peer, bytes: this.#cookieMaker.makeReply(bytes, senderIndex, from, now), to: from });
      }
      return "under-load";
    }
    return this.#load.admit(from, now) ? undefined : "rate-limited";
  }

  // Both

  #actOnTraffic(peer: Peer, time: ClockReading): void {
    const { facts, memory, sessions } = peer;
    const { now } = time;
    if (sessions.current !== undefined && isRekeyDue(sessions.current, facts)) this.#startInitiating(peer, time);
    const staleAt = peer.staleAt();
    if (staleAt !== undefined && now >= staleAt) {
      memory.staleHandledAt = now;
      memory.staleJitterMs = this.#jitterMs();
      this.#startInitiating(peer, time);
    }
    const passiveAt = passiveKeepaliveAt(facts, memory);
    if (passiveAt !== undefined && now >= passiveAt) {
      memory.acknowledgedAt = facts.firstUnacknowledgedReceivedAt;
      this.#askForKeepalive(peer, time);
    }
    const persistentAt = peer.persistentKeepaliveAt();
    if (persistentAt !== undefined && now >= persistentAt) {
      memory.persistentServedAt = now;
      this.#askForKeepalive(peer, time);
    }
  }

  /** An empty packet, or the session that it takes. */
  #askForKeepalive(peer: Peer, time: ClockReading): void {
    if (peer.sessions.current === undefined) this.#startInitiating(peer, time);
    else this.#events.push({ kind: "keepalive", peer: peer.handle });
  }

  #announceSession(peer: Peer, session: Session, keys: TransportKeys, from: PathAddress): void {
    const { localIndex, remoteIndex, role } = session;
    peer.lastHandshakeFrom = from;
    this.#events.push(
      {
        kind: "session",
        peer: peer.handle,
        localIndex,
        remoteIndex,
        ...keys,
        role,
        expiresAt: expiryOf(session),
        from,
      },
      { kind: "authenticated", peer: peer.handle, from },
    );
  }

  #endSessions(peer: Peer, ended: readonly Session[]): void {
    for (const { localIndex } of ended) {
      this.#indices.release(localIndex);
      this.#events.push({ kind: "session-ended", peer: peer.handle, localIndex });
    }
  }

  #noisePeerOf(publicKey: Uint8Array): { publicKey: Uint8Array; staticStatic: Uint8Array } | undefined {
    if (bytesEqual(publicKey, this.publicKey)) return undefined;
    const staticStatic = staticStaticOf(this.#crypto, this.#identity, publicKey);
    return staticStatic === undefined ? undefined : { publicKey: publicKey.slice(), staticStatic };
  }

  #newPrivateKey(): Uint8Array {
    const privateKey = this.#random(KEY_SIZE_BYTES).slice();
    clampX25519(privateKey);
    return privateKey;
  }

  #jitterMs(): number {
    return Math.floor(randomUnit(this.#random) * REKEY_TIMEOUT_JITTER_MAX_MS);
  }

  #peerOf(handle: PeerHandle): Peer {
    const peer = this.#peers.get(handle);
    if (peer === undefined) throw new RangeError(`no peer has the handle ${handle}`);
    return peer;
  }
}

/** Replay (paper §5.1) and flood guards. */
function refuseInitiation(peer: Peer, timestamp: Uint8Array, now: Instant): "replayed" | "too-frequent" | undefined {
  const { greatestTimestampReceived: greatest, lastInitiationReceivedAt: last } = peer;
  if (greatest !== undefined && !isLater(timestamp, greatest)) return "replayed";
  return last !== undefined && now - last < INITIATION_INTERVAL_MIN_MS ? "too-frequent" : undefined;
}

function wipeKeysOf(event: WireGuardEvent): void {
  if (event.kind === "session") wipe(event.sendKey, event.receiveKey);
}

function requireSize(bytes: Uint8Array, sizeBytes: number, name: string): void {
  if (bytes.length !== sizeBytes) throw new RangeError(`a ${name} is ${sizeBytes} bytes, not ${bytes.length}`);
}
