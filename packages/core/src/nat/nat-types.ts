import type { LinkId, UdpAddress } from "../net/index.ts";
import type { PortSample } from "./port-learner.ts";
import type { PortPrediction } from "./port-prediction.ts";

/** RFC 4787 §4.1 for mapping, §5 for filtering. */
export type NatBehaviour = "endpoint-independent" | "address-dependent" | "address-and-port-dependent";

export const NAT_BEHAVIOURS: readonly NatBehaviour[] = [
  "endpoint-independent",
  "address-dependent",
  "address-and-port-dependent",
];

/** Folk names. `none` is no NAT; mapping that is not endpoint-independent is `symmetric`, whatever the filtering. */
export type NatType =
  | "none"
  | "full cone"
  | "restricted cone"
  | "port-restricted cone"
  | "symmetric"
  | "UDP blocked"
  | "unknown";

/** What one IP version looks like from outside, over all links of a host. */
export interface NatFacts {
  readonly family: 4 | 6;
  /** Folk name in lower case, as `NatType`. */
  readonly type: string;
  readonly mapping: NatBehaviour | "unknown";
  readonly filtering: NatBehaviour | "unknown";
  /** Null until it is known. */
  readonly udp: boolean | null;
}

export interface MappedSample {
  readonly server: UdpAddress;
  /** Our address as this server sees it. */
  readonly mapped: UdpAddress;
  /** Null if the request had to be repeated. */
  readonly rttMs: number | null;
}

export interface NatReport {
  readonly linkId: LinkId;
  readonly family: 4 | 6;
  /** Whether UDP passes; null until an answer has come or all servers have been silent. */
  readonly udp: boolean | null;
  readonly mapping: NatBehaviour | "unknown";
  readonly filtering: NatBehaviour | "unknown";
  /** What is not excluded: several where the servers don't suffice to tell them apart. */
  readonly possibleMappings: readonly NatBehaviour[];
  readonly possibleFilterings: readonly NatBehaviour[];
  readonly type: NatType;
  /** Whether a packet from inside to our own mapped address comes back in (RFC 4787 §6); null if not known. */
  readonly hairpin: boolean | null;
  /** In the order in which the servers were first asked. */
  readonly samples: readonly MappedSample[];
  /** How the NAT picks ports, and where the next ones are likely to be. */
  readonly ports: PortPrediction;
  /** What that is learnt from. */
  readonly portSamples: readonly PortSample[];
}

export type NatEvent =
  /** A server has answered: a server-reflexive candidate. */
  | ({ readonly kind: "mapped"; readonly linkId: LinkId } & MappedSample)
  /** After 3 s at the latest, and when everything is known; the second one may say more. */
  | { readonly kind: "report"; readonly report: NatReport; readonly isFinal: boolean };
