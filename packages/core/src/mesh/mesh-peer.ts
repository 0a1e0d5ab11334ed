import type { IpRange } from "../addresses/index.ts";
import { encodeBase64, parseBase64 } from "../bytes/index.ts";
import type { Crypto } from "../identity/index.ts";
import { publicKeyBytes } from "../identity/index.ts";
import type { NatFacts, PortPrediction } from "../nat/index.ts";
import { type LinkId, type PathAddress, pathAddressEquals } from "../net/index.ts";
import {
  type CallBody,
  CallBox,
  type CallDropReason,
  derivePairKeys,
  MULTIPATH_CAPABILITY,
  type PairKeys,
  PeerPaths,
  type PeerPathsEvent,
  type PunchTurn,
  predictionsOf,
  type TargetBudget,
  type TrafficMode,
  type UsablePath,
} from "../paths/index.ts";
import type { RandomBytes } from "../random.ts";
import { addMs, type Instant, type WallTime } from "../time.ts";
import type { PeerHandle } from "../wireguard/index.ts";
import type { Aead, MeshEffect, MeshPath } from "./effects.ts";
import { passphraseProof } from "./passphrase-proof.ts";
import type { VerifiedPeer } from "./roster.ts";

/** A handshake message that found no path is worth sending later for as long as its sender waits for the answer. */
const HELD_MESSAGE_MS = 5_000;
/** Addresses that it is sent to before one is proven. */
const MAX_EARLY_SENDS = 3;

export interface MeshPeerOptions {
  readonly peer: VerifiedPeer;
  readonly handle: PeerHandle;
  readonly crypto: Crypto;
  readonly random: RandomBytes;
  readonly nodePrivateKey: Uint8Array;
  readonly nodePublicKey: Uint8Array;
  readonly presharedKey: Uint8Array | null;
  readonly overlayRanges: readonly IpRange[];
  readonly overlayMtuBytes: number;
  readonly aead: Aead;
  /** Of all peers together. */
  readonly targets: TargetBudget;
  readonly punchTurn: PunchTurn;
  readonly mayPunch: () => boolean;
  readonly ownPorts: () => readonly PortPrediction[];
}

/** Something that keeps a tunnel from coming up, whatever the paths. */
export interface PeerProblem {
  readonly code: "passphrase-differs" | "node-key-unusable";
  /** For people. */
  readonly text: string;
}

export type CallOutcome =
  | { readonly kind: "handled" }
  | { readonly kind: "dropped"; readonly reason: string }
  /** `reply`: what tells the caller, whose offer it was, that the passphrases differ; null if it knows. */
  | { readonly kind: "passphrase-differs"; readonly reply: CallBody | null };

/**
 * One peer of a mesh: its paths, its calls, and what was said to the engine about them.
 *
 * An agent has a path machine. A stock WireGuard client has none: it is reached where its authenticated packets come
 * from. The same holds for an agent for as long as no path of its is proven (`provisional`).
 */
export class MeshPeer {
  readonly handle: PeerHandle;
  readonly aead: Aead;
  readonly paths: PeerPaths | undefined;
  /** The peer's checks carry this; undefined for a stock client. */
  readonly checkId: string | undefined;
  #peer: VerifiedPeer;
  readonly #calls: CallBox | undefined;
  readonly #presharedKey: Uint8Array | null;
  readonly #keys: PairKeys | undefined;
  #earlySends = 0;
  #usable: readonly UsablePath[] = [];
  #mode: TrafficMode = "best";
  #provisional: PathAddress | undefined;
  #held: { readonly bytes: Uint8Array; readonly until: Instant; readonly wasSent: boolean } | undefined;
  #nats: readonly NatFacts[] | null = null;
  #ports: readonly PortPrediction[] = [];
  #callDrop: CallDropReason | null = null;
  /** What is wrong with this peer; null if nothing is. */
  problem: PeerProblem | null = null;

