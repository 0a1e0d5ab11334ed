import { type Static, Type } from "typebox";
import type { TrafficModeName } from "../control/scalars.ts";
import { MAX_LINK_COST, MAX_LINKS } from "../net/index.ts";
import type { PathSpread } from "./path-use.ts";

/** Name of an interface, or a numeric IP address of the host. */
const LinkName = Type.String({ minLength: 1, maxLength: 45, pattern: "^[^\\s/]+$" });

/**
 * Which links a network uses. `any`: one that is bound to nothing, which leaves the choice to the kernel; `auto`: one for
 * each interface that leads out; else the interfaces and addresses that are named.
 */
export const LinkUse = Type.Union([
  Type.Literal("any"),
  Type.Literal("auto"),
  Type.Array(LinkName, { minItems: 1, maxItems: MAX_LINKS, uniqueItems: true }),
]);
export type LinkUse = Static<typeof LinkUse>;

/** Links with a cost or a limit: all that a membership file has room for. */
export const MAX_LINKS_DESCRIBED = 32;

const perLink = <T extends Parameters<typeof Type.Record>[1]>(value: T) =>
  Type.Record(LinkName, value, { maxProperties: MAX_LINKS_DESCRIBED });

const linkFields = {
  use: Type.Optional(LinkUse),
  /** By name: a link is used only while none that costs less works. Those left out cost 0. */
  costs: Type.Optional(perLink(Type.Integer({ minimum: 0, maximum: MAX_LINK_COST }))),
  /** By name: at most so much of what is spread over several links goes by this one; 0 lifts the limit. */
  capsBitsPerSecond: Type.Optional(perLink(Type.Integer({ minimum: 0, maximum: 1_000_000_000_000 }))),
};

/** What is left out is as by default, or in a change stays as it is. */
export const LinkSettings = Type.Object(linkFields, { additionalProperties: false });
export type LinkSettings = Static<typeof LinkSettings>;

export const LinksBody = Type.Object(
  {
    /** Name or id; may be left out where there is only one network. */
    network: Type.Optional(Type.String({ minLength: 1, maxLength: 128 })),
    ...linkFields,
  },
  { additionalProperties: false },
);
export type LinksBody = Static<typeof LinksBody>;

/** One link of a network: a socket of its own. */
export interface LinkStatus {
  /** The interface or address that it is bound to; `any` for none. */
  name: string;
  boundTo: "interface" | "address" | null;
  /** Null while it is not open. */
  port: number | null;
  state: "up" | "down";
  /** Why it is down, and how to mend it; null while it is up. */
  problem: string | null;
  /** Why it may be of no use although it is up, and what to do about it; null if nothing is wrong. */
  advice: string | null;
  /** Addresses of this machine on the link. */
  addresses: string[];
  /** As others see it from outside, `203.0.113.7:41641`. */
  publicAddresses: string[];
  relayedAddresses: string[];
  /** Folk name of the NAT in front of it, by IPv4 where UDP passes; `unknown` before it was examined. */
  nat: string;
  cost: number;
  /** Null for no limit. */
  capBitsPerSecond: number | null;
  /** Of the tunnels' packets, since the network is up. */
  txBytes: number;
  rxBytes: number;
  txPackets: number;
  rxPackets: number;
  /** Of those sent while packets were spread over several paths. */
  lostPackets: number;
  /** By this link, of what got lost on any. */
  resentPackets: number;
  /** What carries packets to peers over it, by the peers' names. */
  paths: LinkPath[];
}

/** A path in use. */
export interface LinkPath {
  peer: string;
  /** In force for what is sent to the peer. */
  mode: TrafficModeName;
  /** To the peer, this one included. */
  pathsInUse: number;
  kind: "direct" | "relayed";
  remote: string;
  rttMs: number | null;
  /** Of the last checks; of packets, see `spread`. */
  lossRatio: number;
  txBytes: number;
  rxBytes: number;
  /** Of what is sent to the peer lately, 0–1. */
  share: number;
  /** What was learnt since packets are spread over several paths; null while they are not. */
  spread: PathSpread | null;
}

export interface NetworkLinks {
  network: string;
  use: LinkUse;
  links: LinkStatus[];
}

export interface LinksAnswer {
  networks: NetworkLinks[];
}
