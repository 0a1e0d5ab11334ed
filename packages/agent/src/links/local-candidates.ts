import type { UdpAddress } from "@asterism/core/net";
import { candidatePriority, type LinkTraits, type LocalCandidate } from "@asterism/core/paths";
import type { LinkInfo } from "@asterism/engine";
import type { HostAddress } from "../platform/host-addresses.ts";

export interface CandidateSources {
  readonly link: LinkInfo;
  /** 0 is the link that is preferred. */
  readonly place: number;
  readonly traits: LinkTraits;
  /** Those of the link. */
  readonly hostAddresses: readonly HostAddress[];
  /** The address from which the server sees the link's packets come, null while unknown. */
  readonly observedAddress: string | null;
}

/** Preferences of one link's addresses lie so far below those of the one before. */
const PREFERENCE_STEP = 1_024;

/**
 * What the host knows of one link by itself: its own addresses, and the address that the server sees with the link's
 * port, which holds where a router forwards that port or keeps port numbers. The mesh adds what STUN servers and relays
 * tell, and leaves out what must not be offered.
 */
export function hostCandidates(sources: CandidateSources): LocalCandidate[] {
  const { link, place, traits, hostAddresses, observedAddress } = sources;
  const preference = 65_535 - place * PREFERENCE_STEP;
  // Peers tell our interfaces apart by the preference.
  const interfaces = [...new Set(hostAddresses.map(({ interfaceName }) => interfaceName))];
  const candidates: LocalCandidate[] = hostAddresses
    .filter(({ family }) => (family === "IPv4" ? link.ipv4 : link.ipv6))
    .map(({ address, interfaceName }) => ({
      kind: "host",
      address: { address, port: link.port },
      linkId: link.id,
      priority: candidatePriority("host", preference - interfaces.indexOf(interfaceName)),
      traits,
    }));
  const isOwn = hostAddresses.some(({ address }) => address === observedAddress);
  if (observedAddress !== null && !isOwn) {
    const address: UdpAddress = { address: observedAddress, port: link.port };
    const priority = candidatePriority("server-reflexive", preference);
    candidates.push({ kind: "server-reflexive", address, linkId: link.id, priority });
  }
  return candidates;
}
