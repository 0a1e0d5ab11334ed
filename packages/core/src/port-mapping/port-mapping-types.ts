import type { LinkId, UdpAddress } from "../net/index.ts";
import type { Instant } from "../time.ts";

export type PortMappingProtocol = "pcp" | "nat-pmp" | "upnp";

export type PortMappingProblemCode =
  /** The router speaks none of the protocols. */
  | "no-answer"
  /** It speaks one, and does not want to. */
  | "refused"
  /** Its own address is not a public one: another NAT is in front of it. */
  | "behind-nat"
  /** It says that it has no public address; routers behind another NAT say this, too. */
  | "not-connected";

export interface PortMappingProblem {
  readonly code: PortMappingProblemCode;
  /** For people. */
  readonly text: string;
}

/** What is known of the mapping of one link's UDP port. */
export interface PortMappingState {
  /** By which the router answered; null if it did not. */
  readonly protocol: PortMappingProtocol | null;
  /** What the router says packets to our port are to be sent to. Of use only where there is no problem. */
  readonly external: UdpAddress | null;
  readonly expiresAt: Instant | null;
  readonly problem: PortMappingProblem | null;
}

export interface LinkPortMapping extends PortMappingState {
  readonly linkId: LinkId;
}

/** Where the requests go: IPv4 addresses of the default router, and of ours on the way to it. */
export interface GatewayPlace {
  readonly gateway: string;
  readonly local: string;
}

export type PortMapperEvent =
  /** `state` tells something else than before. */
  | { readonly kind: "changed" }
  /** To be asked by UPnP; the answer is `handleUpnpMapped` or `handleUpnpFailed`. */
  | ({ readonly kind: "upnp-map"; readonly lifetimeSeconds: number } & UpnpTarget)
  /** To be deleted by UPnP, without an answer. */
  | ({ readonly kind: "upnp-unmap" } & UpnpTarget);

export interface UpnpTarget extends GatewayPlace {
  readonly internalPort: number;
  /** Wished, or to be deleted. */
  readonly externalPort: number;
}
