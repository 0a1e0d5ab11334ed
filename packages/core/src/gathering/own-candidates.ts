/** Our candidates, from what the host, its routers, the STUN servers and the relays have told. */
import { type LinkId, type UdpAddress, udpAddressEquals } from "../net/index.ts";
import {
  candidatePriority,
  type LocalCandidate,
  linkPreferenceOf,
  MIN_DATAGRAM_PREFERENCE,
  STREAM_PREFERENCE,
} from "../paths/index.ts";
import type { LinkPortMapping } from "../port-mapping/index.ts";
import type { Instant } from "../time.ts";
import type { PeersView } from "./peers-view.ts";
import type { ReflexiveFacts } from "./reflexive-facts.ts";
import type { RelayedAddress } from "./relay-clients.ts";

/** A link of this host. */
export interface GatheringLink {
  readonly hosts: readonly UdpAddress[];
  readonly preference: number;
}

export type GatheringLinks = ReadonlyMap<LinkId, GatheringLink>;

/** The links of the host's own candidates; one without any is none. */
export function linksOf(given: readonly LocalCandidate[]): GatheringLinks {
  const links = new Map<LinkId, GatheringLink>();
  for (const [linkId, own] of Map.groupBy(given, (candidate) => candidate.linkId)) {
    const hosts = own.filter(({ kind }) => kind === "host").map(({ address }) => address);
    const preference = Math.max(...own.map(({ priority }) => linkPreferenceOf(priority)));
    if (hosts.length > 0) links.set(linkId, { hosts, preference });
  }
  return links;
}

/** A mapping with a problem leads nowhere. */
export function mappedCandidates(links: GatheringLinks, mappings: Iterable<LinkPortMapping>): LocalCandidate[] {
  return [...mappings].flatMap(({ linkId, external, problem }) => {
    const link = links.get(linkId);
    if (link === undefined || external === null || problem !== null) return [];
    const priority = candidatePriority("port-mapped", link.preference);
    return [{ kind: "port-mapped", address: external, linkId, priority }];
  });
}

export interface ReflexiveSources {
  readonly facts: ReflexiveFacts;
  /** The STUN servers that are known at present. */
  readonly servers: readonly UdpAddress[];
  readonly peersView: PeersView;
}

/** As others see us. */
export function reflexiveCandidates(links: GatheringLinks, sources: ReflexiveSources, now: Instant): LocalCandidate[] {
  const candidates: LocalCandidate[] = [];
  for (const [linkId, { hosts, preference }] of links) {
    const own = new Set(hosts.map(({ address }) => address));
    const seen = ([4, 6] as const).flatMap((family) => seenAt(sources, linkId, family, now));
    for (const address of seen.filter((one) => !own.has(one.address))) {
      const priority = candidatePriority("server-reflexive", preference);
      candidates.push({ kind: "server-reflexive", address, linkId, priority });
    }
  }
  return candidates;
}

/** What the STUN servers tell; if that is old, what the peers tell, if they do. */
function seenAt(sources: ReflexiveSources, linkId: LinkId, family: 4 | 6, now: Instant): readonly UdpAddress[] {
  const { facts, servers, peersView } = sources;
  const byPeers = facts.isFresh(linkId, family, now) ? [] : peersView.mapped(linkId, family, now);
  return byPeers.length > 0 ? byPeers : facts.mapped(linkId, family, servers);
}

export function relayedCandidates(links: GatheringLinks, relayed: readonly RelayedAddress[]): LocalCandidate[] {
  return relayed.map(({ linkId, relay, address, overStream }) => {
    const preference = Math.max(MIN_DATAGRAM_PREFERENCE, links.get(linkId)?.preference ?? 0);
    const priority = candidatePriority("relayed", overStream ? STREAM_PREFERENCE : preference);
    return { kind: "relayed", address, linkId, priority, relay };
  });
}

/** Whether nothing has changed, not even the order. */
export function areSameCandidates(some: readonly LocalCandidate[], others: readonly LocalCandidate[]): boolean {
  return some.length === others.length && some.every((one, index) => isSameCandidate(one, others[index]));
}

function isSameCandidate(one: LocalCandidate, other: LocalCandidate | undefined): boolean {
  if (one === other) return true;
  if (other === undefined || one.kind !== other.kind || one.linkId !== other.linkId) return false;
  if (one.priority !== other.priority || !udpAddressEquals(one.address, other.address)) return false;
  if (one.traits?.cost !== other.traits?.cost) return false;
  if (one.traits?.capBytesPerSecond !== other.traits?.capBytesPerSecond) return false;
  if (one.relay === undefined || other.relay === undefined) return one.relay === other.relay;
  return udpAddressEquals(one.relay, other.relay);
}
