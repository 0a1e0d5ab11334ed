import { randomBytes } from "node:crypto";
import type { Dialer } from "@asterism/client";
import { looksLikeAgentMessage } from "@asterism/core/inner";
import { type Mesh, type MeshEffect, TRAFFIC_LOOK_MS } from "@asterism/core/mesh";
import type { LinkId, PathAddress } from "@asterism/core/net";
import type { ClockReading, Instant } from "@asterism/core/time";
import { type EngineDevice, EngineError, type EngineEvent, type PeerCounters, type PeerId } from "@asterism/engine";
import type { Logger } from "pino";
import { type LinkCounts, LinkTraffic } from "../links/link-traffic.ts";
import { monotonicNow, wallNow } from "../platform/clock.ts";
import { alarmDelay } from "./alarm-delay.ts";
import { RecentTraffic, type RecentUse } from "./recent-traffic.ts";
import { RelayStreams } from "./relay-streams.ts";
import { TrafficPolls } from "./traffic-polls.ts";

/** A timer that is this late means that the host or the agent slept (or was starved, which is as bad for paths). */
const SLEEP_SUSPECTED_MS = 5_000;

/** Effects that are about no peer, or about one that the engine does not know. */
type HostEffectKind =
  | "send-datagram"
  | "open-stream"
  | "close-stream"
  | "open-socket"
  | "close-socket"
  | "send-call"
  | "notice"
  | "add-peer";

export interface MeshShellOptions {
  readonly mesh: Mesh;
  readonly device: EngineDevice;
  readonly logger: Logger;
  /** For streams to relays. */
  readonly dialer: Dialer;
  /** Opens a UDP socket for IPv4 like that of a link, on another port. */
  readonly openSocketLike: (linkId: LinkId) => LinkId;
  readonly closeSocket: (linkId: LinkId) => void;
  /** Of the link that a socket belongs to; undefined if to none. */
  readonly linkName: (linkId: LinkId) => string | undefined;
  readonly sendCall: (nodeId: string, sealed: string) => void;
  /** An answer to an echo request of the agent's own. */
  readonly onEchoReply: (nodeId: string, event: Extract<EngineEvent, { kind: "inner" }>) => void;
  readonly onDeviceFailed: (message: string) => void;
  /** A peer's path table has changed. */
  readonly onPathsChanged: () => void;
  /** A packet for the peer found no session. */
  readonly onSessionNeeded: (nodeId: string) => void;
  /** A peer without a session has one now. */
  readonly onConnected: () => void;
  /** The host slept, or this process was stopped, for so long. */
  readonly onSlept: (sleptMs: number) => void;
}

/**
 * Drives one `Mesh` with real time and a real engine device: feeds it inputs, carries its effects out in order, and
 * keeps one alarm for its next deadline.
 */
export class MeshShell {
  readonly #options: MeshShellOptions;
  readonly #peerIds = new Map<string, PeerId>(); // bounded: members of the map
  readonly #nodeIds = new Map<PeerId, string>(); // bounded: likewise
  /** Peers with a session, whose counters are worth reading; with the number of their sessions. */
  readonly #sessions = new Map<string, Set<number>>(); // bounded: likewise, three sessions a peer
  readonly #recentTraffic = new RecentTraffic();
  readonly #streams: RelayStreams;
  readonly #linkTraffic: LinkTraffic;
  #alarm: NodeJS.Timeout | undefined;
  #alarmAt: Instant | undefined;
  /** The deadline that was last dealt with. */
  #dealtWith: Instant | undefined;
  #wasStuck = false;
  readonly #traffic: TrafficPolls;
  #lastTickAt: Instant = monotonicNow();
  #stopped = false;

