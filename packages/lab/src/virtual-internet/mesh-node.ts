/**
 * A whole member of a virtual network: a `Mesh` with a virtual engine on a virtual host, driven as the agent drives the
 * real ones.
 */
import { encodeBase64, parseBase64 } from "@asterism/core/bytes";
import { type AgentPeerInfo, signNodeRecord } from "@asterism/core/control";
import {
  type Crypto,
  generateMachineKeyPair,
  generateNodeKeyPair,
  type MachineKeyPair,
  type NodeKeyPair,
} from "@asterism/core/identity";
import { type AgentMessage, parseAgentMessage } from "@asterism/core/inner";
import {
  type Aead,
  Mesh,
  type MeshEffect,
  type Pin,
  SENDING_LOOK_MS,
  TRAFFIC_LOOK_MS,
  TrafficLooks,
} from "@asterism/core/mesh";
import type { LinkId, PathAddress, UdpAddress } from "@asterism/core/net";
import { type LinkTraits, MULTIPATH_CAPABILITY } from "@asterism/core/paths";
import { looksLikeStun } from "@asterism/core/stun";
import { addMs, type ClockReading, earliest, type Instant } from "@asterism/core/time";
import { encodeChannelData, looksLikeChannelData, parseChannelData, TurnStreamReader } from "@asterism/core/turn";
import { NodeUplinks } from "./node-uplinks.ts";
import { SeededRandom } from "./seeded-random.ts";
import type { VirtualStream } from "./stream-stack.ts";
import { VirtualEngine, type VirtualEngineEvent } from "./virtual-engine.ts";
import type { VirtualHost, VirtualInterface, VirtualMachine } from "./virtual-host.ts";

const NETWORK_ID = "net-1";
const FIRST_EXTRA_PORT = 42_000;

/** How calls travel between members. */
export interface CallCarrier {
  /** What comes for `name` goes to `onMessage`. */
  connect(name: string, onMessage: (from: string, sealed: Uint8Array) => void): void;
  send(from: string, to: string, sealed: Uint8Array): void;
}

export interface MeshNodeOptions {
  readonly host: VirtualHost;
  readonly signalling: CallCarrier;
  readonly crypto: Crypto;
  readonly seed: number;
  readonly stretchedSecret?: Uint8Array;
  readonly pins?: ReadonlyMap<string, Pin>;
  readonly aeads?: readonly Aead[];
  /** What its record announces beyond that; by default all that there is. */
  readonly capabilities?: readonly string[];
  /** Identity of an earlier run. */
  readonly identity?: MeshIdentity;
  /** Of its overlay addresses; by default the place of the name's first letter in the alphabet. */
  readonly number?: number;
  /** Told of payloads instead of `delivered`. */
  readonly onDelivered?: (from: string, payload: string) => void;
}

export interface MeshIdentity {
  readonly machine: MachineKeyPair;
  readonly node: NodeKeyPair;
}

interface NodeStream {
  readonly stream: VirtualStream;
  /** Null until it is open. */
  readonly linkId: LinkId | null;
}

export class MeshNode implements VirtualMachine {
  readonly host: VirtualHost;
  readonly identity: MeshIdentity;
  readonly mesh: Mesh;
  readonly engine: VirtualEngine;
  /** Payloads that came through the tunnels, with when and from whom. */
  readonly delivered: { readonly atMs: number; readonly from: string; readonly payload: string }[] = [];
  readonly notices: string[] = [];
  /** Messages of other agents that came through the tunnels. */
  innerMessages = 0;
  /** For a member that does not do as it should: false keeps the message from its mesh. */
  onAgentMessage: ((from: string, message: AgentMessage) => boolean) | undefined;
  readonly #options: MeshNodeOptions;
  readonly #outgoing: { to: PathAddress; bytes: Uint8Array }[] = [];
  readonly #uplinks: NodeUplinks;
  readonly #streams = new Map<number, NodeStream>(); // bounded: by the mesh
  /** Opened beside the uplinks' own. */
  readonly #sockets = new Set<LinkId>(); // bounded: by the mesh
  mostSockets = 0;
  #nextPort = FIRST_EXTRA_PORT;
  readonly #looks = new TrafficLooks();
  #trafficAt: Instant | undefined;
  #sequence = 1;
  #isStopped = false;

