/**
 * The packet engine's part in a virtual network: sessions, staging, path tables and traffic facts of one node, with
 * packets that stand for data. It keeps the rules of the engine's contract (packages/engine/src/contract.ts) that the
 * control plane relies on; nothing is encrypted, but a packet opens only with the key and
 * the cipher it was sealed with.
 */
import { concatBytes, encodeHex, encodeUtf8, parseHex } from "@asterism/core/bytes";
import type { MeshPath, MeshSession } from "@asterism/core/mesh";
import type { PathAddress } from "@asterism/core/net";
import { pathAddressEquals } from "@asterism/core/net";
import type { TrafficMode } from "@asterism/core/paths";
import type { Instant } from "@asterism/core/time";
import { NO_TRAFFIC, type TrafficFacts } from "@asterism/core/wireguard";

/** Data packets the engine holds for a peer without a session. */
const MAX_STAGED = 16;
const NEVER = 0 as Instant;

interface Session {
  readonly localIndex: number;
  readonly remoteIndex: number;
  readonly aead: MeshSession["aead"];
  readonly sendKey: string;
  readonly receiveKey: string;
  readonly expiresAt: Instant;
  nextCounter: number;
  /** Counters of the packets received, against duplicates and replays. */
  readonly seen: Set<number>; // bounded: REPLAY_WINDOW, oldest dropped
}

interface EnginePeer {
  current: Session | undefined;
  previous: Session | undefined;
  next: Session | undefined;
  paths: readonly MeshPath[];
  mode: TrafficMode;
  /** Packets that were spread. */
  spread: number;
  readonly staged: string[]; // bounded: MAX_STAGED, oldest dropped
  facts: { -readonly [K in keyof TrafficFacts]: TrafficFacts[K] };
  neededAt: Instant;
}

/** A data packet on the wire: JSON behind the type byte of WireGuard's transport data. */
interface Sealed {
  readonly index: number;
  readonly key: string;
  readonly aead: MeshSession["aead"];
  readonly counter: number;
  /** Empty for a keepalive. */
  readonly payload: string;
}

export type VirtualEngineEvent =
  | { readonly kind: "session-needed"; readonly nodeId: string }
  | { readonly kind: "session-confirmed"; readonly nodeId: string; readonly localIndex: number }
  | { readonly kind: "roamed"; readonly nodeId: string; readonly from: PathAddress }
  | { readonly kind: "inner"; readonly nodeId: string; readonly packet: Uint8Array }
  | { readonly kind: "delivered"; readonly nodeId: string; readonly payload: string };

const DATA_TYPE = 4;
const DATA_HEADER = Uint8Array.of(DATA_TYPE, 0, 0, 0);
const REPLAY_WINDOW = 8_192;
/** Payloads that stand for inner packets of the agents themselves, in hex. */
const INNER_PREFIX = "inner:";

export class VirtualEngine {
  readonly #peers = new Map<string, EnginePeer>(); // bounded: by the scenario
  readonly #send: (to: PathAddress, bytes: Uint8Array) => void;

  constructor(send: (to: PathAddress, bytes: Uint8Array) => void) {
    this.#send = send;
  }