  constructor(options: MeshShellOptions) {
    this.#options = options;
    this.#linkTraffic = new LinkTraffic(options.linkName);
    this.#streams = new RelayStreams({
      device: options.device,
      logger: options.logger,
      dialer: options.dialer,
      onOpened: (streamId, linkId) => this.run((mesh, time) => mesh.handleStreamOpened(streamId, linkId, time)),
      onClosed: (streamId) => this.run((mesh, time) => mesh.handleStreamClosed(streamId, time)),
    });
    this.#traffic = new TrafficPolls({
      peers: () => this.connectedPeers(),
      read: (nodeId) => this.counters(nodeId),
      onNews: (news) => {
        this.run((mesh, time) => {
          for (const [id, counters] of news) mesh.handleTraffic(id, counters, time, this.#watchSpread(id));
        });
      },
      onTick: () => this.#noticeSleep(),
    });
  }

  get mesh(): Mesh {
    return this.#options.mesh;
  }

  get device(): EngineDevice {
    return this.#options.device;
  }

  /** Feeds the mesh and carries out what comes of it. */
  run(input: (mesh: Mesh, time: ClockReading) => void): void {
    if (this.#stopped) return;
    input(this.#options.mesh, { now: monotonicNow(), wall: wallNow() });
    this.#drain();
  }

  /** Events of the engine device. */
  handleEvents(events: readonly EngineEvent[]): void {
    if (this.#stopped) return;
    for (const event of events) this.#handleEvent(event);
    this.#drain();
  }

  counters(nodeId: string): PeerCounters | undefined {
    const peerId = this.#peerIds.get(nodeId);
    return peerId === undefined ? undefined : this.device.readPeer(peerId);
  }

  pathCounters(nodeId: string): ReturnType<EngineDevice["readPaths"]> {
    const peerId = this.#peerIds.get(nodeId);
    return peerId === undefined ? [] : this.device.readPaths(peerId);
  }

  /** What each link has carried to and from all peers, by its name. */
  linkTraffic(): Map<string, LinkCounts> {
    return this.#linkTraffic.totals([...this.#peerIds.values()].flatMap((peerId) => this.device.readPaths(peerId)));
  }

  /** By path key: how what was sent to the peer lately was spread; undefined while it goes by one path. */
  recentTraffic(nodeId: string): ReadonlyMap<string, RecentUse> | undefined {
    return this.#recentTraffic.of(nodeId);
  }

  /** Seals an inner packet of the agent's own to a peer; false if there is no such peer. */
  sendInner(nodeId: string, packet: Uint8Array): boolean {
    const peerId = this.#peerIds.get(nodeId);
    if (this.#stopped || peerId === undefined) return false;
    this.device.sendInner(peerId, packet);
    return true;
  }

  /** Node ids of the peers with a session. */
  connectedPeers(): string[] {
    return [...this.#sessions].filter(([, sessions]) => sessions.size > 0).map(([nodeId]) => nodeId);
  }

  hasSession(nodeId: string): boolean {
    return (this.#sessions.get(nodeId)?.size ?? 0) > 0;
  }

  stop(): void {
    this.#stopped = true;
    this.#traffic.stop();
    clearTimeout(this.#alarm);
    this.#streams.closeAll();
  }

  #handleEvent(event: EngineEvent): void {
    const { mesh } = this.#options;
    const time = { now: monotonicNow(), wall: wallNow() };
    switch (event.kind) {
      case "datagram":
        mesh.handleDatagram(event.protocol, event.from, event.bytes, time);
        return;
      case "session-needed":
        this.#withNode(event.peerId, (nodeId) => {
          this.#options.onSessionNeeded(nodeId);
          mesh.handleSessionNeeded(nodeId, time);
        });
        return;
      case "session-confirmed":
        this.#withNode(event.peerId, (nodeId) => mesh.handleSessionConfirmed(nodeId, event.localIndex, time));
        return;
      case "roamed":
        this.#withNode(event.peerId, (nodeId) => mesh.handleRoamed(nodeId, event.from, time));
        return;
      case "inner":
        this.#withNode(event.peerId, (nodeId) => {
          if (looksLikeAgentMessage(event.bytes)) mesh.handleInner(nodeId, event.bytes, time);
          else this.#options.onEchoReply(nodeId, event);
        });
        return;
      case "frames":
        this.#streams.sendFrames(event.linkId, event.bytes);
        return;
      case "path-mtu":
        this.#options.logger.debug({ remote: event.to.remote, mtuBytes: event.mtuBytes }, "path MTU");
        mesh.handlePathMtu(event.to, time);
        return;
      case "failed":
        this.#options.onDeviceFailed(event.message);
        return;
    }
  }

  /** Events of a peer that was removed meanwhile are late and mean nothing. */
  #withNode(peerId: PeerId, run: (nodeId: string) => void): void {
    const nodeId = this.#nodeIds.get(peerId);
    if (nodeId !== undefined) run(nodeId);
  }

  #drain(): void {
    const { mesh } = this.#options;
    for (let effect = mesh.pollEffect(); effect !== undefined; effect = mesh.pollEffect()) this.#tryApply(effect);
    this.#setAlarm(mesh.pollTimeout());
  }

  /** What came by a stream that is closed by now can still have had an answer under way to it. */
  #tryApply(effect: MeshEffect): void {
    try {
      this.#apply(effect);
    } catch (error) {
      if (!(error instanceof EngineError) || error.reason !== "unknown-link") throw error;
      this.#options.logger.debug({ effect: effect.kind }, "its link is closed");
    }
  }

  #apply(effect: MeshEffect): void {
    const { device, logger, sendCall } = this.#options;
    switch (effect.kind) {
      case "send-datagram":
        device.send(effect.to, effect.bytes, effect.dontFragment === true);
        return;
      case "open-stream":
        this.#streams.open(effect.streamId, effect.endpoint);
        return;
      case "close-stream":
        this.#streams.close(effect.streamId);
        return;
      case "open-socket":
        this.#openSocket(effect.nodeId, effect.like);
        return;
      case "close-socket":
        this.#options.closeSocket(effect.linkId);
        return;
      case "send-call":
        sendCall(effect.nodeId, effect.sealed);
        return;
      case "notice":
        logger[effect.level]({ nodeId: effect.nodeId }, effect.text);
        return;
      case "add-peer":
        this.#addPeer(effect.nodeId, effect.allowedIps);
        return;
      default:
        this.#applyToPeer(effect, this.#peerIds.get(effect.nodeId));
    }
  }

  #openSocket(nodeId: string | null, like: LinkId): void {
    const { mesh, logger, openSocketLike } = this.#options;
    let linkId: LinkId | undefined;
    try {
      linkId = openSocketLike(like);
    } catch (error) {
      logger.warn(`no socket can be opened: ${String(error)}`);
    }
    mesh.handleSocketOpened(nodeId, linkId, { now: monotonicNow(), wall: wallNow() });
  }

  #addPeer(nodeId: string, allowedIps: readonly string[]): void {
    const peerId = this.device.addPeer();
    this.#peerIds.set(nodeId, peerId);
    this.#nodeIds.set(peerId, nodeId);
    this.device.setAllowedIps(peerId, allowedIps);
  }

  #applyToPeer(effect: Exclude<MeshEffect, { kind: HostEffectKind }>, peerId: PeerId | undefined): void {
    if (peerId === undefined) return;
    const { device } = this.#options;
    switch (effect.kind) {
      case "set-allowed-ips":
        device.setAllowedIps(peerId, effect.allowedIps);
        return;
      case "remove-peer":
        this.#removePeer(effect.nodeId, peerId);
        return;
      case "set-paths":
        this.#linkTraffic.handleTableChange(device.readPaths(peerId), effect.paths);
        device.setPaths(peerId, effect.paths, effect.mode);
        this.#options.onPathsChanged();
        return;
      case "install-session":
        device.installSession(peerId, effect.session);
        effect.session.sendKey.fill(0);
        effect.session.receiveKey.fill(0);
        this.#addSession(effect.nodeId, effect.session.localIndex);
        return;
      case "remove-session":
        device.removeSession(peerId, effect.localIndex);
        this.#sessionsOf(effect.nodeId).delete(effect.localIndex);
        return;
      case "send-inner":
        device.sendInner(peerId, effect.packet);
        return;
      case "send-keepalive":
        device.sendKeepalive(peerId);
        return;
      case "drop-staged":
        device.dropStaged(peerId);
        return;
    }
  }

  #removePeer(nodeId: string, peerId: PeerId): void {
    this.#linkTraffic.handleTableChange(this.device.readPaths(peerId), []);
    this.device.removePeer(peerId);
    this.#peerIds.delete(nodeId);
    this.#nodeIds.delete(peerId);
    this.#sessions.delete(nodeId);
    this.#recentTraffic.forget(nodeId);
    this.#traffic.forget(nodeId);
  }

  #addSession(nodeId: string, localIndex: number): void {
    const sessions = this.#sessionsOf(nodeId);
    sessions.add(localIndex);
    if (sessions.size === 1) this.#options.onConnected();
  }

  #sessionsOf(nodeId: string): Set<number> {
    let sessions = this.#sessions.get(nodeId);
    if (sessions === undefined) {
      sessions = new Set();
      this.#sessions.set(nodeId, sessions);
    }
    return sessions;
  }

  /** Notes how the packets are spread. Returns the paths by which nothing arrives. */
  #watchSpread(nodeId: string): PathAddress[] {
    if (this.mesh.peers.get(nodeId)?.isSpread !== true) {
      this.#recentTraffic.forget(nodeId);
      return [];
    }
    const paths = this.pathCounters(nodeId);
    this.#recentTraffic.update(nodeId, paths);
    return paths.filter(({ spread }) => spread?.dead === true);
  }

  /** Timers stand still while the host sleeps, the clock of deadlines does not. */
  #noticeSleep(): void {
    const now = monotonicNow();
    const sleptMs = now - this.#lastTickAt - TRAFFIC_LOOK_MS;
    this.#lastTickAt = now;
    if (this.#stopped || sleptMs < SLEEP_SUSPECTED_MS) return;
    this.#options.logger.info({ sleptMs: Math.round(sleptMs) }, "the host was asleep");
    this.#alarmAt = undefined;
    this.run((mesh, time) => mesh.handleTimeout(time));
    this.#options.onSlept(sleptMs);
  }

  #setAlarm(at: Instant | undefined): void {
    if (at === this.#alarmAt && this.#alarm !== undefined) return;
    clearTimeout(this.#alarm);
    this.#alarmAt = at;
    this.#alarm = undefined;
    if (at === undefined) return;
    const { delayMs, isStuck } = alarmDelay(at, this.#dealtWith, monotonicNow());
    if (isStuck && !this.#wasStuck) this.#options.logger.error("a deadline stays due; please report this");
    this.#wasStuck ||= isStuck;
    this.#alarm = setTimeout(() => {
      this.#alarm = undefined;
      this.#dealtWith = at;
      this.run((mesh, time) => mesh.handleTimeout(time));
    }, delayMs);
  }
}

/** 16 random bits for the identifier of the agent's echo requests. */
export function randomEchoIdentifier(): number {
  return randomBytes(2).readUInt16BE(0);
}
