/** Who does what when a hole is punched, and where it is aimed at. Pure decisions. IPv4 only: IPv6 has no such NATs. */
import type { NatFacts } from "../../nat/index.ts";
import type { LinkId, UdpAddress } from "../../net/index.ts";
import { classifyAddress, ipFamilyOf } from "../address-class.ts";
import type { LocalCandidate, RemoteCandidate } from "../candidate.ts";
import type { Path } from "../path.ts";
import { otherRole, type PunchRole } from "./punch-message.ts";

export interface PunchPlan {
  readonly role: PunchRole;
  /** The NATs of both ends show that nothing else will do. */
  readonly isCertain: boolean;
}

/** One of our addresses as the world sees it, and the link behind it. */
export interface Vantage {
  readonly linkId: LinkId;
  readonly address: UdpAddress;
}

type Mapping = "same" | "varying" | "unknown";

/**
 * Undefined where punching is of no use: no UDP, or two NATs with varying ports that can't be foretold on both sides. Where
 * it is not known which end has the varying ports, the two roles take turns; `lastRole` was ours before.
 */
export function planPunch(
  own: readonly NatFacts[],
  peer: readonly NatFacts[],
  { lastRole, areForetold }: { readonly lastRole: PunchRole | undefined; readonly areForetold: boolean },
): PunchPlan | undefined {
  if ([own, peer].some((nats) => ofIpv4(nats)?.udp === false)) return undefined;
  const [mine, theirs] = [mappingOf(own), mappingOf(peer)];
  if (mine === "varying" && theirs === "varying") return areForetold ? { role: "aimed", isCertain: true } : undefined;
  if (mine === "varying") return { role: "sockets", isCertain: theirs === "same" };
  if (theirs === "varying") return { role: "ports", isCertain: mine === "same" };
  return { role: lastRole === undefined ? "ports" : otherRole(lastRole), isCertain: false };
}

/**
 * Packets pass directly over IPv4, though something is wrong with that path: no NAT is in the way, and other ports would
 * lead the same way.
 */
export function isOpen(paths: Iterable<Path>): boolean {
  return [...paths].some((path) => {
    return path.kind === "direct" && path.family === 4 && path.isUsable && (path.isNarrow || path.isLossy);
  });
}

/** Our public addresses over IPv4, the best first. */
export function vantages(local: readonly LocalCandidate[]): Vantage[] {
  const found = new Map<LinkId, Vantage>();
  const usable = local.filter(({ kind, address }) => isPublicIpv4(address) && kind !== "relayed");
  // What a STUN server saw is what the peer's NAT will see; a host's own public address has no NAT before it.
  const ofKind = (wanted: LocalCandidate["kind"]): LocalCandidate[] => usable.filter(({ kind }) => kind === wanted);
  for (const { linkId, address } of [...ofKind("server-reflexive"), ...ofKind("host")]) {
    if (!found.has(linkId)) found.set(linkId, { linkId, address });
  }
  return [...found.values()];
}

/**
 * Whether to send there because the peer says so: only to a public address, and only to one that the peer offers as
 * its own.
 */
export function mayAimAt({ address, port }: UdpAddress, remote: readonly RemoteCandidate[]): boolean {
  return isPublicIpv4({ address, port }) && remote.some((candidate) => candidate.address.address === address);
}

/** Where the peer most likely is, as the world sees it; undefined if it offers no public address over IPv4. */
export function publicAddressOf(remote: readonly RemoteCandidate[]): string | undefined {
  const usable = remote.filter(({ kind, address }) => isPublicIpv4(address) && kind !== "relayed");
  const found = usable.find(({ kind }) => kind === "server-reflexive") ?? usable[0];
  return found?.address.address;
}

function isPublicIpv4({ address }: UdpAddress): boolean {
  return ipFamilyOf(address) === 4 && classifyAddress(address) === "global";
}

function ofIpv4(nats: readonly NatFacts[]): NatFacts | undefined {
  return nats.find(({ family }) => family === 4);
}

/** The type says it where the servers leave open which kind of varying it is. */
export function mappingOf(nats: readonly NatFacts[]): Mapping {
  const { mapping = "unknown", type = "unknown" } = ofIpv4(nats) ?? {};
  if (type === "symmetric") return "varying";
  if (mapping === "unknown") return "unknown";
  return mapping === "endpoint-independent" ? "same" : "varying";
}