  addPeer(nodeId: string): void {
    this.#peers.set(nodeId, {
      current: undefined,
      previous: undefined,
      next: undefined,
      paths: [],
      mode: "best",
      spread: 0,
      staged: [],
      facts: { ...NO_TRAFFIC },
      neededAt: NEVER,
    });
  }

  removePeer(nodeId: string): void {
    this.#peers.delete(nodeId);
  }

  setPaths(nodeId: string, paths: readonly MeshPath[], mode: TrafficMode): void {
    const peer = this.#peer(nodeId);
    peer.paths = paths;
    peer.mode = mode;
  }

  paths(nodeId: string): readonly MeshPath[] {
    return this.#peer(nodeId).paths;
  }

  mode(nodeId: string): TrafficMode {
    return this.#peer(nodeId).mode;
  }

  facts(nodeId: string): TrafficFacts {
    return { ...this.#peer(nodeId).facts };
  }

  /** Node ids of peers with a session, for which the shell reads the counters. */
  peersWithSession(): string[] {
    return [...this.#peers].filter(([, { current, next }]) => current ?? next).map(([nodeId]) => nodeId);
  }

  get hasSession(): boolean {
    for (const { current, next } of this.#peers.values()) if ((current ?? next) !== undefined) return true;
    return false;
  }

  aeadOf(nodeId: string): MeshSession["aead"] | undefined {
    return this.#peer(nodeId).current?.aead;
  }

  sessionCount(nodeId: string): number {
    const { current, previous, next } = this.#peer(nodeId);
    return [current, previous, next].filter((session) => session !== undefined).length;
  }

  installSession(nodeId: string, session: MeshSession, now: Instant): void {
    const peer = this.#peer(nodeId);
    const installed: Session = {
      localIndex: session.localIndex,
      remoteIndex: session.remoteIndex,
      aead: session.aead,
      sendKey: encodeHex(session.sendKey),
      receiveKey: encodeHex(session.receiveKey),
      expiresAt: session.expiresAt,
      nextCounter: 0,
      seen: new Set(),
    };
    if (session.role === "responder") {
      peer.next = installed;
      return;
    }
    peer.previous = peer.next ?? peer.current;
    peer.next = undefined;
    peer.current = installed;
    this.#flush(peer, now);
  }

  removeSession(nodeId: string, localIndex: number): void {
    const peer = this.#peer(nodeId);
    if (peer.current?.localIndex === localIndex) peer.current = undefined;
    if (peer.previous?.localIndex === localIndex) peer.previous = undefined;
    if (peer.next?.localIndex === localIndex) peer.next = undefined;
  }

  dropStaged(nodeId: string): void {
    this.#peer(nodeId).staged.length = 0;
  }

  sendKeepalive(nodeId: string, now: Instant): void {
    this.#seal(this.#peer(nodeId), "", now);
  }

  /** A packet of the host for a peer. */
  sendData(nodeId: string, payload: string, now: Instant): VirtualEngineEvent | undefined {
    const peer = this.#peer(nodeId);
    if (this.#seal(peer, payload, now)) return undefined;
    peer.staged.push(payload);
    if (peer.staged.length > MAX_STAGED) peer.staged.shift();
    if (peer.neededAt !== NEVER && now - peer.neededAt < 1_000) return undefined;
    peer.neededAt = now;
    return { kind: "session-needed", nodeId };
  }

  /** A message of the agent itself to its peer. */
  sendInner(nodeId: string, packet: Uint8Array, now: Instant): VirtualEngineEvent | undefined {
    return this.sendData(nodeId, INNER_PREFIX + encodeHex(packet), now);
  }

  /** True of transport data, which is for `receive`; everything else is for the mesh. */
  static looksLikeData(bytes: Uint8Array): boolean {
    return bytes[0] === DATA_TYPE && bytes[1] === 0 && bytes[2] === 0 && bytes[3] === 0;
  }

  receive(bytes: Uint8Array, from: PathAddress, now: Instant): VirtualEngineEvent[] {
    const sealed = JSON.parse(new TextDecoder().decode(bytes.subarray(4))) as Sealed;
    for (const [nodeId, peer] of this.#peers) {
      const session = [peer.current, peer.previous, peer.next].find(
        (candidate) =>
          candidate?.localIndex === sealed.index &&
          candidate.receiveKey === sealed.key &&
          candidate.aead === sealed.aead,
      );
      if (session === undefined || now >= session.expiresAt || !isNew(session, sealed.counter)) continue;
      return this.#accept(nodeId, peer, session, sealed, from, now);
    }
    return [];
  }

  #accept(
    nodeId: string,
    peer: EnginePeer,
    session: Session,
    sealed: Sealed,
    from: PathAddress,
    now: Instant,
  ): VirtualEngineEvent[] {
    const events: VirtualEngineEvent[] = [];
    if (session === peer.next) {
      peer.previous = peer.current;
      peer.current = session;
      peer.next = undefined;
      events.push({ kind: "session-confirmed", nodeId, localIndex: session.localIndex });
    }
    peer.facts.lastReceivedAt = now;
    peer.facts.firstUnansweredSentAt = NEVER;
    if (!peer.paths.some((path) => pathAddressEquals(path, from))) events.push({ kind: "roamed", nodeId, from });
    if (isTraffic(sealed.payload)) {
      peer.facts.lastDataReceivedAt = now;
      if (peer.facts.firstUnacknowledgedReceivedAt === NEVER) peer.facts.firstUnacknowledgedReceivedAt = now;
    }
    if (sealed.payload !== "") events.push(deliver(nodeId, sealed.payload));
    this.#flush(peer, now);
    return events;
  }

  #flush(peer: EnginePeer, now: Instant): void {
    for (const payload of peer.staged.splice(0)) this.#seal(peer, payload, now);
  }

  /** False if no session or no path can carry the packet. */
  #seal(peer: EnginePeer, payload: string, now: Instant): boolean {
    const session = peer.current;
    const [path] = peer.paths;
    if (session === undefined || path === undefined || now >= session.expiresAt) return false;
    const { remoteIndex: index, sendKey: key, aead } = session;
    const sealed: Sealed = { index, key, aead, counter: session.nextCounter++, payload };
    const bytes = concatBytes(DATA_HEADER, encodeUtf8(JSON.stringify(sealed)));
    for (const carrier of carriersOf(peer)) this.#send(carrier, bytes);
    peer.facts.lastSentAt = now;
    peer.facts.firstUnacknowledgedReceivedAt = NEVER;
    if (isTraffic(payload)) {
      peer.facts.lastDataSentAt = now;
      if (peer.facts.firstUnansweredSentAt === NEVER) peer.facts.firstUnansweredSentAt = now;
    }
    return true;
  }

  #peer(nodeId: string): EnginePeer {
    const peer = this.#peers.get(nodeId);
    if (peer === undefined) throw new RangeError(`the virtual engine has no peer ${nodeId}`);
    return peer;
  }
}

/** Somebody's, and neither empty nor a message of the agents. */
function isTraffic(payload: string): boolean {
  return payload !== "" && !payload.startsWith(INNER_PREFIX);
}

/** Where a packet goes: in turn, where the engine would look at what the paths do. */
function carriersOf(peer: EnginePeer): readonly MeshPath[] {
  const carriers = peer.paths.filter(({ weight }) => weight > 0);
  if (peer.mode === "redundant") return carriers;
  const place = peer.mode === "best" ? 0 : peer.spread++ % carriers.length;
  return carriers.slice(place, place + 1);
}

function isNew({ seen }: Session, counter: number): boolean {
  if (seen.has(counter)) return false;
  seen.add(counter);
  if (seen.size > REPLAY_WINDOW) seen.delete(seen.values().next().value ?? counter);
  return true;
}

function deliver(nodeId: string, payload: string): VirtualEngineEvent {
  if (!payload.startsWith(INNER_PREFIX)) return { kind: "delivered", nodeId, payload };
  return { kind: "inner", nodeId, packet: parseHex(payload.slice(INNER_PREFIX.length)) ?? new Uint8Array() };
}
