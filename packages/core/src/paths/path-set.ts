/**
 * All paths to one peer: every link of ours with every address of the peer's of the same family, and those that were
 * learnt from where the peer's datagrams come from. Bounded, whatever the peer claims.
 */
import type { IpRange } from "../addresses/index.ts";
import { formatUdpAddress, type LinkId, type PathAddress, pathAddressKey } from "../net/index.ts";
import { ipFamilyOf, isOfferable } from "./address-class.ts";
import {
  isRelayedPriority,
  isStreamPriority,
  type LinkTraits,
  type LocalCandidate,
  linkPreferenceOf,
  MAX_PEER_REFLEXIVE,
  type RemoteCandidate,
  USUAL_TRAITS,
} from "./candidate.ts";
import { CHANNEL_HEADER_BYTES } from "./check-exchange.ts";
import { Path } from "./path.ts";
import type { RelayChannel } from "./relay-channels.ts";

/** Besides those through channels, which are bounded by the allocations. */
export const MAX_PATHS = 128;

/** What is known about one of our links. */
interface Link {
  readonly families: ReadonlySet<4 | 6>;
  readonly preference: number;
  readonly traits: LinkTraits;
  /** No UDP socket, but a stream to a relay: only channels lead through it. */
  readonly isStream: boolean;
  /** The addresses of its interface. */
  readonly hosts: ReadonlySet<string>;
  /** Of a link that serves this peer alone: the one that it is like. Only what is learnt there leads to a path. */
  readonly like?: LinkId;
}

export interface LinkChanges {
  readonly removed: readonly Path[];
  /** Paths on links that have lost an address of the path's family: the packets may have come from it. */
  readonly doubtful: readonly Path[];
  /** Paths that cost more or less than before, which the peer learns by a check. */
  readonly repriced: readonly Path[];
}

export class PathSet {
  readonly #overlayRanges: readonly IpRange[];
  readonly #fullDatagramBytes: number;
  /** Our own host addresses: a peer in another private network may have the same ones. */
  #own: ReadonlySet<string> = new Set();
  readonly #links = new Map<LinkId, Link>(); // bounded: links of this host
  readonly #paths = new Map<string, Path>(); // bounded: MAX_PATHS, and the channels

  /** `fullDatagramBytes`: the largest datagram to send, without the header of a channel. */
  constructor(overlayRanges: readonly IpRange[], fullDatagramBytes: number) {
    this.#overlayRanges = overlayRanges;
    this.#fullDatagramBytes = fullDatagramBytes;
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
    this.#describeLinks(candidates, before);
    const removed: Path[] = [];
    const doubtful: Path[] = [];
    const repriced: Path[] = [];
    for (const path of this.#paths.values()) {
      const link = this.#links.get(path.address.linkId);
      const isUnreachable = link === undefined || !(link.isStream || link.families.has(path.family));
      if (isUnreachable) removed.push(path);
      else if (hasLostAddress(before.get(path.address.linkId), link, path.family)) doubtful.push(path);
      if (link === undefined) continue;
      if (link.traits.cost !== path.traits.cost) repriced.push(path);
      path.traits = link.traits;
    }
    for (const path of removed) this.#paths.delete(path.key);
    return { removed, doubtful, repriced };
  }

