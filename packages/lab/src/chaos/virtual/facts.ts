import type { VirtualRelay } from "../../virtual-internet/virtual-relay.ts";
import { type MemberFacts, type Way, wayBetween } from "../oracle.ts";
import type { ChaosMember } from "./chaos-member.ts";
import { natOf } from "./site.ts";

/** The best way that the virtual world has between two members. */
export function virtualWay(a: ChaosMember, b: ChaosMember, relays: readonly VirtualRelay[]): Way {
  return wayBetween(factsOf(a, relays), factsOf(b, relays), entranceOf(a).isCutOffFrom(entranceOf(b)));
}

function factsOf(member: ChaosMember, relays: readonly VirtualRelay[]): MemberFacts {
  const { site, node, isAwake, uplink, hasLine } = member;
  return {
    isAlive: node !== undefined && isAwake && uplink.attachment.isUp,
    hasLine,
    isUdpBlocked: site.isUdpBlocked,
    hasIpv6: site.hasIpv6,
    lan: site.routers.length > 0 ? site : undefined,
    ...natOf(site.kind),
    reachesRelay: relays.some((relay) => relay.isRunning && !entranceOf(member).isCutOffFrom(relay.attachment)),
  };
}

function entranceOf({ site, uplink }: ChaosMember): ReturnType<typeof site.entrance> {
  return site.entrance(uplink.attachment);
}