  constructor(options: MeshNodeOptions) {
    this.#options = options;
    this.host = options.host;
    this.#uplinks = new NodeUplinks(options.host);
    const random = new SeededRandom(options.seed);
    const randomBytes = (sizeBytes: number): Uint8Array => random.bytes(sizeBytes);
    this.identity = options.identity ?? {
      machine: generateMachineKeyPair(options.crypto, randomBytes),
      node: generateNodeKeyPair(options.crypto, randomBytes),
    };
    this.engine = new VirtualEngine((to, bytes) => this.#outgoing.push({ to, bytes }));
    this.mesh = new Mesh({
      networkId: NETWORK_ID,
      crypto: options.crypto,
      random: randomBytes,
      nodePrivateKey: this.identity.node.privateKey,
      stretchedSecret: options.stretchedSecret ?? null,
      pins: options.pins ?? new Map(),
      overlayRanges: ["100.64.0.0/10", "fd00::/64"],
      overlayMtuBytes: 1_408,
      aeads: options.aeads ?? [],
    });
    options.signalling.connect(this.name, (from, sealed) => {
      this.act((mesh, time) => mesh.handleCall(from, encodeBase64(sealed), time));
    });
    this.host.run(this);
  }

  /** Sockets that are open beside the uplinks' own. */
  get extraSockets(): number {
    return this.#sockets.size;
  }

  get name(): string {
    return this.host.name;
  }

  /** What the server's map says of this node. */
  get info(): AgentPeerInfo {
    const number = this.#options.number ?? this.name.charCodeAt(0) - 96;
    const { crypto } = this.#options;
    const record = {
      networkId: NETWORK_ID,
      nodeKey: this.identity.node.publicKey,
      sequence: this.#sequence,
      aeads: [...(this.#options.aeads ?? [])],
      capabilities: [...(this.#options.capabilities ?? [MULTIPATH_CAPABILITY])],
      agentVersion: "1",
      protocol: 1,
    };
    return {
      kind: "agent",
      nodeId: this.name,
      name: this.name,
      fqdn: `${this.name}.admin.default.internal`,
      ipv4: `100.64.0.${number}`,
      ipv6: `fd00::${number}`,
      user: "admin",
      tags: [],
      ephemeral: false,
      machineKey: this.identity.machine.publicKey,
      ...signNodeRecord(record, (message) => crypto.ed25519Sign(this.identity.machine.privateKey, message)),
    };
  }

  get uplinks(): VirtualInterface[] {
    return this.#uplinks.interfaces;
  }

  interfaceOf(linkId: LinkId): VirtualInterface | undefined {
    return this.#uplinks.interfaceOf(linkId);
  }

  addUplink(on: VirtualInterface, traits?: LinkTraits): void {
    this.#uplinks.add(on, traits);
    this.offerCandidates();
  }

  /** Tells the mesh which addresses the host has. */
  offerCandidates(): void {
    this.act((mesh, time) => mesh.handleHostCandidates(this.#uplinks.candidates(), time));
  }

  /** As the agent does when an interface is gone, or has come: the mesh hears of it before the socket is closed. */
  removeUplink(on: VirtualInterface): void {
    const linkId = this.#uplinks.linkOf(on);
    if (linkId === undefined) return;
    this.#uplinks.drop(on);
    this.#changeLink(linkId);
    this.host.closeSocket(linkId);
  }

  restoreUplink(on: VirtualInterface, traits?: LinkTraits): void {
    this.#changeLink(this.#uplinks.add(on, traits));
  }

  /** The uplink has other addresses than before, or leads elsewhere. */
  handleRoamed(on: VirtualInterface): void {
    const linkId = this.#uplinks.linkOf(on);
    if (linkId !== undefined) this.#changeLink(linkId);
  }

  #changeLink(linkId: LinkId): void {
    this.act((mesh, time) => mesh.handleLinkChange(this.#uplinks.candidates(), new Set([linkId]), time));
  }

  /** An input for the mesh, as of the server or the host. */
  act(input: (mesh: Mesh, time: ClockReading) => void): void {
    if (this.#isStopped) return;
    this.host.act((now, wall) => {
      input(this.mesh, { now, wall });
      this.#applyEffects(now);
    });
  }

  /** The host sends a packet to a member. */
  sendData(to: string, payload: string): void {
    this.host.act((now) => {
      const event = this.engine.sendData(to, payload, now);
      if (event !== undefined) this.#handleEngineEvent(event, this.#time(now));
      this.#applyEffects(now);
    });
  }

  /** A message of the agent itself, which its mesh knows nothing of. */
  sendInner(to: string, packet: Uint8Array): void {
    this.host.act((now) => {
      this.#apply({ kind: "send-inner", nodeId: to, packet }, now);
      this.#applyEffects(now);
    });
  }

  /** The process ends without a word; what comes later finds nobody. */
  stop(): void {
    this.#isStopped = true;
    this.host.halt(this);
    this.#uplinks.closeAll();
    for (const { stream } of this.#streams.values()) stream.close();
    this.#streams.clear();
    for (const linkId of this.#sockets) this.host.closeSocket(linkId);
  }

  handleDatagram(datagram: Uint8Array, source: PathAddress, now: Instant): boolean {
    if (this.#isStopped) return false;
    const framed = looksLikeChannelData(datagram) ? parseChannelData(datagram) : undefined;
    const bytes = framed?.ok === true ? framed.data : datagram;
    const from = framed?.ok === true ? { ...source, channel: framed.channel } : source;
    const time = this.#time(now);
    if (VirtualEngine.looksLikeData(bytes)) {
      for (const event of this.engine.receive(bytes, from, now)) this.#handleEngineEvent(event, time);
    } else {
      this.mesh.handleDatagram(looksLikeStun(bytes) ? "stun" : "wireguard", from, bytes, time);
    }
    this.#applyEffects(now);
    return true;
  }

  handleTimeout(now: Instant): void {
    if (this.#isStopped) return;
    const time = this.#time(now);
    if (this.#trafficAt !== undefined && now >= this.#trafficAt) {
      this.#trafficAt = undefined;
      for (const nodeId of this.engine.peersWithSession()) {
        const facts = this.#looks.look(nodeId, () => this.engine.facts(nodeId), now);
        if (facts !== undefined) this.mesh.handleTraffic(nodeId, facts, time);
      }
    }
    this.mesh.handleTimeout(time);
    this.#applyEffects(now);
  }

  handleResume(now: Instant): void {
    this.mesh.handleResume(this.#time(now));
    this.#applyEffects(now);
  }

  pollTimeout(): { readonly at: Instant } | undefined {
    if (this.#isStopped) return undefined;
    const at = earliest(this.mesh.pollTimeout(), this.#trafficAt);
    return at === undefined ? undefined : { at };
  }

  /** As the engine does, what travels in a channel goes to the relay inside ChannelData. */
  pollTransmit(): { readonly to: PathAddress; readonly bytes: Uint8Array } | undefined {
    for (let sent = this.#outgoing.shift(); sent !== undefined; sent = this.#outgoing.shift()) {
      const { to, bytes } = sent;
      const own = [...this.#streams.values()].find(({ linkId }) => linkId === to.linkId);
      const padding = own === undefined ? "bare" : "padded";
      const framed = to.channel === null ? bytes : encodeChannelData({ channel: to.channel, data: bytes }, padding);
      if (own === undefined) return { to, bytes: framed };
      own.stream.send(framed);
    }
    return undefined;
  }

  /** As the agent and its engine do: an open stream is a link. */
  #openStream(streamId: number, remote: UdpAddress): void {
    const reader = new TurnStreamReader();
    const stream = this.host.openStream(remote, {
      onOpen: () => {
        const linkId = this.host.nextLinkId();
        this.#streams.set(streamId, { stream, linkId });
        this.act((mesh, time) => mesh.handleStreamOpened(streamId, linkId, time));
      },
      onBytes: (bytes) => {
        const linkId = this.#streams.get(streamId)?.linkId;
        if (linkId == null) return;
        const from = { linkId, remote, channel: null };
        for (const frame of reader.handleStream(bytes)) this.handleDatagram(frame.bytes, from, this.host.now);
      },
      onClosed: () => this.act((mesh, time) => mesh.handleStreamClosed(streamId, time)),
    });
    this.#streams.set(streamId, { stream, linkId: null });
  }

  #time(now: Instant): ClockReading {
    return { now, wall: this.host.wallNow };
  }

  #handleEngineEvent(event: VirtualEngineEvent, time: ClockReading): void {
    switch (event.kind) {
      case "session-needed":
        this.mesh.handleSessionNeeded(event.nodeId, time);
        return;
      case "session-confirmed":
        this.mesh.handleSessionConfirmed(event.nodeId, event.localIndex, time);
        return;
      case "roamed":
        this.mesh.handleRoamed(event.nodeId, event.from, time);
        return;
      case "inner":
        this.innerMessages += 1;
        if (this.#withholds(event.nodeId, event.packet)) return;
        this.mesh.handleInner(event.nodeId, event.packet, time);
        return;
      case "delivered":
        if (this.#options.onDelivered !== undefined) this.#options.onDelivered(event.nodeId, event.payload);
        else this.delivered.push({ atMs: time.now, from: event.nodeId, payload: event.payload });
        return;
    }
  }

  #withholds(from: string, packet: Uint8Array): boolean {
    const message = parseAgentMessage(packet);
    return message !== undefined && this.onAgentMessage?.(from, message) === false;
  }

  #applyEffects(now: Instant): void {
    for (let effect = this.mesh.pollEffect(); effect !== undefined; effect = this.mesh.pollEffect()) {
      this.#apply(effect, now);
    }
    if (!this.engine.hasSession) return;
    this.#trafficAt ??= addMs(now, this.#looks.isAnySending ? SENDING_LOOK_MS : TRAFFIC_LOOK_MS);
  }

  #openSocket(nodeId: string | null, like: LinkId, now: Instant): void {
    const on = this.#uplinks.interfaceOf(like);
    const linkId = on && this.host.openSocket(on, this.#nextPort++);
    if (linkId !== undefined) this.#sockets.add(linkId);
    this.mostSockets = Math.max(this.mostSockets, this.#sockets.size);
    this.mesh.handleSocketOpened(nodeId, linkId, this.#time(now));
  }

  #apply(effect: MeshEffect, now: Instant): void {
    switch (effect.kind) {
      case "open-stream":
        this.#openStream(effect.streamId, effect.endpoint.address);
        return;
      case "close-stream":
        this.#streams.get(effect.streamId)?.stream.close();
        this.#streams.delete(effect.streamId);
        return;
      case "open-socket":
        this.#openSocket(effect.nodeId, effect.like, now);
        return;
      case "close-socket":
        this.#sockets.delete(effect.linkId);
        this.host.closeSocket(effect.linkId);
        return;
      case "send-datagram":
        this.#outgoing.push({ to: effect.to, bytes: effect.bytes });
        return;
      case "send-call":
        this.#options.signalling.send(this.name, effect.nodeId, parseBase64(effect.sealed) ?? new Uint8Array());
        return;
      case "notice":
        this.notices.push(effect.text);
        return;
      case "add-peer":
        this.engine.addPeer(effect.nodeId);
        return;
      case "remove-peer":
        this.engine.removePeer(effect.nodeId);
        this.#looks.forget(effect.nodeId);
        return;
      case "set-paths":
        this.engine.setPaths(effect.nodeId, effect.paths, effect.mode);
        return;
      case "install-session":
        this.engine.installSession(effect.nodeId, effect.session, now);
        return;
      case "remove-session":
        this.engine.removeSession(effect.nodeId, effect.localIndex);
        return;
      case "send-inner": {
        const event = this.engine.sendInner(effect.nodeId, effect.packet, now);
        if (event !== undefined) this.#handleEngineEvent(event, this.#time(now));
        return;
      }
      case "send-keepalive":
        this.engine.sendKeepalive(effect.nodeId, now);
        return;
      case "drop-staged":
        this.engine.dropStaged(effect.nodeId);
        return;
      case "set-allowed-ips":
        return;
    }
  }
}
