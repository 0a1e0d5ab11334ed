/**
 * All paths to one peer: every link of ours with every address of the peer's of the same family, and those that were
 * learnt from where the peer's datagrams come from. Bounded, whatever the peer claims.
 */
import type { IpRange } from "../addresses/index.ts";
import { formatUdpAddress, type LinkId, type PathAddress, pathAddressKey } from "../net/index.ts";
import { ipFamilyOf, isOfferable } from "./address-class.ts";
import { type LocalCandidate, linkPreferenceOf, MAX_PEER_REFLEXIVE, type RemoteCandidate } from "./candidate.ts";
import { Path } from "./path.ts";

export const MAX_PATHS = 128;

/** What is known about one of our links. */
interface Link {
  readonly families: ReadonlySet<4 | 6>;
  readonly preference: number;
  /** The addresses of its interface. */
  readonly hosts: ReadonlySet<string>;
}

export interface LinkChanges {
  readonly removed: readonly Path[];
  /** Paths on links that have lost an address of the path's family: the packets may have come from it. */
  readonly doubtful: readonly Path[];
}

export class PathSet {
  readonly #overlayRanges: readonly IpRange[];
  /** Our own host addresses: a peer in another private network may have the same ones. */
  #own: ReadonlySet<string> = new Set();
  readonly #links = new Map<LinkId, Link>(); // bounded: links of this host
  readonly #paths = new Map<string, Path>(); // bounded: MAX_PATHS

  constructor(overlayRanges: readonly IpRange[]) {
    this.#overlayRanges = overlayRanges;
  }

  all(): IterableIterator<Path> {
    return this.#paths.values();
  }

  get(address: PathAddress): Path | undefined {
    return this.#paths.get(pathAddressKey(address));
  }

  getByKey(key: string): Path | undefined {
    return this.#paths.get(key);
  }

  setLinks(candidates: readonly LocalCandidate[]): LinkChanges {
    const before = new Map(this.#links);
    this.#links.clear();
    this.#own = new Set(
      candidates.filter(({ kind }) => kind === "host").map(({ address }) => formatUdpAddress(address)),
    );
    for (const [id, own] of Map.groupBy(candidates, ({ linkId }) => linkId)) this.#links.set(id, describeLink(own));
    const removed: Path[] = [];
    const doubtful: Path[] = [];
    for (const path of this.#paths.values()) {
      const link = this.#links.get(path.address.linkId);
      if (link === undefined || !link.families.has(path.family)) removed.push(path);
      else if (hasLostAddress(before.get(path.address.linkId), link, path.family)) doubtful.push(path);
    }
    for (const path of removed) this.#paths.delete(path.key);
    return { removed, doubtful };
  }

  /**
   * Adds the paths to these candidates. Paths to addresses that are not among them go, unless they work or were learnt
   * from the peer's datagrams. Returns those that went.
   */
  setRemotes(candidates: readonly RemoteCandidate[]): Path[] {
    const wanted = new Set<string>();
    for (const candidate of candidates) {
      for (const [linkId, link] of this.#links) {
        if (!link.families.has(ipFamilyOf(candidate.address.address))) continue;
        const address = { linkId, remote: candidate.address, channel: null };
        wanted.add(pathAddressKey(address));
      }
    }
    const removed: Path[] = [];
    for (const path of this.#paths.values()) {
      const isKept = wanted.has(path.key) || path.isUsable || path.remoteKind === "peer-reflexive";
      if (!isKept) removed.push(path);
    }
    for (const path of removed) this.#paths.delete(path.key);
    for (const candidate of candidates) this.#addRemote(candidate);
    return removed;
  }

  /**
   * The path by which an authentic datagram came; a new one if it is unknown. Undefined if we can't or won't send
   * there.
   */
  learn(from: PathAddress, priority: number): Path | undefined {
    const known = this.get(from);
    if (known !== undefined) return known;
    const link = this.#links.get(from.linkId);
    if (link === undefined || !link.families.has(ipFamilyOf(from.remote.address))) return undefined;
    if (!isOfferable(from.remote, this.#overlayRanges) || !this.#makeRoom(from.linkId)) return undefined;
    return this.#add(from, "peer-reflexive", priority, link);
  }

  #addRemote({ kind, address, priority }: RemoteCandidate): void {
    if (this.#own.has(formatUdpAddress(address))) return;
    for (const [linkId, link] of this.#links) {
      if (!link.families.has(ipFamilyOf(address.address))) continue;
      const pathAddress = { linkId, remote: address, channel: null };
      if (this.get(pathAddress) === undefined) this.#add(pathAddress, kind, priority, link);
    }
  }

  #add(address: PathAddress, remoteKind: RemoteCandidate["kind"], priority: number, link: Link): Path | undefined {
    if (this.#paths.size >= MAX_PATHS) return undefined;
    const key = pathAddressKey(address);
    const kind = address.channel !== null || remoteKind === "relayed" ? "relayed" : "direct";
    const path = new Path({ key, address, kind, remoteKind, priority, linkPreference: link.preference });
    this.#paths.set(key, path);
    return path;
  }

  /**
   * Makes room for one more learnt path on a link: one that does not work goes, or the one that answered the longest
   * time ago, but never one in use. False if there is none to go.
   */
  #makeRoom(linkId: LinkId): boolean {
    const learnt = [...this.#paths.values()].filter(
      ({ address, remoteKind }) => address.linkId === linkId && remoteKind === "peer-reflexive",
    );
    if (learnt.length < MAX_PEER_REFLEXIVE) return true;
    const [oldest] = learnt
      .filter(({ role }) => role !== "active")
      .sort((a, b) => Number(a.isUsable) - Number(b.isUsable) || (a.answeredAt ?? 0) - (b.answeredAt ?? 0));
    if (oldest !== undefined) this.#paths.delete(oldest.key);
    return oldest !== undefined;
  }
}

function describeLink(candidates: readonly LocalCandidate[]): Link {
  const hosts = candidates.filter(({ kind }) => kind === "host").map(({ address }) => address.address);
  return {
    // The family of a relayed address is the relay's affair.
    families: new Set(
      candidates.filter(({ kind }) => kind !== "relayed").map(({ address }) => ipFamilyOf(address.address)),
    ),
    preference: Math.max(...candidates.map(({ priority }) => linkPreferenceOf(priority))),
    hosts: new Set(hosts),
  };
}

function hasLostAddress(before: Link | undefined, link: Link, family: 4 | 6): boolean {
  if (before === undefined) return true;
  return [...before.hosts].some((address) => ipFamilyOf(address) === family && !link.hosts.has(address));
}