  constructor(options: MeshPeerOptions) {
    const { peer, crypto, random, presharedKey } = options;
    this.#peer = peer;
    this.handle = options.handle;
    this.aead = options.aead;
    this.#presharedKey = presharedKey;
    const keys = peer.kind === "agent" ? pairKeys(options) : null;
    if (keys === null) return;
    this.#keys = keys;
    this.#calls = new CallBox({ keys, crypto, random });
    this.paths = new PeerPaths({ ...options, keys });
    this.checkId = keys.receiveCheckId;
  }

  /** The peer's NATs as its last call tells them; null before one, and of a peer that does not tell. */
  get nats(): readonly NatFacts[] | null {
    return this.#nats;
  }

  /** Where its NATs will likely map its next sockets to, as its last call tells. */
  get ports(): readonly PortPrediction[] {
    return this.#ports;
  }

  /** Why its last call was not taken; null if it was, or there was none. */
  get callDrop(): CallDropReason | null {
    return this.#callDrop;
  }

  get peer(): VerifiedPeer {
    return this.#peer;
  }

  /** In which mode packets travel: what was chosen for this peer, and the network's default. */
  setMode(own: TrafficMode | null, network: TrafficMode | null, now: Instant): void {
    const isPeerAble = this.#peer.capabilities.includes(MULTIPATH_CAPABILITY);
    this.paths?.setMode({ own, network, isPeerAble }, now);
  }

  /** The member's facts in the map have changed, its node key has not. */
  update(peer: VerifiedPeer): void {
    this.#peer = peer;
  }

