import { isIP } from "node:net";
import type { Dialer } from "@asterism/client";
import type {
  DeltaMessage,
  MapMessage,
  OfferedRelay,
  PairReport,
  PresenceMessage,
  ServerMessage,
} from "@asterism/core/control";
import { parseFingerprint } from "@asterism/core/control";
import { AsterismError } from "@asterism/core/errors";
import type { Crypto, MachineKeyPair } from "@asterism/core/identity";
import type { LinkSettings, NetworkState } from "@asterism/core/local-api";
import type { Aead, Mesh } from "@asterism/core/mesh";
import { candidatePriority, type PunchTurn, parseTrafficMode, type TrafficMode } from "@asterism/core/paths";
import type { Logger } from "pino";
import type { LinkNamer, NetworkLinks } from "../links/network-links.ts";
import type { Nat64 } from "../platform/nat64.ts";
import { portMappingNonce } from "../port-mapping/port-mapping-nonce.ts";
import type { Membership, MembershipStore } from "../state/membership.ts";
import { type LearntFacts, MembershipRecord } from "../state/membership-record.ts";
import { unexpiredRelays } from "./cached-relays.ts";
import { ControlSession } from "./control-session.ts";
import type { MeshShell } from "./mesh-shell.ts";
import { networkDialer } from "./network-dialer.ts";
import { announcesAll, renewNodeKey } from "./node-keys.ts";
import { nodePublicKey, type OpenOverlayOptions, openOverlay, type RunningOverlay } from "./open-overlay.ts";
import type { Pinger } from "./pinger.ts";

/** The requests on the control stream that an agent makes, each one at a time. */
const PUBLISH_REQUEST_ID = 1;
const OFFER_RELAY_REQUEST_ID = 2;
const MAX_REMEMBERED_ENDPOINTS = 4;

export interface OverlayNetworkOptions {
  readonly membership: Membership;
  readonly store: MembershipStore;
  readonly machine: MachineKeyPair;
  readonly crypto: Crypto;
  readonly logger: Logger;
  /** Ciphers of transport data to announce beyond ChaCha20-Poly1305. */
  readonly aeads: readonly Aead[];
  /** Whether routers are asked to map the links' ports. */
  readonly mapPorts: boolean;
  /** Proxy that this agent was told to use; undefined leaves it to the membership and the environment. */
  readonly proxy: string | undefined;
  /** A pair that this node opened has come together. */
  readonly onPair: (pair: PairReport) => void;
  /** Facts about this agent's other networks. */
  readonly host: OverlayHost;
}

export interface OverlayHost {
  /** Interfaces of all this agent's networks. */
  ownInterfaces(): Set<string>;
  /** Index of an interface, null if there is none of the name, undefined if that is not known yet. */
  interfaceIndex(name: string): number | null | undefined;
  /** Ranges of all networks this agent is in. */
  overlayRanges(): string[];
  readonly nat64: Nat64;
  /** Holes are punched for one peer of all networks at a time. */
  readonly punchTurn: PunchTurn;
  /** The relay that this agent runs; null while others could not reach it, undefined if it runs none. */
  relayOffer(): OfferedRelay | null | undefined;
}

/** One network this agent is a member of: interface, tunnels, control stream and what is kept on disk. */
export class OverlayNetwork {
  /** The way to its server and to relays' streams. */
  readonly dialer: Dialer;
  readonly #options: OverlayNetworkOptions;
  readonly #record: MembershipRecord;
  #running: RunningOverlay | undefined;
  #control: ControlSession | undefined;
  /** What the server was told on this connection, as JSON. */
  #offeredRelay: string | undefined;
  #state: NetworkState = "down";
  #problem: string | null = null;
  readonly #presenceReceived = Promise.withResolvers<void>();
  #online = new Set<string>(); // bounded: members of the map
  /** Peers of the last run that have not been told that this one has begun. */
  #toReconnect = new Set<string>(); // bounded: members of the map
  /** Ends of one life cycle step and beginnings of the next don't overlap. */
  #lifecycle: Promise<void> = Promise.resolve();

