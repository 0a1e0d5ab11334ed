/** Our candidates, from what the host, its routers, the STUN servers and the relays have told. */
import type { LinkId, UdpAddress } from "../net/index.ts";
import {
  candidatePriority,
  type LocalCandidate,
  linkPreferenceOf,
  MIN_DATAGRAM_PREFERENCE,
  STREAM_PREFERENCE,
} from "../paths/index.ts";
import type { LinkPortMapping } from "../port-mapping/index.ts";
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

/** As the STUN servers that are known at present see us. */
export function reflexiveCandidates(
  links: GatheringLinks,
  facts: ReflexiveFacts,
  servers: readonly UdpAddress[],
): LocalCandidate[] {
  const candidates: LocalCandidate[] = [];
  for (const [linkId, { hosts, preference }] of links) {
    for (const family of [4, 6] as const) {
      for (const address of facts.mapped(linkId, family, servers)) {
        if (hosts.some((host) => host.address === address.address)) continue;
        const priority = candidatePriority("server-reflexive", preference);
        candidates.push({ kind: "server-reflexive", address, linkId, priority });
      }
    }
  }
  return candidates;
}

export function relayedCandidates(links: GatheringLinks, relayed: readonly RelayedAddress[]): LocalCandidate[] {
  return relayed.map(({ linkId, relay, address, overStream }) => {
    const preference = Math.max(MIN_DATAGRAM_PREFERENCE, links.get(linkId)?.preference ?? 0);
    const priority = candidatePriority("relayed", overStream ? STREAM_PREFERENCE : preference);
    return { kind: "relayed", address, linkId, priority, relay };
  });
}
