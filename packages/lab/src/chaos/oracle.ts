/**
 * Which pairs can be connected at an instant, from the state of the world alone. It shares no code with the product: what
 * RFC 4787 says of two NATs is worked out here anew.
 */

/** What the world knows of a member. */
export interface MemberFacts {
  /** Its host is awake, its agent runs, its cable is in. */
  readonly isAlive: boolean;
  /** The line of its site works. */
  readonly hasLine: boolean;
  /** Streams pass all the same. */
  readonly isUdpBlocked: boolean;
  readonly hasIpv6: boolean;
  /** The same object for members that are in one local network; undefined on a public address. */
  readonly lan: object | undefined;
  /** How restrictive the NATs in front of it are together. */
  readonly mapping: Behaviour;
  readonly filtering: Behaviour;
  /** Some relay runs and is not cut off from it. */
  readonly reachesRelay: boolean;
}

type Behaviour = "endpoint-independent" | "address-dependent" | "address-and-port-dependent";

export type Way =
  /** Without a relay. */
  | "direct"
  /** By a relay only. */
  | "relayed"
  | "none";

/** The best way there is between two members. `isCutOff`: nothing passes between their sites. */
export function wayBetween(a: MemberFacts, b: MemberFacts, isCutOff: boolean): Way {
  if (!a.isAlive || !b.isAlive) return "none";
  if (isDirectPossible(a, b, isCutOff)) return "direct";
  // Relays reach each other always. Where UDP is blocked they are reached by a stream.
  return reaches(a) && reaches(b) ? "relayed" : "none";
}

function isDirectPossible(a: MemberFacts, b: MemberFacts, isCutOff: boolean): boolean {
  if (a.lan !== undefined && a.lan === b.lan) return true;
  const hasUdp = [a, b].every(({ hasLine, isUdpBlocked }) => hasLine && !isUdpBlocked);
  if (!hasUdp || isCutOff) return false;
  // Stateful firewalls for IPv6 open as both sides send.
  if (a.hasIpv6 && b.hasIpv6) return true;
  // The relays are the STUN servers too: without one, who is behind a NAT can't tell where it is.
  const isFound = a.lan === undefined || b.lan === undefined || (reaches(a) && reaches(b));
  return isFound && letsIn(a.filtering, b.mapping) && letsIn(b.filtering, a.mapping);
}

/** A filter that knows ports lets in nobody whose port it can't know before. */
function letsIn(filtering: Behaviour, mappingOfOther: Behaviour): boolean {
  return filtering !== "address-and-port-dependent" || mappingOfOther === "endpoint-independent";
}

function reaches({ hasLine, reachesRelay }: MemberFacts): boolean {
  return hasLine && reachesRelay;
}