  constructor(options: OverlayNetworkOptions) {
    this.#options = options;
    this.dialer = networkDialer(options.membership.proxy ?? options.proxy, options.logger);
    this.#record = new MembershipRecord({
      membership: options.membership,
      store: options.store,
      learn: () => this.#learntFacts(),
      onSaveFailed: (error) => options.logger.error(`the network's state could not be saved: ${String(error)}`),
    });
  }

  get membership(): Membership {
    return this.#record.current;
  }

  get state(): NetworkState {
    return this.#state;
  }

  get problem(): string | null {
    return this.#problem;
  }

  get control(): ControlSession | undefined {
    return this.#control;
  }

  get shell(): MeshShell | undefined {
    return this.#running?.shell;
  }

  get links(): NetworkLinks | undefined {
    return this.#running?.links;
  }

  linkNamer(): LinkNamer {
    return this.#running?.links.namer() ?? (() => null);
  }

  get pinger(): Pinger | undefined {
    return this.#running?.pinger;
  }

  /** This node's WireGuard public key, base64. */
  get nodeKey(): string {
    return nodePublicKey(this.membership, this.#options.crypto);
  }

  get interfaceName(): string | null {
    return this.#running?.device.interfaceName ?? null;
  }

  isOnline(nodeId: string): boolean {
    return this.#online.has(nodeId);
  }

  /** Brings the network up and keeps it so at the next start. Throws why it can't be. */
  up(): Promise<void> {
    return this.#inTurn(async () => {
      this.#record.setEnabled(true);
      if (this.#running === undefined) await this.#start();
    });
  }

  /** Resolves when the server has said who the other members are, or after `limitMs`. */
  async waitForPeers(limitMs: number): Promise<void> {
    const { promise: tooLate, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, limitMs);
    await Promise.race([this.#presenceReceived.promise, tooLate]);
    clearTimeout(timer);
  }

  /** Takes the network down; the membership stays. */
  down(): Promise<void> {
    return this.#inTurn(async () => {
      this.#record.setEnabled(false);
      await this.#stop();
    });
  }

  /** For the end of the agent: as it is now, it comes up again. */
  stop(): Promise<void> {
    return this.#inTurn(() => this.#stop());
  }

  /** How packets for a member use the paths to it; null takes the choice back. */
  setMode(nodeId: string, mode: TrafficMode | null): void {
    this.#record.setMode(nodeId, mode);
    this.#applyModes();
  }

  /** The host's addresses, links or routes have changed, at these interfaces or nobody knows where. */
  handleNetworkChange(interfaces?: ReadonlySet<string>): void {
    if (this.#running === undefined) return;
    this.#running.links.handleNetworkChange(interfaces);
    this.#offerRelay();
    this.#control?.handleNetworkChange();
  }

  /** NATs, relays and the server have forgotten us meanwhile, or will have by the time that we notice. */
  #handleSleep(sleptMs: number): void {
    this.#control?.handleSleep(sleptMs);
    this.handleNetworkChange();
  }

  /** IPv4 addresses are reached by another way, or have become reachable. */
  handleNat64Change(): void {
    this.#running?.handleNat64Change();
  }

  /** Uses other links from now on, and after a restart. */
  setLinks(settings: LinkSettings): void {
    this.#record.setLinks(settings);
    this.#running?.links.handleSettings();
  }

  #inTurn(step: () => Promise<void>): Promise<void> {
    const run = this.#lifecycle.then(step);
    this.#lifecycle = run.catch(() => undefined); // the caller gets the error; the next step may go on
    return run;
  }

  async #start(): Promise<void> {
    this.#state = "starting";
    this.#problem = null;
    try {
      const running = await this.#open();
      this.#running = running;
      running.shell.run((mesh, time) => mesh.handleSignallingLost(time));
      this.#applyModes();
      this.#loadCachedMap(running);
      running.links.start((input) => running.shell.run(input));
      this.#toReconnect = new Set(this.#record.loadConnected());
      this.#reconnect(running);
      this.#control = this.#startControl();
      this.#state = "running";
    } catch (error) {
      this.#state = "failed";
      this.#problem = error instanceof Error ? error.message : String(error);
      throw error;
    }
  }

  #open(): Promise<RunningOverlay> {
    const { host, crypto, logger, machine, aeads } = this.#options;
    if (!announcesAll(this.membership, aeads)) {
      this.#record.replaceNodeKey(renewNodeKey(this.membership, machine, crypto, aeads));
    }
    return openOverlay({
      membership: this.membership,
      crypto,
      logger,
      dialer: this.dialer,
      aeads,
      links: this.#linkOptions(),
      ownInterfaces: host.ownInterfaces(),
      overlayRanges: host.overlayRanges(),
      nat64: host.nat64,
      punchTurn: host.punchTurn,
      mayPunch: () => this.membership.network.hardNatPunching !== false,
      sendCall: (nodeId, sealed) => void this.#control?.send({ type: "call", to: nodeId, sealed }),
      onDeviceFailed: (message) => this.#handleDeviceFailed(message),
      onPathsChanged: () => this.#record.saveSoon(),
      onPair: this.#options.onPair,
      sendReport: (pairs) => this.#control?.send({ type: "report", pairs }) ?? false,
      onConnected: (nodeIds) => this.#record.saveConnected(nodeIds),
      onSlept: (sleptMs) => this.#handleSleep(sleptMs),
    });
  }

  #linkOptions(): OpenOverlayOptions["links"] {
    const { host, machine, mapPorts } = this.#options;
    return {
      settings: () => this.membership.links ?? {},
      ports: () => ({ first: this.membership.port, byName: this.membership.linkPorts ?? {} }),
      onPort: ({ name, boundTo }, port, isFirst) => {
        if (isFirst) this.#record.setPort(port);
        if (boundTo !== null) this.#record.setLinkPort(name, port);
      },
      ownInterfaces: () => host.ownInterfaces(),
      interfaceIndex: (name) => host.interfaceIndex(name),
      withOwn: (addresses) => host.nat64.withOwn(addresses),
      portMappingNonce: mapPorts ? portMappingNonce(machine, this.membership.network.id) : null,
    };
  }

  async #stop(): Promise<void> {
    this.#withdrawRelay();
    this.#control?.stop();
    this.#control = undefined;
    const running = this.#running;
    if (running !== undefined) {
      this.#record.saveNow();
      this.#record.saveConnected(running.shell.connectedPeers());
      this.#running = undefined;
      await running.close();
    }
    this.#record.cancelSave();
    this.#online.clear();
    this.#state = "down";
    this.#problem = null;
  }

  #handleDeviceFailed(message: string): void {
    this.#options.logger.error({ interface: this.interfaceName }, message);
    void this.#inTurn(async () => {
      await this.#stop();
      this.#state = "failed";
      this.#problem = `${message}. Bring the network up again with \`asterism up ${this.membership.network.name}\``;
    });
  }

  // Map and signalling

  #loadCachedMap({ shell }: RunningOverlay): void {
    const { map, endpoints, relays } = this.membership;
    if (relays !== undefined) {
      shell.run((mesh, time) => mesh.handleRelays(unexpiredRelays(relays, time.wall), time));
    }
    if (map === null) return;
    shell.run((mesh, time) => {
      mesh.handleMap(map.peers, time);
      for (const [nodeId, addresses] of Object.entries(endpoints)) {
        const remembered = addresses.map(({ address, port, relayed = false }) => {
          const kind = relayed ? ("relayed" as const) : ("host" as const);
          return { kind, address: { address, port }, priority: candidatePriority(kind, 0) };
        });
        mesh.handleRememberedCandidates(nodeId, remembered, time);
      }
    });
  }

  /**
   * Peers of the last run go on sealing with a session that this run does not have, until WireGuard's own rule makes
   * them doubt it after 15 s. A handshake from this side tells them at once.
   */
  #reconnect({ shell }: RunningOverlay): void {
    shell.run((mesh, time) => {
      for (const nodeId of this.#toReconnect) {
        if (!mesh.peers.has(nodeId)) continue; // the map that names it may still be on its way
        this.#toReconnect.delete(nodeId);
        mesh.handleSessionNeeded(nodeId, time);
      }
    });
  }

  #startControl(): ControlSession {
    const { serverUrl, serverFingerprint, nodeId } = this.membership;
    const fingerprint = parseFingerprint(serverFingerprint);
    if (fingerprint === undefined) throw new AsterismError("state-damaged", "the server's fingerprint is malformed");
    const session = new ControlSession({
      server: { url: serverUrl, fingerprint },
      dialer: this.dialer,
      nodeId,
      sign: (message) => this.#options.crypto.ed25519Sign(this.#options.machine.privateKey, message),
      logger: this.#options.logger,
      resumePoint: () => {
        const { map } = this.membership;
        return map === null ? null : { epoch: map.epoch, version: map.version };
      },
      onAuthenticated: ({ observedAddress }, offsetMs) => this.#handleAuthenticated(observedAddress, offsetMs),
      onLost: () => this.#running?.shell.run((mesh, time) => mesh.handleSignallingLost(time)),
      onMessage: (message) => this.#handleServerMessage(message),
      onRemoved: () => this.#handleRemoved(),
    });
    session.start();
    return session;
  }

  #handleAuthenticated(observedAddress: string, serverTimeOffsetMs: number): void {
    if (this.#running === undefined) return;
    this.#running.links.handleObservedAddress(isIP(observedAddress) === 0 ? null : observedAddress);
    const { unpublishedRecord } = this.membership;
    if (unpublishedRecord !== null) {
      this.#control?.send({ type: "record", requestId: PUBLISH_REQUEST_ID, ...unpublishedRecord });
    }
    this.#offeredRelay = undefined;
    this.#offerRelay();
    this.#running.pairs.flush();
    this.#running.shell.run((mesh, time) => {
      mesh.handleServerTime(serverTimeOffsetMs, time);
      mesh.handleSignallingReady(time);
    });
  }

  #handleServerMessage(message: ServerMessage): void {
    const shell = this.#running?.shell;
    if (shell === undefined) return;
    switch (message.type) {
      case "map":
        this.#handleMap(message);
        return;
      case "delta":
        this.#handleDelta(message);
        return;
      case "presence":
        this.#handlePresence(message, shell);
        return;
      case "relays":
        this.#record.setRelays(message);
        shell.run((mesh, time) => mesh.handleRelays(message, time));
        this.#running?.links.handleServers();
        return;
      case "call":
        shell.run((mesh, time) => mesh.handleCall(message.from, message.sealed, time));
        return;
      case "call-failed":
        this.#options.logger.debug({ nodeId: message.to, reason: message.reason }, "call failed");
        if (message.reason === "offline") shell.run((mesh, time) => mesh.handleCallFailed(message.to, time));
        return;
      case "done":
        if (message.requestId === PUBLISH_REQUEST_ID) this.#record.setRecordPublished();
        return;
      case "error":
        this.#options.logger.warn({ code: message.code }, message.message);
        return;
      default:
        return;
    }
  }

  /** Tells the server of the relay that this agent runs, if that is news. */
  #offerRelay(): void {
    const relay = this.#options.host.relayOffer();
    const text = JSON.stringify(relay);
    if (relay === undefined || text === this.#offeredRelay) return;
    const isSent = this.#control?.send({ type: "offer-relay", requestId: OFFER_RELAY_REQUEST_ID, relay }) === true;
    if (isSent) this.#offeredRelay = text;
  }

  /** The others change to another relay at once instead of noticing. */
  #withdrawRelay(): void {
    if (this.#offeredRelay === undefined) return;
    this.#offeredRelay = undefined;
    this.#control?.send({ type: "offer-relay", requestId: OFFER_RELAY_REQUEST_ID, relay: null });
  }

  #applyModes(): void {
    const { network, modes = {} } = this.membership;
    const chosen = { network: parseTrafficMode(network.mode) ?? null, peers: new Map(Object.entries(modes)) };
    this.#running?.shell.run((mesh, time) => mesh.handleModes(chosen, time));
  }

  #handleMap(message: MapMessage): void {
    this.#record.applyMap(message);
    this.#applyModes();
    const running = this.#running;
    if (running === undefined) return;
    running.shell.run((mesh, time) => mesh.handleMap(message.peers, time));
    this.#reconnect(running);
    this.#toReconnect.clear();
  }

  #handleDelta(message: DeltaMessage): void {
    if (this.#record.applyDelta(message)) {
      this.#applyModes();
      this.#running?.shell.run((mesh, time) => mesh.handleMapChange(message.upserts, message.removals, time));
      if (this.#running !== undefined) this.#reconnect(this.#running);
    } else {
      this.#control?.restart();
    }
  }

  #handlePresence(message: PresenceMessage, shell: MeshShell): void {
    const isFirst = message.full;
    if (isFirst) this.#online.clear();
    for (const nodeId of message.offline) this.#online.delete(nodeId);
    const appeared = message.online.filter((nodeId) => !this.#online.has(nodeId));
    for (const nodeId of appeared) this.#online.add(nodeId);
    // The first presence follows the map: with it the picture is whole.
    this.#presenceReceived.resolve();
    if (isFirst) return;
    shell.run((mesh, time) => {
      for (const nodeId of appeared) mesh.handlePeerOnline(nodeId, time);
    });
  }

  #handleRemoved(): void {
    this.#options.logger.warn("this device was removed from the network");
    void this.#inTurn(async () => {
      await this.#stop();
      this.#state = "failed";
      this.#problem =
        "this device was removed from the network on the server. Join again with a new key, or forget the network " +
        `with \`asterism leave ${this.membership.network.name}\``;
    });
  }

  /** What this run has found out that the next one wants to know; nothing while the network is down. */
  #learntFacts(): LearntFacts | undefined {
    const shell = this.#running?.shell;
    return (
      shell && {
        pins: Object.fromEntries(shell.mesh.roster.pins),
        endpoints: this.#collectEndpoints(shell.mesh),
      }
    );
  }

  /**
   * Remote addresses that direct paths work with now, else the peer's relayed ones, and those of earlier runs where there
   * are none.
   */
  #collectEndpoints(mesh: Mesh): Membership["endpoints"] {
    const endpoints: Membership["endpoints"] = {};
    for (const [nodeId, peer] of mesh.peers) {
      const direct = peer.table.filter(({ relayed }) => !relayed).map(({ remote }) => remote);
      // What a channel of ours leads through is our own relay.
      const relayed = peer.table
        .filter((path) => path.relayed && path.channel === null)
        .map(({ remote }) => ({ ...remote, relayed: true }));
      const found = [...direct, ...relayed].slice(0, MAX_REMEMBERED_ENDPOINTS);
      const known = found.length > 0 ? found : this.membership.endpoints[nodeId];
      if (known !== undefined) endpoints[nodeId] = known;
    }
    return endpoints;
  }
}
