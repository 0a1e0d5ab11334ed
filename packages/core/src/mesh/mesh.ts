/**
 * One node of one overlay network, whole, without I/O: who the peers are, the tunnels to them and the paths that the
 * tunnels take.
 *
 * It composes `Roster` (whom to believe), `WireGuard` (handshakes, keys, timers) and a `PeerPaths` per agent. Inputs
 * come from three sides: the server (map, calls), the engine (datagrams that are not data, sessions needed or
 * confirmed, roaming, traffic counters) and the host (candidates, sleep). After every input the shell drains
 * `pollEffect` and sets one alarm for `pollTimeout`.
 *
 * Story of a connection: a packet finds no session (`handleSessionNeeded`); the path machine calls the peer and checks
 * addresses, WireGuard makes an initiation, which waits for the first path; the path answers, the initiation leaves on
 * it; the response brings the session, the engine sends what was waiting.
 */
import type { IpRange } from "../addresses/index.ts";
import { parseIpRange } from "../addresses/index.ts";
import type { PeerInfo } from "../control/index.ts";
import type { Crypto } from "../identity/index.ts";
import { publicKeyBytes } from "../identity/index.ts";
import type { PathAddress } from "../net/index.ts";
import {
  type CallBody,
  checkIdOf,
  type LocalCandidate,
  type PeerPathsEvent,
  type RemoteCandidate,
} from "../paths/index.ts";
import type { RandomBytes } from "../random.ts";
import { parseStun } from "../stun/index.ts";
import { type ClockReading, earliest, type Instant, type WallTime } from "../time.ts";
import { type HandshakeFailure, type TrafficFacts, WireGuard, type WireGuardEvent } from "../wireguard/index.ts";
import type { Aead, MeshEffect } from "./effects.ts";
import { MeshPeer } from "./mesh-peer.ts";
import { pairPresharedKey } from "./preshared-key.ts";
import { type Pin, Roster, type RosterChange, type VerifiedPeer } from "./roster.ts";

export interface MeshOptions {
  readonly networkId: string;
  readonly crypto: Crypto;
  readonly random: RandomBytes;
  /** X25519, 32 bytes. */
  readonly nodePrivateKey: Uint8Array;
  /** The network's passphrase after argon2id, 32 bytes; null for a network without one. */
  readonly stretchedSecret: Uint8Array | null;
  readonly pins: ReadonlyMap<string, Pin>;
  /** Ranges of all overlay networks this host is in. */
  readonly overlayRanges: readonly string[];
  /** Ciphers this node announces in its signed record, beyond ChaCha20-Poly1305. */
  readonly aeads: readonly Aead[];
}

const PASSPHRASE_PROBLEM =
  "this device and that one were given different passphrases: join again with the right --secret on the one that is wrong";

export class Mesh {
  readonly #options: MeshOptions;
  readonly #roster: Roster;
  readonly #wireguard: WireGuard;
  readonly #nodePublicKey: Uint8Array;
  readonly #overlayRanges: readonly IpRange[];
  readonly #peers = new Map<string, MeshPeer>(); // bounded: members of the map
  readonly #byHandle = new Map<number, MeshPeer>(); // bounded: likewise
  readonly #byCheckId = new Map<string, MeshPeer>(); // bounded: likewise
  readonly #deadlines = new Map<MeshPeer, Instant>(); // bounded: likewise
  readonly #effects: MeshEffect[] = []; // bounded: drained after every input
  readonly #drops: Record<string, number> = {}; // bounded: the reasons of the machines
  #localCandidates: readonly LocalCandidate[] = [];
  #serverTimeOffsetMs = 0;