  /** Remote addresses of the engine's path table, best first. */
  get table(): readonly MeshPath[] {
    if (this.#usable.length > 0) {
      return this.#usable.map(({ address, kind, weight, mtuBytes, capBytesPerSecond }) => ({
        ...address,
        relayed: kind === "relayed",
        weight,
        mtuBytes,
        ...(capBytesPerSecond === undefined ? {} : { capBytesPerSecond }),
      }));
    }
    const provisional = this.#provisional;
    if (provisional === undefined) return [];
    return [{ ...provisional, relayed: this.isRelayed(provisional), weight: 1, mtuBytes: 0 }];
  }

  /** Whether the path in use leads over one of these links, or over one that is no more. */
  usesLink(links: ReadonlySet<LinkId>): boolean {
    const [active] = this.#usable;
    return active === undefined || links.has(active.address.linkId);
  }

  /** Packets go by several paths, as far as the engine can. */
  get isSpread(): boolean {
    return this.#mode !== "best";
  }

  /** Whether what comes from here, or goes there, passes a relay. */
  isRelayed(address: PathAddress): boolean {
    return this.paths?.isRelayed(address) ?? address.channel !== null;
  }

  /** An authenticated packet came from here. True if the engine's table changed. */
  handleAuthenticated(from: PathAddress, now: Instant): boolean {
    this.paths?.handleRoamed(from, now);
    // A proven path is better, and when it dies this address says nothing any more.
    if (this.#usable.length > 0) return false;
    const before = this.#provisional;
    this.#provisional = from;
    return before === undefined || !pathAddressEquals(before, from);
  }

  /** The link is gone. Undefined if the engine's table has nothing of it. */
  forgetLink(linkId: LinkId): MeshEffect | undefined {
    if (this.#provisional?.linkId !== linkId) return undefined;
    this.#provisional = undefined;
    return this.tableEffect();
  }

  /** The path machine has another table. */
  handlePaths(event: Extract<PeerPathsEvent, { kind: "paths" }>): MeshEffect {
    this.#usable = event.paths;
    this.#mode = event.mode;
    // Once paths were proven, an old unproven address is no fallback any more.
    if (event.paths.length > 0) this.#provisional = undefined;
    return this.tableEffect();
  }

  /** Brings the engine's path table up to date. */
  tableEffect(): MeshEffect {
    return { kind: "set-paths", nodeId: this.#peer.nodeId, paths: this.table, mode: this.#mode };
  }

  /** Where a handshake message goes: the best path, or all in doubt. Held for a while if none is sure to carry it. */
  routeHandshake(bytes: Uint8Array, now: Instant): PathAddress[] {
    const targets = this.#handshakeTargets();
    const isSure = targets.length > 0 && this.#usable[0]?.trusted !== false;
    this.#held = isSure ? undefined : { bytes, until: addMs(now, HELD_MESSAGE_MS), wasSent: targets.length > 0 };
    this.#earlySends = 0;
    return targets;
  }

  /**
   * The handshake message that waits for a path, if a check of the peer has come from an address: the peer is likely to
   * be reached there, and to wait for the proof would cost a round trip. It stays, in case it is lost.
   */
  peekHeld(now: Instant): Uint8Array | undefined {
    const held = this.#held;
    if (held === undefined || now >= held.until || this.#earlySends >= MAX_EARLY_SENDS) return undefined;
    this.#earlySends += 1;
    return held.bytes;
  }

  /** There is a session: what waits for a path is answered already. */
  dropHeld(): void {
    this.#held = undefined;
  }

  /** The handshake message that waited for a path, or for one that is known to work, now that there is one. */
  takeHeld(now: Instant): Uint8Array | undefined {
    if (this.#held === undefined || this.table.length === 0) return undefined;
    if (this.#held.wasSent && this.#usable[0]?.trusted !== true) return undefined;
    const { bytes, until } = this.#held;
    this.#held = undefined;
    return now < until ? bytes : undefined;
  }

  #handshakeTargets(): PathAddress[] {
    const [best] = this.#usable;
    if (best === undefined) return this.#provisional === undefined ? [] : [this.#provisional];
    // A responder answers duplicates with the same response (10 s), so doubt costs a packet, not a session.
    return best.trusted ? [best.address] : this.#usable.map(({ address }) => address);
  }

  sealCall(body: CallBody, wall: WallTime): string | undefined {
    if (this.#calls === undefined || this.#keys === undefined) return undefined;
    const proof = this.#presharedKey === null ? null : passphraseProof(this.#presharedKey, body.callId);
    return encodeBase64(this.#calls.seal(body, proof, wall));
  }

  openCall(sealed: string, now: Instant, wall: WallTime): CallOutcome {
    const bytes = parseBase64(sealed);
    if (this.#calls === undefined || this.paths === undefined)
      return { kind: "dropped", reason: "call-to-stock-client" };
    if (bytes === undefined) return { kind: "dropped", reason: "call-malformed" };
    const opened = this.#calls.open(bytes, wall);
    // A copy of an old call says nothing about the peer.
    if (opened.ok || opened.reason !== "call-replayed") this.#callDrop = opened.ok ? null : opened.reason;
    if (!opened.ok) return { kind: "dropped", reason: opened.reason };
    const expected = this.#presharedKey === null ? null : passphraseProof(this.#presharedKey, opened.body.callId);
    if (opened.passphraseProof !== expected) {
      // An answer carries this side's proof, and nothing else of use.
      const { type, callId } = opened.body;
      return {
        kind: "passphrase-differs",
        reply: type === "offer" ? { type: "answer", callId, candidates: [] } : null,
      };
    }
    const { nats, ports = [], candidates } = opened.body;
    this.#nats = nats ?? this.#nats;
    this.#ports = predictionsOf(ports, candidates, now);
    this.paths.handleCall(opened.body, now);
    return { kind: "handled" };
  }
}

function pairKeys(options: MeshPeerOptions): PairKeys | null {
  const remotePublicKey = publicKeyBytes(options.peer.nodeKey);
  return derivePairKeys({
    sharedSecret: options.crypto.x25519(options.nodePrivateKey, remotePublicKey),
    localPublicKey: options.nodePublicKey,
    remotePublicKey,
  });
}
