import { type Static, Type } from "typebox";
import { nullable } from "../control/scalars.ts";

/** What `asterism netcheck --json` prints and the agent's local API answers; docs/local-api.md describes the fields. */

/** RFC 4787 §4.1 for mapping, §5 for filtering. */
export const Behaviour = Type.Enum([
  "endpoint-independent",
  "address-dependent",
  "address-and-port-dependent",
  "unknown",
] as const);

/** `203.0.113.7:41641`, `[2001:db8::1]:41641`. */
export const Endpoint = Type.String();

/** How a NAT picks the ports of new mappings. */
const PortsKind = Type.Enum(["preserving", "sequential", "block", "random", "unknown"] as const);

/** Where a NAT will likely map new sockets to, learnt from what servers have seen. */
export const NextPorts = Type.Object({
  /** The public address. */
  address: nullable(Type.String()),
  kind: PortsKind,
  /** Only of `sequential`: from one port to the next, the last one seen, and what other hosts take meanwhile. */
  step: nullable(Type.Integer()),
  last: nullable(Type.Integer()),
  othersPerSecond: nullable(Type.Number()),
  /** `block`: the likely bounds. `preserving`: the ports of our sockets. Both ends included. */
  ranges: Type.Array(Type.Object({ first: Type.Integer(), last: Type.Integer() })),
});
export type NextPorts = Static<typeof NextPorts>;

/** What one link looks like from outside, by one IP version. */
export const LinkCheck = Type.Object({
  /** Interface that leads out, null if no route does. */
  link: nullable(Type.String()),
  ipVersion: Type.Enum([4, 6] as const),
  /** Whether UDP passes; null if there was nobody to ask. */
  udp: nullable(Type.Boolean()),
  mapping: Behaviour,
  filtering: Behaviour,
  /** Folk name: none, full cone, restricted cone, port-restricted cone, symmetric, udp blocked, unknown. */
  type: Type.String(),
  /** Where servers see this machine; several behind a symmetric NAT. */
  publicAddresses: Type.Array(Endpoint),
  localAddresses: Type.Array(Endpoint),
  /** Whether a packet to our own public address comes back in (RFC 4787 §6), null if not known. */
  hairpin: nullable(Type.Boolean()),
  /** How the NAT picks ports. */
  ports: PortsKind,
  /** Null where it does not matter, as one mapping serves all peers. */
  nextPorts: nullable(NextPorts),
});
export type LinkCheck = Static<typeof LinkCheck>;

export const StunServerCheck = Type.Object({
  address: Endpoint,
  link: nullable(Type.String()),
  answered: Type.Boolean(),
  /** Null if it did not answer, or only after the request was repeated. */
  rttMs: nullable(Type.Number()),
  /** Our address as it sees it. */
  mapped: nullable(Endpoint),
});
export type StunServerCheck = Static<typeof StunServerCheck>;

export const RelayCheck = Type.Object({
  name: Type.String(),
  addresses: Type.Array(Endpoint),
  rttMs: nullable(Type.Number()),
  /** The one that is used when a relay is needed. */
  preferred: Type.Boolean(),
  /** `silent`: it does not answer. `failing`: it answers, but gives no relayed address. */
  state: Type.Enum(["ready", "in-use", "silent", "failing"] as const),
  /** By which it is in use, null if it is not. */
  transport: nullable(Type.Enum(["udp", "tcp", "tls"] as const)),
  /** Addresses at which it receives for this machine at present. */
  relayedAddresses: Type.Array(Endpoint),
  problem: nullable(Type.String()),
});
export type RelayCheck = Static<typeof RelayCheck>;

/** What the router in front of a link says to the wish for a port mapping. */
export const PortMappingCheck = Type.Object({
  /** By which it answered, null if it did not. */
  protocol: nullable(Type.Enum(["pcp", "nat-pmp", "upnp"] as const)),
  /** Where packets to this machine's port are to be sent to, as the router says. */
  external: nullable(Endpoint),
  expiresAt: nullable(Type.String()),
  /** Why the mapping is missing or of no use. */
  problem: nullable(
    Type.Object({
      case: Type.Enum(["no-answer", "refused", "behind-nat", "not-connected"] as const),
      text: Type.String(),
    }),
  ),
});
export type PortMappingCheck = Static<typeof PortMappingCheck>;

/** The HTTP proxy between this machine and the server, or a relay's stream. */
export const ProxyCheck = Type.Object({
  /** `http://host:port`, without user and password. */
  url: Type.String(),
  /** Why it could not be used the last time, in words that follow "the proxy"; null if it could. */
  problem: nullable(Type.String()),
});
export type ProxyCheck = Static<typeof ProxyCheck>;

/** Which case of the table in docs/local-api.md it is, and what to do about it. */
export const Advice = Type.Object({ case: Type.String(), text: Type.String() });
export type Advice = Static<typeof Advice>;

export const NetworkCheck = Type.Object({
  network: Type.String(),
  checkedAt: Type.String(),
  server: Type.Object({ url: Type.String(), connected: Type.Boolean() }),
  /** Null if none is named, neither by a setting nor by the environment. */
  proxy: nullable(ProxyCheck),
  /** Whether UDP passes at all; null if there was nobody to ask. */
  udp: nullable(Type.Boolean()),
  /** Whether a server answers over it; null if there is none to ask over it, or this machine has no address of it. */
  ipv4: nullable(Type.Boolean()),
  ipv6: nullable(Type.Boolean()),
  links: Type.Array(LinkCheck),
  /** Public addresses that a router maps to this machine, by PCP, NAT-PMP or UPnP. */
  portMappings: Type.Array(Endpoint),
  /** Null if no router was asked: this machine has a public address, or the agent was told not to. */
  portMapping: nullable(PortMappingCheck),
  /** Peers that are reached in another way because the path that they would be reached by loses too much. */
  lossyPeers: Type.Array(Type.String()),
  stunServers: Type.Array(StunServerCheck),
  relays: Type.Array(RelayCheck),
  advice: Advice,
});
export type NetworkCheck = Static<typeof NetworkCheck>;

export const NetcheckAnswer = Type.Object({
  /** One for each network that is up: each has sockets of its own. */
  networks: Type.Array(NetworkCheck),
});
export type NetcheckAnswer = Static<typeof NetcheckAnswer>;
