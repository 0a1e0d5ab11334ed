import type { IpRange } from "../addresses/index.ts";
import { type Crypto, publicKeyBytes } from "../identity/index.ts";
import type { PortPrediction } from "../nat/index.ts";
import type { LinkId } from "../net/index.ts";
import { type PunchTurn, TargetBudget } from "../paths/index.ts";
import type { RandomBytes } from "../random.ts";
import type { WireGuard } from "../wireguard/index.ts";
import type { Aead, MeshEffect } from "./effects.ts";
import { MeshPeer } from "./mesh-peer.ts";
import { pairPresharedKey } from "./preshared-key.ts";
import type { VerifiedPeer } from "./roster.ts";

export interface MeshPeersOptions {
  readonly crypto: Crypto;
  readonly random: RandomBytes;
  readonly nodePrivateKey: Uint8Array;
  readonly stretchedSecret: Uint8Array | null;
  readonly overlayRanges: readonly IpRange[];
  readonly overlayMtuBytes: number;
  readonly aeads: readonly Aead[];
  readonly wireguard: WireGuard;
  readonly emit: (effect: MeshEffect) => void;
  readonly punchTurn: PunchTurn;
  readonly mayPunch: () => boolean;
  /** How this host's NATs give out ports. */
  readonly ownPorts: () => readonly PortPrediction[];
}

/** The peers of a mesh, as the map has them, by everything that tells them apart. */
export class MeshPeers {
  readonly #options: MeshPeersOptions;
  readonly #nodePublicKey: Uint8Array;
  readonly #targets = new TargetBudget();
  readonly #byNodeId = new Map<string, MeshPeer>(); // bounded: members of the map
  readonly #byHandle = new Map<number, MeshPeer>(); // bounded: likewise
  readonly #byCheckId = new Map<string, MeshPeer>(); // bounded: likewise

  constructor(options: MeshPeersOptions) {
    this.#options = options;
    this.#nodePublicKey = options.crypto.x25519PublicKey(options.nodePrivateKey);
  }

  /** IP addresses of the network's relays. */
  setRelayAddresses(addresses: Iterable<string>): void {
    this.#targets.setRelays(addresses);
  }

  get byNodeId(): ReadonlyMap<string, MeshPeer> {
    return this.#byNodeId;
  }

  all(): IterableIterator<MeshPeer> {
    return this.#byNodeId.values();
  }

  get(nodeId: string): MeshPeer | undefined {
    return this.#byNodeId.get(nodeId);
  }

  /** By the number that WireGuard gave it. */
  getByHandle(handle: number): MeshPeer | undefined {
    return this.#byHandle.get(handle);
  }

  /** By the USERNAME of its checks. */
  getByCheckId(checkId: string): MeshPeer | undefined {
    return this.#byCheckId.get(checkId);
  }

  /** Returns the peer if it is a new one: unknown so far, or with another node key. */
  upsert(verified: VerifiedPeer): MeshPeer | undefined {
    const { nodeId } = verified;
    const known = this.#byNodeId.get(nodeId);
    const allowedIps = [`${verified.ipv4}/32`, `${verified.ipv6}/128`];
    if (known !== undefined && known.peer.nodeKey === verified.nodeKey) {
      known.update(verified);
      this.#options.emit({ kind: "set-allowed-ips", nodeId, allowedIps });
      return undefined;
    }
    const peer = this.#create(verified);
    this.#byNodeId.set(nodeId, peer);
    this.#byHandle.set(peer.handle, peer);
    if (peer.checkId !== undefined) this.#byCheckId.set(peer.checkId, peer);
    this.#options.emit({ kind: "add-peer", nodeId, allowedIps });
    return peer;
  }

  /** The link is gone: nobody is reached there any more. */
  forgetLink(linkId: LinkId): void {
    for (const peer of this.#byNodeId.values()) {
      const effect = peer.forgetLink(linkId);
      if (effect !== undefined) this.#options.emit(effect);
    }
  }

  /** Returns the peer that was there. */
  remove(nodeId: string): MeshPeer | undefined {
    const peer = this.#byNodeId.get(nodeId);
    if (peer === undefined) return undefined;
    this.#options.wireguard.removePeer(peer.handle);
    this.#byNodeId.delete(nodeId);
    this.#byHandle.delete(peer.handle);
    if (peer.checkId !== undefined) this.#byCheckId.delete(peer.checkId);
    this.#options.emit({ kind: "remove-peer", nodeId });
    return peer;
  }

  #create(peer: VerifiedPeer): MeshPeer {
    const { crypto, random, nodePrivateKey, stretchedSecret, overlayRanges, overlayMtuBytes, wireguard, punchTurn } =
      this.#options;
    const publicKey = publicKeyBytes(peer.nodeKey);
    const presharedKey =
      stretchedSecret === null ? null : pairPresharedKey(crypto, stretchedSecret, this.#nodePublicKey, publicKey);
    const handle = wireguard.addPeer({ publicKey, ...(presharedKey === null ? {} : { presharedKey }) });
    return new MeshPeer({
      peer,
      handle,
      crypto,
      random,
      nodePrivateKey,
      nodePublicKey: this.#nodePublicKey,
      presharedKey,
      overlayRanges,
      overlayMtuBytes,
      aead: this.#agreeOnAead(peer),
      targets: this.#targets,
      punchTurn,
      mayPunch: this.#options.mayPunch,
      ownPorts: this.#options.ownPorts,
    });
  }

  /** A node key never changes its announced ciphers, so both ends of a session come to the same result. */
  #agreeOnAead(peer: VerifiedPeer): Aead {
    const both = this.#options.aeads.includes("aes-256-gcm") && peer.aeads.includes("aes-256-gcm");
    return both ? "aes-256-gcm" : "chacha20-poly1305";
  }
}
