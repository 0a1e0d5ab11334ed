/**
 * Candidates: addresses at which a peer may be reached, in the words of RFC 8445 §5.1.
 *
 * Local candidates know the link they belong to; remote ones came in a call, or were learnt from the source
 * address of an authenticated datagram (peer-reflexive).
 */
import type { IpRange } from "../addresses/index.ts";
import { formatUdpAddress, type LinkId, type UdpAddress } from "../net/index.ts";
import { classifyAddress, isOfferable } from "./address-class.ts";

export type CandidateKind = "host" | "server-reflexive" | "peer-reflexive" | "port-mapped" | "relayed";

/** What the user has said of one of our links. */
export interface LinkTraits {
  /** 0–MAX_LINK_COST: a link is used only while none that costs less works. */
  readonly cost: number;
  /** At most so much of what is spread over several links goes by this one; no limit if left out. */
  readonly capBytesPerSecond?: number;
}

export const USUAL_TRAITS: LinkTraits = { cost: 0 };

/** A candidate of ours. */
export interface LocalCandidate {
  readonly kind: CandidateKind;
  /** Where a peer would send to. For `relayed`: the relayed transport address. */
  readonly address: UdpAddress;
  /** The link whose socket receives what is sent there. */
  readonly linkId: LinkId;
  /** RFC 8445 §5.1.2; larger is better. See `candidatePriority`. */
  readonly priority: number;
  /** Only for `relayed`: the TURN server that holds the allocation. */
  readonly relay?: UdpAddress;
  /** Of the link; the host's own candidates tell, where they are not the usual ones. */
  readonly traits?: LinkTraits;
}

/** A candidate of the peer. */
export interface RemoteCandidate {
  readonly kind: CandidateKind;
  readonly address: UdpAddress;
  readonly priority: number;
}

/** Candidates that one side offers and that the other accepts, and peer-reflexive ones beside them. */
export const MAX_CANDIDATES = 32;
export const MAX_PEER_REFLEXIVE = 4;

/** RFC 8445 §5.1.2.2; a port mapping is as good as a peer-reflexive address but known beforehand. */
const TYPE_PREFERENCE: Record<CandidateKind, number> = {
  host: 126,
  "peer-reflexive": 110,
  "port-mapped": 105,
  "server-reflexive": 100,
  relayed: 0,
};

/**
 * Priority of a candidate (RFC 8445 §5.1.2.1, one component).
 * `linkPreference` is 0–65535; give the link that should be used first the larger number.
 */
export function candidatePriority(kind: CandidateKind, linkPreference: number): number {
  const localPreference = Math.max(0, Math.min(65_535, Math.trunc(linkPreference)));
  return TYPE_PREFERENCE[kind] * 0x100_0000 + localPreference * 0x100 + 255;
}

/** The link preference that went into a priority. */
export function linkPreferenceOf(priority: number): number {
  return Math.floor(priority / 0x100) % 0x1_0000;
}

/** True of the priority of a relayed candidate: its type preference is 0. */
export function isRelayedPriority(priority: number): boolean {
  return priority < 0x100_0000;
}

/** Link preference of addresses at relays that are reached by a stream (TCP, TLS): behind all others. */
export const STREAM_PREFERENCE = 0;
/** Link preference of the last link whose relays are reached over UDP. */
export const MIN_DATAGRAM_PREFERENCE = 1;

/** True of the priority of a relayed candidate whose owner reaches the relay by a stream. */
export function isStreamPriority(priority: number): boolean {
  return isRelayedPriority(priority) && linkPreferenceOf(priority) === STREAM_PREFERENCE;
}

/**
 * What of the gathered candidates a peer is told: the offerable ones, one for each address and link, the best
 * `MAX_CANDIDATES`, best first. `overlayRanges` are the ranges of all networks this host is in: an address of
 * ours inside the overlay would lead the tunnel through itself.
 */
export function offeredCandidates(
  gathered: readonly LocalCandidate[],
  overlayRanges: readonly IpRange[],
): LocalCandidate[] {
  const offered = new Map<string, LocalCandidate>();
  for (const candidate of [...gathered].sort((a, b) => b.priority - a.priority)) {
    const key = `${candidate.linkId}/${formatUdpAddress(candidate.address)}`;
    if (offered.size < MAX_CANDIDATES && !offered.has(key) && isOfferable(candidate.address, overlayRanges)) {
      offered.set(key, candidate);
    }
  }
  return [...offered.values()];
}

/**
 * The candidates of a call that may be checked. A peer can't make us send to loopback, link-local, multicast or
 * overlay addresses.
 */
export function acceptedCandidates(
  claimed: readonly RemoteCandidate[],
  overlayRanges: readonly IpRange[],
): RemoteCandidate[] {
  const accepted = new Map<string, RemoteCandidate>();
  for (const candidate of [...claimed].sort((a, b) => b.priority - a.priority)) {
    const key = formatUdpAddress(candidate.address);
    if (accepted.size < MAX_CANDIDATES && !accepted.has(key) && isOfferable(candidate.address, overlayRanges)) {
      accepted.set(key, candidate);
    }
  }
  return [...accepted.values()];
}

/** Preference of an address among equally fast paths: the closer the better, then IPv6. */
export function localityRank(address: string): number {
  switch (classifyAddress(address)) {
    case "loopback":
      return 3;
    case "link-local":
      return 2;
    case "private":
    case "unique-local":
      return 1;
    default:
      return 0;
  }
}
