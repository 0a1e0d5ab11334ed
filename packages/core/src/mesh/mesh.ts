/**
 * One node of one overlay network, whole, without I/O: who the peers are, the tunnels to them and the paths that the
 * tunnels take.
 *
 * It composes `Roster` (whom to believe), `WireGuard` (handshakes, keys, timers), a `Gatherer` (where this host can be
 * reached, relays) and a `PeerPaths` per agent. Inputs come from three sides: the server (map, calls, relays), the engine (datagrams that are not data, sessions needed or
 * confirmed, roaming, traffic counters) and the host (candidates, sleep). After every input the shell drains
 * `pollEffect` and sets one alarm for `pollTimeout`.
 *
 * Story of a connection: a packet finds no session (`handleSessionNeeded`); the path machine calls the peer and checks
 * addresses, WireGuard makes an initiation, which waits for the first path; the path answers, the initiation leaves on
 * it; the response brings the session, the engine sends what was waiting.
 */
import { parseIpRange } from "../addresses/index.ts";
import type { PeerInfo, RelaysMessage } from "../control/index.ts";
import { Gatherer, type GatheringSnapshot, readRelays } from "../gathering/index.ts";
import type { Crypto } from "../identity/index.ts";
import type { PortPrediction } from "../nat/index.ts";
import type { LinkId, PathAddress } from "../net/index.ts";
import {
  checkIdOf,
  type LocalCandidate,
  type PeerPathsEvent,
  PunchTurn,
  type RemoteCandidate,
} from "../paths/index.ts";
import type { LinkPortMapping } from "../port-mapping/index.ts";
import type { RandomBytes } from "../random.ts";
import { parseStun } from "../stun/index.ts";
import { type ClockReading, earliest, type Instant } from "../time.ts";
import { type TrafficFacts, WireGuard } from "../wireguard/index.ts";
import type { CallWays } from "./call-log.ts";
import type { Aead, MeshEffect } from "./effects.ts";
import { MeshCalls } from "./mesh-calls.ts";
import { MeshGathering } from "./mesh-gathering.ts";
import { type ChosenModes, MeshModes } from "./mesh-modes.ts";
import type { MeshPeer } from "./mesh-peer.ts";
import { MeshPeers } from "./mesh-peers.ts";
import { MeshTunnels } from "./mesh-tunnels.ts";
import { OwnPlace } from "./own-place.ts";
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
  /** MTU of this network's interface. */
  readonly overlayMtuBytes: number;
  /** Ciphers this node announces in its signed record, beyond ChaCha20-Poly1305. */
  readonly aeads: readonly Aead[];
  /** Shared by all networks of an agent, so that holes are punched for one peer at a time. */
  readonly punchTurn?: PunchTurn;
  /** Whether the network lets holes be punched; always by default. */
  readonly mayPunch?: () => boolean;
}

export class Mesh {
  readonly #roster: Roster;
  readonly #wireguard: WireGuard;
  readonly #peers: MeshPeers;
  readonly #tunnels: MeshTunnels;
  readonly #gatherer: Gatherer;
  readonly #gathering: MeshGathering;
  readonly #calls: MeshCalls;
  readonly #deadlines = new Map<MeshPeer, Instant>(); // bounded: members of the map
  readonly #effects: MeshEffect[] = []; // bounded: drained after every input
  readonly #drops: Record<string, number> = {}; // bounded: the reasons of the machines
  readonly #place = new OwnPlace();
  readonly #modes: MeshModes;

