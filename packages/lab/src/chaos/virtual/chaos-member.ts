/**
 * A member of the chaos run: the virtual node with what the agent does around a mesh. It keeps on disk what the agent
 * keeps (keys, pins, addresses of peers, who was connected), and may be killed and started anew.
 */
import { nodeCrypto } from "@asterism/agent/node-crypto";
import type { AgentPeerInfo, RelaysMessage } from "@asterism/core/control";
import type { Crypto } from "@asterism/core/identity";
import type { Pin } from "@asterism/core/mesh";
import { candidatePriority, type RemoteCandidate } from "@asterism/core/paths";
import { type MeshIdentity, MeshNode } from "../../virtual-internet/mesh-node.ts";
import type { SeededRandom } from "../../virtual-internet/seeded-random.ts";
import type { VirtualHost, VirtualInterface } from "../../virtual-internet/virtual-host.ts";
import type { ControlPlane, StreamOwner } from "./control-plane.ts";
import type { Site } from "./site.ts";

export interface ChaosMemberOptions {
  readonly number: number;
  readonly host: VirtualHost;
  readonly home: Site;
  readonly control: ControlPlane;
  readonly random: SeededRandom;
  readonly nextAddress: () => string;
  readonly relays: () => RelaysMessage;
  readonly others: (than: ChaosMember) => readonly AgentPeerInfo[];
  readonly onDelivered: (to: ChaosMember, from: string, payload: string) => void;
}

/** What the agent's state folder has. */
interface Disk {
  readonly identity: MeshIdentity;
  readonly pins: ReadonlyMap<string, Pin>;
  readonly endpoints: ReadonlyMap<string, readonly RemoteCandidate[]>;
  readonly connected: readonly string[];
}

/** Network events of the kernel come in bursts, which the agent lets settle. */
const SETTLE_MS = 250;
/** The agent saves what it has learnt so often. */
const SAVE_MS = 10_000;
const MAX_REMEMBERED = 8;

export class ChaosMember implements StreamOwner {
  readonly number: number;
  readonly host: VirtualHost;
  readonly uplink: VirtualInterface;
  readonly home: Site;
  site: Site;
  /** Faults under way that keep it from the server. */
  serverTroubles = 0;
  readonly #options: ChaosMemberOptions;
  readonly #crypto: Crypto = nodeCrypto;
  #node: MeshNode | undefined;
  #disk: Disk | undefined;
  #info: AgentPeerInfo;
  #hasChangePlanned = false;

  constructor(options: ChaosMemberOptions) {
    this.#options = options;
    this.number = options.number;
    this.host = options.host;
    this.home = options.home;
    this.site = options.home;
    this.uplink = this.host.connect(this.site.segment, this.site.lease(options.nextAddress));
    this.#node = this.#createNode();
    this.#info = this.#node.info;
  }

  get name(): string {
    return this.host.name;
  }

  get info(): AgentPeerInfo {
    return this.#info;
  }

  /** Undefined while the agent does not run. */
  get node(): MeshNode | undefined {
    return this.#node;
  }

  get isAwake(): boolean {
    return !this.host.isAsleep;
  }

  /** Its cable is in, and the line of its site works. */
  get hasLine(): boolean {
    return this.uplink.attachment.isUp && this.site.routers.every(({ line }) => line.isUp);
  }

  reachesServer(): boolean {
    return this.isAwake && this.hasLine && this.serverTroubles === 0;
  }

  // The agent

  /** Comes up with what is on disk, as the agent does. */
  start(): void {
    if (this.#node === undefined) this.#node = this.#createNode();
    const node = this.#node;
    this.#options.control.start(this);
    const disk = this.#disk;
    node.act((mesh, time) => {
      mesh.handleSignallingLost(time);
      mesh.handleRelays(this.#options.relays(), time);
      mesh.handleMap(this.#options.others(this), time);
      for (const [nodeId, endpoints] of disk?.endpoints ?? []) mesh.handleRememberedCandidates(nodeId, endpoints, time);
    });
    node.addUplink(this.uplink);
    node.act((mesh, time) => {
      for (const nodeId of disk?.connected ?? []) mesh.handleSessionNeeded(nodeId, time);
    });
  }

  /** Without a word, as by a signal that can't be caught. */
  kill(): void {
    this.save();
    this.#node?.stop();
    this.#node = undefined;
    this.#options.control.stop(this.name);
  }

  get saveIntervalMs(): number {
    return SAVE_MS;
  }

  /** Writes down what the next run wants to know. */
  save(): void {
    const node = this.#node;
    if (node === undefined) return;
    const endpoints = new Map<string, readonly RemoteCandidate[]>();
    for (const [nodeId, peer] of node.mesh.peers) {
      const found = peer.table.filter(({ channel }) => channel === null).slice(0, MAX_REMEMBERED);
      const known = this.#disk?.endpoints.get(nodeId);
      const remembered = found.map(({ remote, relayed }): RemoteCandidate => {
        const kind = relayed ? "relayed" : "host";
        return { kind, address: remote, priority: candidatePriority(kind, 0) };
      });
      if (remembered.length > 0) endpoints.set(nodeId, remembered);
      else if (known !== undefined) endpoints.set(nodeId, known);
    }
    const { identity, mesh, engine } = node;
    this.#disk = { identity, pins: new Map(mesh.roster.pins), endpoints, connected: engine.peersWithSession() };
  }

  onLost(): void {
    this.#node?.act((mesh, time) => mesh.handleSignallingLost(time));
  }

  onCallFailed(name: string): void {
    this.#node?.act((mesh, time) => mesh.handleCallFailed(name, time));
  }

  onConnected(): void {
    const node = this.#node;
    node?.act((mesh, time) => {
      mesh.handleServerTime(Math.round(node.host.trueWallNow - time.wall), time);
      mesh.handleSignallingReady(time);
      mesh.handleRelays(this.#options.relays(), time);
    });
  }

  onOnline(name: string): void {
    this.#node?.act((mesh, time) => mesh.handlePeerOnline(name, time));
  }

  // The host

  /** Addresses, links or routes have changed: the agent hears of it a moment later. */
  handleNetworkChange(after: (run: () => void) => void): void {
    if (this.#hasChangePlanned) return;
    this.#hasChangePlanned = true;
    after(() => {
      this.#hasChangePlanned = false;
      if (!this.isAwake) {
        this.handleNetworkChange(after);
        return;
      }
      this.#node?.offerCandidates();
      this.#node?.act((mesh, time) => mesh.handleResume(time));
      this.#options.control.reconnectNow(this.name);
    });
  }

  /** The agent was not run for a while. What the server's clock shows is asked anew: calls carry it. */
  handleWake(): void {
    if (!this.isAwake) return;
    this.#node?.act((mesh, time) => mesh.handleResume(time));
    this.#options.control.restart(this.name);
  }

  get settleMs(): number {
    return SETTLE_MS;
  }

  /** The host is carried to another place. */
  moveTo(site: Site): void {
    const { isUp } = this.uplink.attachment;
    this.site = site;
    this.uplink.moveTo(site.segment, site.lease(this.#options.nextAddress));
    this.uplink.attachment.isUp = isUp;
  }

  #createNode(): MeshNode {
    const { host, control, random, number, onDelivered } = this.#options;
    const disk = this.#disk;
    return new MeshNode({
      host,
      signalling: control,
      crypto: this.#crypto,
      seed: random.uint32(),
      number,
      onDelivered: (from, payload) => onDelivered(this, from, payload),
      ...(disk === undefined ? {} : { identity: disk.identity, pins: disk.pins }),
    });
  }
}
