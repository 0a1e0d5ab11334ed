import { type NodeRecord, type PeerInfo, verifyNodeRecord } from "../control/index.ts";
import { type Crypto, type NodePublicKey, parseNodePublicKey } from "../identity/index.ts";

/** Identity of a peer as it was first seen. */
export interface Pin {
  readonly machineKey: string;
  /** Highest record sequence seen: an older record (an old node key) is refused. */
  readonly sequence: number;
}

/** A member whose node key is proven to be its machine's, or a stock client that has only the node key. */
export interface VerifiedPeer {
  readonly nodeId: string;
  readonly kind: "agent" | "stock";
  readonly name: string;
  readonly fqdn: string;
  readonly ipv4: string;
  readonly ipv6: string;
  readonly nodeKey: NodePublicKey;
  /** Ciphers the peer says it has beyond ChaCha20-Poly1305. */
  readonly aeads: readonly string[];
  /** What else it says that it understands. */
  readonly capabilities: readonly string[];
}

/** A member that this node will not talk to, with the reason for people. */
export interface RefusedPeer {
  readonly nodeId: string;
  readonly name: string;
  readonly fqdn: string;
  readonly ipv4: string;
  readonly ipv6: string;
  readonly reason: string;
}

export interface RosterChange {
  readonly upserted: readonly VerifiedPeer[];
  /** Node ids that are no peers any more: removed, or refused. */
  readonly removed: readonly string[];
}

/**
 * Who the peers are, as far as this node believes the server.
 *
 * The server introduces members, but a node key counts only with its machine's signature, the machine key of a node id
 * is pinned at first sight, and a record never goes back to an older one (design.md §5, Pinning).
 */
export class Roster {
  readonly #networkId: string;
  readonly #crypto: Crypto;
  readonly #peers = new Map<string, VerifiedPeer>(); // bounded: MAX_NETWORK_MEMBERS, by the message schema
  readonly #refused = new Map<string, RefusedPeer>(); // bounded: likewise
  readonly #pins: Map<string, Pin>; // bounded: members of the current map; pins of removed nodes go with them

  constructor(networkId: string, crypto: Crypto, pins: ReadonlyMap<string, Pin>) {
    this.#networkId = networkId;
    this.#crypto = crypto;
    this.#pins = new Map(pins);
  }

  get peers(): ReadonlyMap<string, VerifiedPeer> {
    return this.#peers;
  }

  get refused(): ReadonlyMap<string, RefusedPeer> {
    return this.#refused;
  }

  get pins(): ReadonlyMap<string, Pin> {
    return this.#pins;
  }

  /** Takes a whole map: who is not in it is no member any more. */
  replace(members: readonly PeerInfo[]): RosterChange {
    const listed = new Set(members.map(({ nodeId }) => nodeId));
    const gone = [...this.#peers.keys(), ...this.#refused.keys()].filter((nodeId) => !listed.has(nodeId));
    return this.apply(members, gone);
  }

  apply(upserts: readonly PeerInfo[], removals: readonly string[]): RosterChange {
    const removed: string[] = [];
    for (const nodeId of removals) {
      if (this.#peers.delete(nodeId)) removed.push(nodeId);
      this.#refused.delete(nodeId);
      this.#pins.delete(nodeId);
    }
    const upserted: VerifiedPeer[] = [];
    for (const member of upserts) {
      const verdict = this.#verify(member);
      if (typeof verdict === "string") {
        const { nodeId, name, fqdn, ipv4, ipv6 } = member;
        this.#refused.set(nodeId, { nodeId, name, fqdn, ipv4, ipv6, reason: verdict });
        if (this.#peers.delete(nodeId)) removed.push(nodeId);
      } else {
        this.#refused.delete(verdict.nodeId);
        this.#peers.set(verdict.nodeId, verdict);
        upserted.push(verdict);
      }
    }
    return { upserted, removed };
  }

  /** The peer, or the reason why it is refused. */
  #verify(member: PeerInfo): VerifiedPeer | string {
    const { nodeId, name, fqdn, ipv4, ipv6 } = member;
    const common = { nodeId, name, fqdn, ipv4, ipv6 };
    if (member.kind === "stock") {
      const nodeKey = parseNodePublicKey(member.nodeKey);
      if (nodeKey === undefined) return "its key is malformed";
      return { ...common, kind: "stock", nodeKey, aeads: [], capabilities: [] };
    }
    const pin = this.#pins.get(nodeId);
    if (pin !== undefined && pin.machineKey !== member.machineKey) {
      return (
        "its machine key is not the one seen at first: the server may be compromised. " +
        "If the device was really replaced, remove it on the server and let it join again"
      );
    }
    const verified = verifyNodeRecord(member, member.machineKey, this.#networkId, (publicKey, message, signature) =>
      this.#crypto.ed25519Verify(publicKey, message, signature),
    );
    if (!verified.ok) return `its node key can't be trusted: ${verified.error.message}`;
    return this.#accept(member.machineKey, verified.value, pin, common);
  }

  #accept(
    machineKey: string,
    record: NodeRecord,
    pin: Pin | undefined,
    common: Omit<VerifiedPeer, "kind" | "nodeKey" | "aeads" | "capabilities">,
  ): VerifiedPeer | string {
    if (pin !== undefined && record.sequence < pin.sequence) {
      return "the server presents an older key of this device than it did before";
    }
    const nodeKey = parseNodePublicKey(record.nodeKey);
    if (nodeKey === undefined) return "its node key is malformed";
    this.#pins.set(common.nodeId, { machineKey, sequence: record.sequence });
    return { ...common, kind: "agent", nodeKey, aeads: record.aeads, capabilities: record.capabilities ?? [] };
  }
}