  constructor(options: MeshOptions) {
    this.#roster = new Roster(options.networkId, options.crypto, options.pins);
    this.#wireguard = new WireGuard({
      privateKey: options.nodePrivateKey,
      crypto: options.crypto,
      random: options.random,
    });
    const overlayRanges = options.overlayRanges.flatMap((text) => parseIpRange(text) ?? []);
    const emit = (effect: MeshEffect): void => void this.#effects.push(effect);
    const { punchTurn = new PunchTurn(), mayPunch = () => true } = options;
    const ownPorts = (): PortPrediction[] => this.#gatherer.nats.map(({ ports }) => ports);
    this.#peers = new MeshPeers({
      ...options,
      overlayRanges,
      wireguard: this.#wireguard,
      emit,
      punchTurn,
      mayPunch,
      ownPorts,
    });
    this.#modes = new MeshModes(this.#peers);
    const drainPeer = (peer: MeshPeer, time: ClockReading): void => this.#drain(peer, time);
    const countDrop = (reason: string): void => this.#countDrop(reason);
    const shared = { peers: this.#peers, emit, drainPeer, countDrop };
    const onSession = (nodeId: string, time: ClockReading): void => this.#calls.handleSession(nodeId, time);
    this.#tunnels = new MeshTunnels({ ...shared, wireguard: this.#wireguard, onSession });
    this.#gatherer = new Gatherer({ random: options.random, overlayRanges });
    this.#gathering = new MeshGathering({ ...shared, gatherer: this.#gatherer });
    this.#calls = new MeshCalls({
      ...shared,
      random: options.random,
      wantTunnel: (peer, time) => this.handleSessionNeeded(peer.peer.nodeId, time),
      reportPassphrase: (peer) => this.#tunnels.reportPassphrase(peer),
      hasSession: (peer, now) => this.peerState(peer, now).sessionAgeMs !== undefined,
      nats: () => this.#gatherer.nats,
    });
  }

  get roster(): Roster {
    return this.#roster;
  }

  get peers(): ReadonlyMap<string, MeshPeer> {
    return this.#peers.byNodeId;
  }

  /** What is known of this host's NATs, candidates and relays. */
  gathering(): GatheringSnapshot {
    return this.#gatherer.snapshot();
  }

  /** How the last calls to the member and of the member have travelled. */
  callWays(nodeId: string): CallWays {
    return this.#calls.ways(nodeId);
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

  /** The network's relays and STUN servers; replaces the former ones. */
  handleRelays(message: RelaysMessage, time: ClockReading): void {
    const { relays, stunServers } = readRelays(message);
    this.#peers.setRelayAddresses(relays.flatMap(({ udp }) => udp.map(({ address }) => address)));
    this.#gatherer.handleServers(relays, stunServers, time.now);
    this.#gathering.drain(time);
  }

  /** A call that the server passed on; `sealed` is base64. */
  handleCall(nodeId: string, sealed: string, time: ClockReading): void {
    this.#calls.handleCall(nodeId, sealed, time);
  }

  /** The server could not deliver the last call to this member. */
  handleCallFailed(nodeId: string, time: ClockReading): void {
    this.#calls.handleCallFailed(nodeId, time);
  }

  /**
   * How far the server's clock is ahead of ours. Calls carry the server's time, so that two hosts with wrong clocks can
   * call each other; handshakes carry ours, which must never go back.
   */
  handleServerTime(offsetMs: number, time: ClockReading): void {
    this.#calls.handleServerTime(offsetMs, time);
  }

  /** The control stream is up: calls that could not be sent go out. */
  handleSignallingReady(time: ClockReading): void {
    this.#calls.handleSignallingReady(time);
  }

  /** There is no control stream: calls go through members until there is. */
  handleSignallingLost(time: ClockReading): void {
    this.#calls.handleSignallingLost(time);
  }

  /**
   * The server says that the member has come online. It may have been killed and know nothing of the session that is in
   * use here, and calls that it could not hear are made again.
   */
  handlePeerOnline(nodeId: string, time: ClockReading): void {
    const peer = this.#peers.get(nodeId);
    if (peer === undefined) return;
    if (this.peerState(peer, time.now).sessionAgeMs !== undefined) this.handleSessionNeeded(nodeId, time);
    peer.paths?.handleSignallingReady(time.now);
    this.#drain(peer, time);
  }

  /** In which modes packets travel; replaces what was said before. */
  handleModes(modes: ChosenModes, time: ClockReading): void {
    this.#modes.set(modes, time.now);
    for (const peer of this.#peers.all()) this.#drain(peer, time);
  }

  // The engine

  handleDatagram(protocol: "wireguard" | "stun", from: PathAddress, bytes: Uint8Array, time: ClockReading): void {
    const dropped =
      protocol === "stun" ? this.#handleStun(bytes, from, time) : this.#wireguard.handleDatagram(bytes, from, time);
    if (dropped !== undefined) this.#countDrop(dropped);
    this.#tunnels.drain(time);
  }

  #handleStun(bytes: Uint8Array, from: PathAddress, time: ClockReading): string | undefined {
    const parsed = parseStun(bytes);
    if (!parsed.ok) return parsed.reason;
    const checkId = checkIdOf(parsed.message);
    const peer = checkId === undefined ? undefined : this.#peers.getByCheckId(checkId);
    if (peer?.paths !== undefined) {
      const dropped = peer.paths.handleCheck(parsed.message, from, time.now);
      this.#drain(peer, time);
      if (dropped === undefined) this.#tunnels.handleCheckFrom(peer, from, time.now);
      return dropped;
    }
    const outcome = this.#gatherer.handleMessage(parsed.message, from, time.now);
    this.#gathering.drain(time);
    return outcome === undefined ? "check-of-unknown-peer" : (outcome.dropped ?? undefined);
  }

  /** A packet waits for the peer. */
  handleSessionNeeded(nodeId: string, time: ClockReading): void {
    const peer = this.#peers.get(nodeId);
    if (peer === undefined) return;
    peer.paths?.wantPath(time.now);
    this.#wireguard.requestSession(peer.handle, time);
    this.#drain(peer, time);
    this.#tunnels.drain(time);
  }

  handleSessionConfirmed(nodeId: string, localIndex: number, time: ClockReading): void {
    const peer = this.#peers.get(nodeId);
    if (peer === undefined) return;
    this.#wireguard.handleSessionConfirmed(peer.handle, localIndex, time);
    this.#tunnels.drain(time);
  }

  /** An inner packet of a member for the agent itself. */
  handleInner(nodeId: string, packet: Uint8Array, time: ClockReading): void {
    this.#calls.handleInner(nodeId, packet, time);
  }

  /** An authenticated data packet came from an address that is not in the peer's path table. */
  handleRoamed(nodeId: string, from: PathAddress, time: ClockReading): void {
    const peer = this.#peers.get(nodeId);
    if (peer === undefined) return;
    this.#tunnels.learnAddress(peer, from, time);
  }

  /** The kernel has refused a datagram as too large for the way to this address. */
  handlePathMtu(to: PathAddress, time: ClockReading): void {
    for (const peer of this.#peers.all()) {
      peer.paths?.handlePathMtu(to, time.now);
      this.#drain(peer, time);
    }
  }

  /**
   * The engine's counters of a peer that moved data lately; about once a second. `deadPaths`: those of its paths by which
   * nothing arrives, where the engine has found that out.
   */
  handleTraffic(nodeId: string, facts: TrafficFacts, time: ClockReading, deadPaths: readonly PathAddress[] = []): void {
    const peer = this.#peers.get(nodeId);
    if (peer === undefined) return;
    this.#wireguard.handleTraffic(peer.handle, facts, time);
    const { lastDataSentAt, lastDataReceivedAt, firstUnansweredSentAt } = facts;
    const times = {
      lastSentAt: lastDataSentAt,
      lastReceivedAt: lastDataReceivedAt,
      unansweredSince: firstUnansweredSentAt,
      deadPaths,
    };
    peer.paths?.handleTraffic(times, time.now);
    this.#drain(peer, time);
    this.#tunnels.drain(time);
  }

  // The host

  /** What the host knows of its own addresses; replaces what it knew before. See `Gatherer.handleHostCandidates`. */
  handleHostCandidates(candidates: readonly LocalCandidate[], time: ClockReading): void {
    this.#gatherer.handleHostCandidates(candidates, time.now);
    this.#gathering.drain(time);
  }

  /** What the router in front of a link has mapped; replaces what was known. */
  handlePortMapping(mapping: LinkPortMapping, time: ClockReading): void {
    this.#gatherer.handlePortMapping(mapping, time.now);
    this.#gathering.drain(time);
  }

  /** The stream of an `open-stream` effect is open and is the engine's link `linkId`. */
  handleStreamOpened(streamId: number, linkId: LinkId, time: ClockReading): void {
    this.#gatherer.handleStreamOpened(streamId, linkId, time.now);
    this.#gathering.drain(time);
  }

  /** The stream could not be opened, or is closed. */
  handleStreamClosed(streamId: number, time: ClockReading): void {
    this.#gatherer.handleStreamClosed(streamId, time.now);
    this.#gathering.drain(time);
  }

  /** The socket of an `open-socket` effect is the engine's link `linkId`; undefined if it could not be opened. */
  handleSocketOpened(nodeId: string | null, linkId: LinkId | undefined, time: ClockReading): void {
    if (nodeId === null) {
      this.#gatherer.handleSocketOpened(linkId, time.now);
      this.#gathering.drain(time);
      return;
    }
    const peer = this.#peers.get(nodeId);
    if (peer?.paths === undefined) {
      if (linkId !== undefined) this.#effects.push({ kind: "close-socket", linkId });
      return;
    }
    peer.paths.handleSocketOpened(linkId, time.now);
    this.#drain(peer, time);
  }

  /** Examines the NATs anew; `gathering` shows the results, within 3 s. */
  handleNetcheck(time: ClockReading): void {
    this.#gatherer.handleNetcheck(time.now);
    this.#gathering.drain(time);
  }

  /** Addresses at which a peer was reached in an earlier run. */
  handleRememberedCandidates(nodeId: string, candidates: readonly RemoteCandidate[], time: ClockReading): void {
    const peer = this.#peers.get(nodeId);
    if (peer === undefined) return;
    peer.paths?.handleRememberedCandidates(candidates, time.now);
    this.#drain(peer, time);
  }

  /** Addresses, links or routes of the host have changed: peers are told by the first check that reaches them. */
  handleNetworkChange(candidates: readonly LocalCandidate[], time: ClockReading): void {
    this.#place.change(time.wall);
    for (const peer of this.#peers.all()) peer.paths?.setPlace(this.#place.number(time.wall));
    this.handleHostCandidates(candidates, time);
    // A link that went down and came up again leaves the addresses as they were, and every path in doubt.
    this.handleResume(time);
  }

  /** As `handleNetworkChange`, for changes that leave all links but these as they are. */
  handleLinkChange(candidates: readonly LocalCandidate[], changed: ReadonlySet<LinkId>, time: ClockReading): void {
    this.#place.change(time.wall);
    // Who talks to us by another link goes on doing so.
    const place = this.#place.number(time.wall);
    for (const peer of this.#peers.all()) if (peer.usesLink(changed)) peer.paths?.setPlace(place);
    this.handleHostCandidates(candidates, time);
    this.#resume(time, changed);
  }

  /** The host slept, or what lies behind its links may be another network. */
  handleResume(time: ClockReading): void {
    this.#resume(time, undefined);
  }

  #resume(time: ClockReading, links: ReadonlySet<LinkId> | undefined): void {
    this.#gatherer.handleResume(time.now);
    this.#gathering.drain(time);
    for (const peer of this.#peers.all()) {
      peer.paths?.handleResume(time.now, links);
      this.#drain(peer, time);
    }
  }

  handleTimeout(time: ClockReading): void {
    this.#wireguard.handleTimeout(time);
    const gatheringAt = this.#gatherer.pollTimeout();
    if (gatheringAt !== undefined && gatheringAt <= time.now) this.#gatherer.handleTimeout(time.now);
    this.#gathering.drain(time);
    for (const [peer, at] of [...this.#deadlines]) {
      if (at > time.now) continue;
      peer.paths?.handleTimeout(time.now);
      this.#drain(peer, time);
    }
    this.#tunnels.drain(time);
  }

  /** When `handleTimeout` is due; undefined while nothing is going on. */
  pollTimeout(): Instant | undefined {
    let due = earliest(this.#wireguard.pollTimeout()?.at, this.#gatherer.pollTimeout());
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
    for (const nodeId of change.removed) this.#removePeer(nodeId, time);
    for (const verified of change.upserted) this.#upsertPeer(verified, time);
    this.#tunnels.drain(time);
  }

  #upsertPeer(verified: VerifiedPeer, time: ClockReading): void {
    if (this.#peers.get(verified.nodeId)?.peer.nodeKey !== verified.nodeKey) this.#removePeer(verified.nodeId, time);
    const added = this.#peers.upsert(verified);
    if (added !== undefined) {
      added.paths?.setPlace(this.#place.number(time.wall));
      this.#gathering.introduce(added, time.now);
      this.#calls.introduce(added, time.now);
    }
    const peer = this.#peers.get(verified.nodeId);
    if (peer === undefined) return;
    this.#modes.apply(peer, time.now);
    this.#drain(peer, time);
  }

  #removePeer(nodeId: string, time: ClockReading): void {
    const removed = this.#peers.get(nodeId);
    removed?.paths?.close();
    if (removed !== undefined) this.#drain(removed, time);
    const peer = this.#peers.remove(nodeId);
    if (peer === undefined) return;
    this.#deadlines.delete(peer);
    this.#calls.forget(nodeId);
    this.#gathering.forget(peer, time.now);
    this.#gathering.drain(time);
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
    this.#gathering.handlePeer(peer, time.now);
    this.#gathering.drain(time);
  }

  #handlePathEvent(peer: MeshPeer, event: PeerPathsEvent, time: ClockReading): void {
    const { nodeId } = peer.peer;
    switch (event.kind) {
      case "call":
        this.#calls.send(peer, event.body, time);
        return;
      case "channel-wanted":
      case "channel-unwanted":
      case "seen-at":
        this.#gathering.handlePathEvent(peer, event, time.now);
        return;
      case "paths":
        this.#effects.push(peer.handlePaths(event));
        this.#tunnels.sendHeld(peer, time.now);
        return;
      case "path-changed":
        this.#effects.push({ kind: "notice", level: "info", nodeId, text: event.why });
        return;
      case "socket-wanted":
        this.#effects.push({ kind: "open-socket", nodeId, like: event.like });
        return;
      case "socket-unwanted":
        this.#effects.push({ kind: "close-socket", linkId: event.linkId });
        return;
      case "punch-note":
        this.#effects.push({ kind: "notice", level: "info", nodeId, text: event.text });
        return;
    }
  }

  #countDrop(reason: string): void {
    this.#drops[reason] = (this.#drops[reason] ?? 0) + 1;
  }
}