  #describeLinks(candidates: readonly LocalCandidate[], before: ReadonlyMap<LinkId, Link>): void {
    this.#links.clear();
    this.#own = new Set(
      candidates.filter(({ kind }) => kind === "host").map(({ address }) => formatUdpAddress(address)),
    );
    const dearest = Math.max(0, ...candidates.map(({ traits }) => traits?.cost ?? 0));
    for (const [id, own] of Map.groupBy(candidates, ({ linkId }) => linkId)) {
      this.#links.set(id, describeLink(own, dearest));
    }
    for (const [id, { like }] of before) if (like !== undefined) this.adoptLink(id, like);
  }

  /**
   * Adds the paths to these candidates. Paths to addresses that are not among them go, unless they work or were learnt
   * from the peer's datagrams. Returns those that went.
   */
  setRemotes(candidates: readonly RemoteCandidate[]): Path[] {
    const wanted = new Set<string>();
    for (const candidate of candidates) {
      for (const [linkId, link] of this.#links) {
        if (!isFor(link, candidate)) continue;
        const address = { linkId, remote: candidate.address, channel: null };
        wanted.add(pathAddressKey(address));
      }
    }
    const removed: Path[] = [];
    for (const path of this.#paths.values()) {
      // Channels come and go by themselves.
      const isOther = path.remoteKind === "peer-reflexive" || path.address.channel !== null;
      const isKept = wanted.has(path.key) || path.isUsable || isOther;
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
    if (known !== undefined) {
      // Learnt from what did not tell.
      if (known.peerLink === 0) known.peerLink = linkPreferenceOf(priority);
      return known;
    }
    const link = this.#links.get(from.linkId);
    // Only who asked for a channel knows where it leads.
    if (from.channel !== null || link === undefined) return undefined;
    if (!link.families.has(ipFamilyOf(from.remote.address)) || !isOfferable(from.remote, this.#overlayRanges)) {
      return undefined;
    }
    if (!this.#makeRoom(from.linkId)) return undefined;
    const path = this.#add(from, { kind: "peer-reflexive", address: from.remote, priority }, link);
    if (path !== undefined && isRelayedPriority(priority)) path.kind = "relayed";
    return path;
  }

  /** What the peer's check that came this way tells of its link. */
  handlePeerCost(from: PathAddress, cost: number | undefined): void {
    const path = this.get(from);
    if (path !== undefined && cost !== undefined) path.peerCost = cost;
  }

  /** The path through a channel that leads to a candidate of the peer's. */
  addChannel({ place, candidate, channel }: RelayChannel): Path | undefined {
    const link = this.#links.get(place.linkId);
    if (channel === null || link === undefined) return undefined;
    const address = { linkId: place.linkId, remote: place.relay, channel };
    return this.get(address) ?? this.#add(address, candidate, link);
  }

  /** The channel is no more. Returns its path, if there was one. */
  removeChannel({ place, channel }: RelayChannel): Path | undefined {
    const path = this.get({ linkId: place.linkId, remote: place.relay, channel });
    if (channel === null || path === undefined) return undefined;
    this.#paths.delete(path.key);
    return path;
  }

  /** Adds a link that serves this peer alone, like another one over IPv4; it goes with that. False if that is gone. */
  adoptLink(linkId: LinkId, like: LinkId): boolean {
    const model = this.#links.get(like);
    if (model === undefined || model.like !== undefined) return false;
    this.#links.set(linkId, { ...model, families: new Set([4]), isStream: false, like });
    return true;
  }

  /** Of a link of ours. */
  costOf(linkId: LinkId): number {
    return this.#links.get(linkId)?.traits.cost ?? 0;
  }

  hasLink(linkId: LinkId): boolean {
    return this.#links.has(linkId);
  }

  /** The adopted link and its paths are no more. */
  dropLink(linkId: LinkId): void {
    this.#links.delete(linkId);
    for (const path of this.#paths.values()) if (path.address.linkId === linkId) this.#paths.delete(path.key);
  }

  #addRemote(candidate: RemoteCandidate): void {
    if (this.#own.has(formatUdpAddress(candidate.address))) return;
    for (const [linkId, link] of this.#links) {
      if (!isFor(link, candidate)) continue;
      const address = { linkId, remote: candidate.address, channel: null };
      const known = this.get(address);
      if (known === undefined) {
        this.#add(address, candidate, link);
        continue;
      }
      // Checks tell of the link that the peer's socket is on, which may be any of several interfaces.
      known.peerLink = linkPreferenceOf(candidate.priority) || known.peerLink;
      // Learnt before the peer said that it is its relay's.
      if (candidate.kind === "relayed") {
        known.kind = "relayed";
        known.streams = { ...known.streams, theirs: isStreamPriority(candidate.priority) };
      }
    }
  }

  #add(address: PathAddress, candidate: RemoteCandidate, link: Link): Path | undefined {
    if (address.channel === null && this.#plainPaths() >= MAX_PATHS) return undefined;
    const key = pathAddressKey(address);
    const path = new Path({
      key,
      address,
      peer: candidate.address,
      kind: address.channel !== null || candidate.kind === "relayed" ? "relayed" : "direct",
      remoteKind: candidate.kind,
      priority: candidate.priority,
      linkPreference: link.preference,
      traits: link.traits,
      link: link.like ?? address.linkId,
      fullDatagramBytes: this.#fullDatagramBytes + (address.channel === null ? 0 : CHANNEL_HEADER_BYTES),
      streams: { ours: link.isStream, theirs: isStreamPriority(candidate.priority) },
    });
    this.#paths.set(key, path);
    return path;
  }

  #plainPaths(): number {
    let count = 0;
    for (const { address } of this.#paths.values()) if (address.channel === null) count += 1;
    return count;
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

function isFor({ families, like }: Link, { address }: RemoteCandidate): boolean {
  return like === undefined && families.has(ipFamilyOf(address.address));
}

/** `dearest`: nobody knows which link a stream leaves by, so it counts as the one that costs the most. */
function describeLink(candidates: readonly LocalCandidate[], dearest: number): Link {
  const isStream = candidates.every(({ priority }) => isStreamPriority(priority));
  const traits = candidates.find((candidate) => candidate.traits !== undefined)?.traits ?? USUAL_TRAITS;
  const hosts = candidates.filter(({ kind }) => kind === "host").map(({ address }) => address.address);
  return {
    // The family of a relayed address is the relay's affair.
    families: new Set(
      candidates.filter(({ kind }) => kind !== "relayed").map(({ address }) => ipFamilyOf(address.address)),
    ),
    preference: Math.max(...candidates.map(({ priority }) => linkPreferenceOf(priority))),
    traits: isStream ? { cost: dearest } : traits,
    isStream,
    hosts: new Set(hosts),
  };
}

function hasLostAddress(before: Link | undefined, link: Link, family: 4 | 6): boolean {
  if (before === undefined) return true;
  return [...before.hosts].some((address) => ipFamilyOf(address) === family && !link.hosts.has(address));
}
