/**
 * Which pairs can be connected at an instant, from the state of the simulated world alone. It shares no code with the
 * product: what RFC 4787 says of two NATs is worked out here anew.
 */
import type { VirtualRelay } from "../../virtual-internet/virtual-relay.ts";
import type { ChaosMember } from "./chaos-member.ts";
import { natOf } from "./site.ts";

export type Way =
  /** Without a relay. */
  | "direct"
  /** By a relay only. */
  | "relayed"
  | "none";

/** The best way there is between two members. */
export function wayBetween(a: ChaosMember, b: ChaosMember, relays: readonly VirtualRelay[]): Way {
  if (!isAlive(a) || !isAlive(b)) return "none";
  if (isDirectPossible(a, b, relays)) return "direct";
  return isRelayPossible(a, b, relays) ? "relayed" : "none";
}

function isAlive({ node, isAwake, uplink }: ChaosMember): boolean {
  return node !== undefined && isAwake && uplink.attachment.isUp;
}

function isDirectPossible(a: ChaosMember, b: ChaosMember, relays: readonly VirtualRelay[]): boolean {
  const isSameLan = a.site === b.site && a.site.routers.length > 0;
  if (isSameLan) return true;
  const hasUdp = [a, b].every(({ hasLine, site }) => hasLine && !site.isUdpBlocked);
  if (!hasUdp || isCutOff(a, b)) return false;
  // Stateful firewalls for IPv6 open as both sides send.
  if (a.site.hasIpv6 && b.site.hasIpv6) return true;
  // The relays are the STUN servers too: without one, who is behind a NAT can't tell where it is.
  const isFound = [a, b].some(isPublic) || [a, b].every((member) => reachesRelay(member, relays));
  return isFound && canPunch(a, b);
}

function isPublic({ site }: ChaosMember): boolean {
  return site.routers.length === 0;
}

/** Whether the NATs of two sites can be opened from both sides without guessing ports. */
function canPunch(a: ChaosMember, b: ChaosMember): boolean {
  const [natA, natB] = [natOf(a.site.kind), natOf(b.site.kind)];
  return letsIn(natA.filtering, natB.mapping) && letsIn(natB.filtering, natA.mapping);
}

/** A filter that knows ports lets in nobody whose port it can't know before. */
function letsIn(filtering: string, mappingOfOther: string): boolean {
  return filtering !== "address-and-port-dependent" || mappingOfOther === "endpoint-independent";
}

/** By UDP or, where that is blocked, by a stream. */
function isRelayPossible(a: ChaosMember, b: ChaosMember, relays: readonly VirtualRelay[]): boolean {
  // Relays reach each other always.
  return reachesRelay(a, relays) && reachesRelay(b, relays);
}

function reachesRelay(member: ChaosMember, relays: readonly VirtualRelay[]): boolean {
  const entrance = member.site.entrance(member.uplink.attachment);
  return member.hasLine && relays.some((relay) => relay.isRunning && !entrance.isCutOffFrom(relay.attachment));
}

function isCutOff(a: ChaosMember, b: ChaosMember): boolean {
  return a.site.entrance(a.uplink.attachment).isCutOffFrom(b.site.entrance(b.uplink.attachment));
}
