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
import type { PathAddress } from "../net/index.ts";
import type { RandomBytes } from "../random.ts";
import type { ClockReading, Instant } from "../time.ts";
import { PERSISTENT_KEEPALIVE_MIN_MS, REKEY_TIMEOUT_MS } from "./constants.ts";
import { DeviceContext } from "./device-context.ts";
import type { WireGuardDropReason } from "./drop-reason.ts";
import type { PeerHandle, SessionRole, WireGuardEvent, WireGuardTransmit } from "./events.ts";
import { HandshakeGate } from "./handshake-gate.ts";
import { Initiator } from "./initiator.ts";
import { type CookieReply, parseHandshakeMessage } from "./messages.ts";
import { type NoisePeer, staticStaticOf } from "./noise.ts";
import { Peer, PRESHARED_KEY_SIZE_BYTES, type TimeoutReason } from "./peer.ts";
import { Responder } from "./responder.ts";
import { isRekeyDue, passiveKeepaliveAt, type TrafficFacts } from "./timers.ts";

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
  readonly #context: DeviceContext;
  readonly #gate: HandshakeGate;
  readonly #initiator: Initiator;
  readonly #responder: Responder;
  readonly #peers = new Map<PeerHandle, Peer>(); // bounded: the caller's peers
  readonly #peersByKey = new Map<string, Peer>(); // bounded: likewise
  #nextHandle = 1;

  /** Throws RangeError unless the key is 32 bytes. */
  constructor(options: WireGuardOptions) {
    const privateKey = options.privateKey.slice();
    clampX25519(privateKey);
    this.publicKey = options.crypto.x25519PublicKey(privateKey);
    this.#context = new DeviceContext({ privateKey, publicKey: this.publicKey }, options.crypto, options.random);
    this.#gate = new HandshakeGate(this.publicKey, options.random);
    this.#initiator = new Initiator(this.#context, this.#gate);
    this.#responder = new Responder(this.#context, this.#gate, this.#peersByKey, (peer, time) =>
      this.requestSession(peer.handle, time),
    );
  }

  // Peers

  /** Throws RangeError on keys of another length, a key that a peer has already, and a keepalive under a second. */
  addPeer(options: PeerOptions): PeerHandle {
    const { publicKey, presharedKey, persistentKeepaliveMs } = options;
    requireSize(publicKey, KEY_SIZE_BYTES, "public key");
    if (presharedKey !== undefined) requireSize(presharedKey, PRESHARED_KEY_SIZE_BYTES, "preshared key");
    if (persistentKeepaliveMs !== undefined && !(persistentKeepaliveMs >= PERSISTENT_KEEPALIVE_MIN_MS)) {
      throw new RangeError(`a persistent keepalive takes at least ${PERSISTENT_KEEPALIVE_MIN_MS} ms`);
    }
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
    this.#initiator.stop(peer);
    for (const session of peer.sessions.all()) this.#context.indices.release(session.localIndex);
    this.#responder.forgetAnswer(peer);
    peer.wipe();
    this.#peers.delete(handle);
    this.#peersByKey.delete(encodeHex(peer.publicKey));
    this.#context.transmits = this.#context.transmits.filter((transmit) => transmit.peer !== handle);
    for (const event of this.#context.events) if (event.peer === handle) wipeKeysOf(event);
    this.#context.events = this.#context.events.filter((event) => event.peer !== handle);
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
    wipe(this.#context.identity.privateKey);
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
    if (!isYoung) this.#initiator.start(peer, time);
    peer.updateDeadline();
  }

  /** A handshake message from the network. Returns why it had no effect, if it had none. */
  handleDatagram(bytes: Uint8Array, from: PathAddress, time: ClockReading): WireGuardDropReason | undefined {
    const message = parseHandshakeMessage(bytes);
    if (typeof message === "string") return message;
    if (message.kind === "cookie-reply") return this.#handleCookieReply(message, time.now);
    if (!this.#gate.isMac1Valid(bytes)) return "wrong-mac1";
    return message.kind === "initiation"
      ? this.#responder.handleInitiation(message, bytes, from, time)
      : this.#initiator.handleResponse(message, bytes, from, time.now);
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
    this.#context.endSessions(peer, ended);
    this.#initiator.stop(peer);
    peer.lastHandshakeAt = time.now;
    peer.updateDeadline();
  }

  handleTimeout(time: ClockReading): void {
    for (const peer of this.#peers.values()) {
      if (peer.deadline === undefined || peer.deadline.at > time.now) continue;
      this.#context.endSessions(peer, peer.sessions.expire(time.now));
      this.#initiator.continue(peer, time);
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
    return this.#context.transmits.shift();
  }

  pollEvent(): WireGuardEvent | undefined {
    return this.#context.events.shift();
  }

  #handleCookieReply(message: CookieReply, now: Instant): WireGuardDropReason | undefined {
    const peer = this.#context.indices.ownerOf(message.receiverIndex);
    if (peer === undefined) return "unknown-index";
    return peer.cookies.acceptReply(message, now) ? undefined : "wrong-cookie";
  }

  #actOnTraffic(peer: Peer, time: ClockReading): void {
    const { facts, memory, sessions } = peer;
    const { now } = time;
    if (sessions.current !== undefined && isRekeyDue(sessions.current, facts)) this.#initiator.start(peer, time);
    const staleAt = peer.staleAt();
    if (staleAt !== undefined && now >= staleAt) {
      memory.staleHandledAt = now;
      memory.staleJitterMs = this.#context.jitterMs();
      this.#initiator.start(peer, time);
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
    if (peer.sessions.current === undefined) this.#initiator.start(peer, time);
    else this.#context.events.push({ kind: "keepalive", peer: peer.handle });
  }

  #noisePeerOf(publicKey: Uint8Array): NoisePeer | undefined {
    if (bytesEqual(publicKey, this.publicKey)) return undefined;
    const { crypto, identity } = this.#context;
    const staticStatic = staticStaticOf(crypto, identity, publicKey);
    return staticStatic === undefined ? undefined : { publicKey: publicKey.slice(), staticStatic };
  }

  #peerOf(handle: PeerHandle): Peer {
    const peer = this.#peers.get(handle);
    if (peer === undefined) throw new RangeError(`no peer has the handle ${handle}`);
    return peer;
  }
}

function wipeKeysOf(event: WireGuardEvent): void {
  if (event.kind === "session") wipe(event.sendKey, event.receiveKey);
}

function requireSize(bytes: Uint8Array, sizeBytes: number, name: string): void {
  if (bytes.length !== sizeBytes) throw new RangeError(`a ${name} is ${sizeBytes} bytes, not ${bytes.length}`);
}
