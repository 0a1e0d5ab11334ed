import type { ServerContext } from "../context.ts";
import type { Change } from "../domain/change.ts";
import { type MapDifference, type MapPosition, readDifference } from "../operations/network-map.ts";
import { readNetworkRelays } from "../operations/relays.ts";
import { setLastSeen } from "../store/nodes.ts";
import type { ControlStream } from "./control-stream.ts";
import type { RelaysOfNetwork } from "./relay-updates.ts";

/**
 * Presence changes of one network are told together, this long after the first of them: the longer, the more there are
 * to tell, since each change is a message to everybody. A thousand who come back one by one would cost a million.
 */
const PRESENCE_DELAY_MS = 20;
const PRESENCE_DELAY_PER_STREAM_MS = 1;
const MAX_PRESENCE_DELAY_MS = 5_000;

interface NetworkStreams {
  readonly streams: Map<string, ControlStream>; // bounded: the hub's maxStreams
  readonly cameOnline: Set<string>;
  readonly wentOffline: Set<string>;
  presenceTimer: NodeJS.Timeout | undefined;
  /** Differences up to the newest version that streams asked for, by the version they start from. */
  readonly differences: Map<string, Promise<MapDifference | undefined>>; // bounded: MAX_CACHED_DIFFERENCES
  relays: Promise<RelaysOfNetwork> | undefined;
}

const MAX_CACHED_DIFFERENCES = 64;

/**
 * Knows which members have a control stream and brings changes to them. Everything here is about connections of this
 * process; what must outlive it is in the database.
 */
export class StreamHub {
  readonly #context: ServerContext;
  readonly #networks = new Map<string, NetworkStreams>(); // bounded: one entry per network with a stream

  constructor(context: ServerContext) {
    this.#context = context;
  }

  /** Takes in a stream that has authenticated; a former one of the same node is closed. */
  add(stream: ControlStream, nodeId: string, networkId: string): void {
    const network = this.#network(networkId);
    const former = network.streams.get(nodeId);
    network.streams.set(nodeId, stream);
    this.#context.memberRelays.doubt(networkId, nodeId, this.#context.wallNow());
    if (former !== undefined) former.end("stream-replaced", "Another stream of this device took over.");
    else this.#tellPresence(networkId, network, nodeId, true);
  }