  constructor(options: MeshOptions) {
    this.#options = options;
    this.#roster = new Roster(options.networkId, options.crypto, options.pins);
    this.#nodePublicKey = options.crypto.x25519PublicKey(options.nodePrivateKey);
    this.#wireguard = new WireGuard({
      privateKey: options.nodePrivateKey,
      crypto: options.crypto,
      random: options.random,
    });
    this.#overlayRanges = options.overlayRanges.flatMap((text) => parseIpRange(text) ?? []);
  }

  get roster(): Roster {
    return this.#roster;
  }

  get peers(): ReadonlyMap<string, MeshPeer> {
    return this.#peers;
  }

  /** Datagrams and calls that were not acted upon, by reason. */
  get drops(): Readonly<Record<string, number>> {
    return this.#drops;
  }

  // The server

  /** A whole map. */
  handleMap(members: readonly PeerInfo[], time: ClockReading): void {
    this.#applyRoster(this.#roster.replace(members), time);
  }

  handleMapChange(upserts: readonly PeerInfo[], removals: readonly string[], time: ClockReading): void {
    this.#applyRoster(this.#roster.apply(upserts, removals), time);
  }

  /** A call that the server forwarded; `sealed` is base64. */
  handleCall(nodeId: string, sealed: string, time: ClockReading): void {
    const peer = this.#peers.get(nodeId);
    if (peer === undefined) {
      this.#countDrop("call-of-unknown-peer");
      return;
    }
    const outcome = peer.openCall(sealed, time.now, this.#callTime(time));
    if (outcome.kind === "dropped") this.#countDrop(outcome.reason);
    if (outcome.kind === "passphrase-differs") {
      this.#report(peer, PASSPHRASE_PROBLEM);
      if (outcome.reply !== null) this.#sendCall(peer, outcome.reply, time);
    }
    this.#drain(peer, time);
  }

  /**
   * How far the server's clock is ahead of ours. Calls carry the server's time, so that two hosts with wrong clocks can
   * call each other; handshakes carry ours, which must never go back.
   */
  handleServerTime(offsetMs: number): void {
    this.#serverTimeOffsetMs = offsetMs;
  }

  /** The control stream is up again: calls that could not be sent go out. */
  handleSignallingReady(time: ClockReading): void {
    for (const peer of this.#peers.values()) {
      peer.paths?.handleSignallingReady(time.now);
      this.#drain(peer, time);
    }
  }

  // The engine

  handleDatagram(protocol: "wireguard" | "stun", from: PathAddress, bytes: Uint8Array, time: ClockReading): void {
    const dropped =
      protocol === "stun" ? this.#handleStun(bytes, from, time) : this.#wireguard.handleDatagram(bytes, from, time);
    if (dropped !== undefined) this.#countDrop(dropped);
    this.#drainWireGuard(time);
  }

  #handleStun(bytes: Uint8Array, from: PathAddress, time: ClockReading): string | undefined {
    const parsed = parseStun(bytes);
    if (!parsed.ok) return parsed.reason;
    const checkId = checkIdOf(parsed.message);
    const peer = checkId === undefined ? undefined : this.#byCheckId.get(checkId);
    if (peer?.paths === undefined) return "check-of-unknown-peer";
    const dropped = peer.paths.handleCheck(parsed.message, from, time.now);
    this.#drain(peer, time);
    return dropped;
  }

  /** A packet waits for the peer. */
  handleSessionNeeded(nodeId: string, time: ClockReading): void {
    const peer = this.#peers.get(nodeId);
    if (peer === undefined) return;
    peer.paths?.wantPath(time.now);
    this.#wireguard.requestSession(peer.handle, time);
    this.#drain(peer, time);
    this.#drainWireGuard(time);
  }

  handleSessionConfirmed(nodeId: string, localIndex: number, time: ClockReading): void {
    const peer = this.#peers.get(nodeId);
    if (peer === undefined) return;
    this.#wireguard.handleSessionConfirmed(peer.handle, localIndex, time);
    this.#drainWireGuard(time);
  }

  /** An authenticated data packet came from an address that is not in the peer's path table. */
  handleRoamed(nodeId: string, from: PathAddress, time: ClockReading): void {
    const peer = this.#peers.get(nodeId);
    if (peer === undefined) return;
    this.#learnAddress(peer, from, time);
  }

  /** The engine's counters of a peer that moved data lately; about once a second. */
  handleTraffic(nodeId: string, facts: TrafficFacts, time: ClockReading): void {
    const peer = this.#peers.get(nodeId);
    if (peer === undefined) return;
    this.#wireguard.handleTraffic(peer.handle, facts, time);
    peer.paths?.handleTraffic({ lastSentAt: facts.lastDataSentAt, lastReceivedAt: facts.lastDataReceivedAt }, time.now);
    this.#drain(peer, time);
    this.#drainWireGuard(time);
  }

  // The host

  /** This host's candidates; replaces the former ones. */
  handleLocalCandidates(candidates: readonly LocalCandidate[], time: ClockReading): void {
    this.#localCandidates = candidates;
    for (const peer of this.#peers.values()) {
      peer.paths?.handleLocalCandidates(candidates, time.now);
      this.#drain(peer, time);
    }
  }

  /** Addresses at which a peer was reached in an earlier run. */
  handleRememberedCandidates(nodeId: string, candidates: readonly RemoteCandidate[], time: ClockReading): void {
    const peer = this.#peers.get(nodeId);
    if (peer === undefined) return;
    peer.paths?.handleRememberedCandidates(candidates, time.now);
    this.#drain(peer, time);
  }

  /** The host slept. */
  handleResume(time: ClockReading): void {
    for (const peer of this.#peers.values()) {
      peer.paths?.handleResume(time.now);
      this.#drain(peer, time);
    }
  }

  handleTimeout(time: ClockReading): void {
    this.#wireguard.handleTimeout(time);
    for (const [peer, at] of [...this.#deadlines]) {
      if (at > time.now) continue;
      peer.paths?.handleTimeout(time.now);
      this.#drain(peer, time);
    }
    this.#drainWireGuard(time);
  }

  /** When `handleTimeout` is due; undefined while nothing is going on. */
  pollTimeout(): Instant | undefined {
    let due = this.#wireguard.pollTimeout()?.at;
    for (const at of this.#deadlines.values()) due = earliest(due, at);
    return due;
  }

  pollEffect(): MeshEffect | undefined {
    return this.#effects.shift();
  }

  /** WireGuard's view of a peer: last handshake and so on. */
  peerState(peer: MeshPeer, now: Instant): ReturnType<WireGuard["peerState"]> {
    return this.#wireguard.peerState(peer.handle, now);
  }

  #applyRoster(change: RosterChange, time: ClockReading): void {
    for (const nodeId of change.removed) this.#removePeer(nodeId);
    for (const verified of change.upserted) this.#upsertPeer(verified, time);
    this.#drainWireGuard(time);
  }

  #upsertPeer(verified: VerifiedPeer, time: ClockReading): void {
    const known = this.#peers.get(verified.nodeId);
    const allowedIps = [`${verified.ipv4}/32`, `${verified.ipv6}/128`];
    if (known !== undefined && known.peer.nodeKey === verified.nodeKey) {
      known.update(verified);
      this.#effects.push({ kind: "set-allowed-ips", nodeId: verified.nodeId, allowedIps });
      return;
    }
    if (known !== undefined) this.#removePeer(verified.nodeId);
    const peer = this.#createPeer(verified);
    this.#peers.set(verified.nodeId, peer);
    this.#byHandle.set(peer.handle, peer);
    if (peer.checkId !== undefined) this.#byCheckId.set(peer.checkId, peer);
    this.#effects.push({ kind: "add-peer", nodeId: verified.nodeId, allowedIps });
    peer.paths?.handleLocalCandidates(this.#localCandidates, time.now);
    this.#drain(peer, time);
  }

  #createPeer(peer: VerifiedPeer): MeshPeer {
    const { crypto, random, nodePrivateKey, stretchedSecret } = this.#options;
    const publicKey = publicKeyBytes(peer.nodeKey);
    const presharedKey =
      stretchedSecret === null ? null : pairPresharedKey(crypto, stretchedSecret, this.#nodePublicKey, publicKey);
    const handle = this.#wireguard.addPeer({ publicKey, ...(presharedKey === null ? {} : { presharedKey }) });
    return new MeshPeer({
      peer,
      handle,
      crypto,
      random,
      nodePrivateKey,
      nodePublicKey: this.#nodePublicKey,
      presharedKey,
      overlayRanges: this.#overlayRanges,
      aead: this.#agreeOnAead(peer),
    });
  }

  /** A node key never changes its announced ciphers, so both ends of a session come to the same result. */
  #agreeOnAead(peer: VerifiedPeer): Aead {
    const both = this.#options.aeads.includes("aes-256-gcm") && peer.aeads.includes("aes-256-gcm");
    return both ? "aes-256-gcm" : "chacha20-poly1305";
  }

  #removePeer(nodeId: string): void {
    const peer = this.#peers.get(nodeId);
    if (peer === undefined) return;
    this.#wireguard.removePeer(peer.handle);
    this.#peers.delete(nodeId);
    this.#byHandle.delete(peer.handle);
    this.#deadlines.delete(peer);
    if (peer.checkId !== undefined) this.#byCheckId.delete(peer.checkId);
    this.#effects.push({ kind: "remove-peer", nodeId });
  }

  #learnAddress(peer: MeshPeer, from: PathAddress, time: ClockReading): void {
    if (peer.handleAuthenticated(from, time.now)) {
      this.#effects.push(peer.tableEffect());
    }
    this.#drain(peer, time);
    this.#sendHeld(peer, time.now);
  }

  /** Carries out what the path machine of a peer wants, and notes its deadline. */
  #drain(peer: MeshPeer, time: ClockReading): void {
    const { paths } = peer;
    if (paths === undefined) return;
    for (let event = paths.pollEvent(); event !== undefined; event = paths.pollEvent()) {
      this.#handlePathEvent(peer, event, time);
    }
    for (let transmit = paths.pollTransmit(); transmit !== undefined; transmit = paths.pollTransmit()) {
      this.#effects.push({ kind: "send-datagram", ...transmit });
    }
    const deadline = paths.pollTimeout();
    if (deadline === undefined) this.#deadlines.delete(peer);
    else this.#deadlines.set(peer, deadline.at);
  }

  #handlePathEvent(peer: MeshPeer, event: PeerPathsEvent, time: ClockReading): void {
    const { nodeId } = peer.peer;
    switch (event.kind) {
      case "call":
        this.#sendCall(peer, event.body, time);
        return;
      case "paths":
        this.#effects.push(peer.handlePaths(event));
        this.#sendHeld(peer, time.now);
        return;
      case "path-changed":
        this.#effects.push({ kind: "notice", level: "info", nodeId, text: event.why });
        return;
    }
  }

  #sendCall(peer: MeshPeer, body: CallBody, time: ClockReading): void {
    const sealed = peer.sealCall(body, this.#callTime(time));
    if (sealed !== undefined) this.#effects.push({ kind: "send-call", nodeId: peer.peer.nodeId, sealed });
  }

  #sendHeld(peer: MeshPeer, now: Instant): void {
    const bytes = peer.takeHeld(now);
    if (bytes !== undefined) this.#sendHandshake(peer, bytes, now);
  }

  #sendHandshake(peer: MeshPeer, bytes: Uint8Array, now: Instant): void {
    for (const to of peer.routeHandshake(bytes, now)) this.#effects.push({ kind: "send-datagram", to, bytes });
  }

  #drainWireGuard(time: ClockReading): void {
    const wireguard = this.#wireguard;
    for (let event = wireguard.pollEvent(); event !== undefined; event = wireguard.pollEvent()) {
      const peer = this.#byHandle.get(event.peer);
      if (peer !== undefined) this.#handleWireGuardEvent(peer, event, time);
    }
    for (let transmit = wireguard.pollTransmit(); transmit !== undefined; transmit = wireguard.pollTransmit()) {
      const { to, bytes } = transmit;
      if (to !== "paths") {
        this.#effects.push({ kind: "send-datagram", to, bytes });
        continue;
      }
      const peer = this.#byHandle.get(transmit.peer);
      if (peer === undefined) continue;
      peer.paths?.wantPath(time.now);
      this.#sendHandshake(peer, bytes, time.now);
      this.#drain(peer, time);
    }
  }

  #handleWireGuardEvent(peer: MeshPeer, event: WireGuardEvent, time: ClockReading): void {
    const { nodeId } = peer.peer;
    switch (event.kind) {
      case "authenticated":
        this.#learnAddress(peer, event.from, time);
        return;
      case "session": {
        const { localIndex, remoteIndex, sendKey, receiveKey, role, expiresAt } = event;
        const session = { localIndex, remoteIndex, sendKey, receiveKey, role, expiresAt, aead: peer.aead };
        peer.problem = null;
        this.#effects.push({ kind: "install-session", nodeId, session });
        return;
      }
      case "session-ended":
        this.#effects.push({ kind: "remove-session", nodeId, localIndex: event.localIndex });
        return;
      case "keepalive":
        this.#effects.push({ kind: "send-keepalive", nodeId });
        return;
      case "handshake-failed":
        this.#handleHandshakeFailed(peer, event.reason);
        return;
    }
  }

  #handleHandshakeFailed(peer: MeshPeer, reason: HandshakeFailure): void {
    const { nodeId } = peer.peer;
    if (reason === "wrong-preshared-key") {
      this.#report(peer, PASSPHRASE_PROBLEM);
      return;
    }
    if (reason === "invalid-public-key") this.#report(peer, "its node key can't be used for a tunnel");
    this.#effects.push({ kind: "drop-staged", nodeId });
    this.#effects.push({ kind: "notice", level: "debug", nodeId, text: "the peer does not answer handshakes" });
  }

  #report(peer: MeshPeer, problem: string): void {
    if (peer.problem === problem) return;
    peer.problem = problem;
    this.#effects.push({ kind: "notice", level: "warn", nodeId: peer.peer.nodeId, text: problem });
  }

  #callTime({ wall }: ClockReading): WallTime {
    return (wall + this.#serverTimeOffsetMs) as WallTime;
  }

  #countDrop(reason: string): void {
    this.#drops[reason] = (this.#drops[reason] ?? 0) + 1;
  }
}