  remove(stream: ControlStream, nodeId: string, networkId: string): void {
    const network = this.#networks.get(networkId);
    if (network?.streams.get(nodeId) !== stream) return; // a newer stream has taken over
    network.streams.delete(nodeId);
    this.#context.memberRelays.doubt(networkId, nodeId, this.#context.wallNow());
    this.#tellPresence(networkId, network, nodeId, false);
    setLastSeen(this.#context.db, [nodeId], this.#context.wallNow()).catch((error: unknown) => {
      this.#context.log.error({ err: error, nodeId }, "last seen time could not be stored");
    });
  }

  isOnline(networkId: string, nodeId: string): boolean {
    return this.#networks.get(networkId)?.streams.has(nodeId) === true;
  }

  /** The stream of a node that can be called. */
  findCallee(networkId: string, nodeId: string): ControlStream | undefined {
    const stream = this.#networks.get(networkId)?.streams.get(nodeId);
    return stream?.hasMap === true ? stream : undefined;
  }

  onlineCount(networkId: string): number {
    return this.#networks.get(networkId)?.streams.size ?? 0;
  }

  online(networkId: string): string[] {
    return [...(this.#networks.get(networkId)?.streams.keys() ?? [])];
  }

  /** All nodes that have a stream. */
  allOnline(): string[] {
    return [...this.#networks.values()].flatMap((network) => [...network.streams.keys()]);
  }

  /** Tells the streams what an operation changed. Called after the change is on the disk. */
  publish(changes: readonly Change[]): void {
    for (const change of changes) this.#publishOne(change);
  }

  #publishOne(change: Change): void {
    const network = this.#networks.get(change.networkId);
    switch (change.kind) {
      case "removed":
        network?.streams.get(change.nodeId)?.end("device-removed", change.reason);
        // A relay that the device offered is gone with it.
        if (this.#context.memberRelays.remove(change.networkId, change.nodeId)) this.#relaysChanged(network);
        return;
      case "relays":
        this.#relaysChanged(network);
        return;
      case "map":
        network?.differences.clear();
        for (const stream of network?.streams.values() ?? []) stream.synchronise();
    }
  }

  #relaysChanged(network: NetworkStreams | undefined): void {
    if (network === undefined) return;
    network.relays = undefined;
    for (const stream of network.streams.values()) stream.updateRelays();
  }

  /** What changed in a network since `from`; streams at the same version share one query. */
  differenceSince(networkId: string, from: MapPosition): Promise<MapDifference | undefined> {
    const { differences } = this.#network(networkId);
    const key = `${from.epoch}/${from.version}`;
    const known = differences.get(key);
    if (known !== undefined) return known;
    if (differences.size >= MAX_CACHED_DIFFERENCES) differences.clear();
    const difference = readDifference(this.#context.db, networkId, from);
    differences.set(key, difference);
    // A failed query is not worth keeping; whoever asked deals with the error.
    difference.catch(() => differences.delete(key));
    return difference;
  }

  /** The relays of a network; read once for all its streams. */
  relaysOf(networkId: string): Promise<RelaysOfNetwork> {
    const network = this.#network(networkId);
    if (network.relays !== undefined) return network.relays;
    const reading = readNetworkRelays(this.#context, networkId).then((relays) => ({
      relays,
      content: JSON.stringify(relays),
    }));
    network.relays = reading;
    reading.catch(() => {
      if (network.relays === reading) network.relays = undefined;
    });
    return reading;
  }

  /** Lets every stream look whether its agent needs to hear of relays; `readAgain`: their addresses may have changed. */
  updateRelays(readAgain: boolean): void {
    for (const network of this.#networks.values()) {
      if (readAgain) network.relays = undefined;
      for (const stream of network.streams.values()) stream.updateRelays();
    }
  }

  /** Ends all streams, telling agents to come back after a time that differs from one to the next. */
  shutdown(spreadMs: number): void {
    for (const network of this.#networks.values()) {
      clearTimeout(network.presenceTimer);
      for (const stream of network.streams.values()) stream.endForRestart(Math.floor(Math.random() * spreadMs));
    }
  }

  #network(networkId: string): NetworkStreams {
    const known = this.#networks.get(networkId);
    if (known !== undefined) return known;
    const network: NetworkStreams = {
      streams: new Map(),
      cameOnline: new Set(),
      wentOffline: new Set(),
      presenceTimer: undefined,
      differences: new Map(),
      relays: undefined,
    };
    this.#networks.set(networkId, network);
    return network;
  }

  #tellPresence(networkId: string, network: NetworkStreams, nodeId: string, online: boolean): void {
    (online ? network.cameOnline : network.wentOffline).add(nodeId);
    (online ? network.wentOffline : network.cameOnline).delete(nodeId);
    network.presenceTimer ??= setTimeout(() => {
      network.presenceTimer = undefined;
      const cameOnline = [...network.cameOnline];
      const wentOffline = [...network.wentOffline];
      network.cameOnline.clear();
      network.wentOffline.clear();
      for (const stream of network.streams.values()) stream.tellPresence(cameOnline, wentOffline);
      if (network.streams.size === 0) this.#networks.delete(networkId);
    }, presenceDelayMs(network.streams.size));
  }
}

function presenceDelayMs(streams: number): number {
  return Math.min(PRESENCE_DELAY_MS + streams * PRESENCE_DELAY_PER_STREAM_MS, MAX_PRESENCE_DELAY_MS);
}
