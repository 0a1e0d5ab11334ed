import type { GatheringSnapshot } from "@asterism/core/gathering";
import type { LinkPath, LinkStatus, NetworkLinks as NetworkLinksAnswer } from "@asterism/core/local-api";
import { formatUdpAddress, type UdpAddress } from "@asterism/core/net";
import type { CandidateKind } from "@asterism/core/paths";
import { natStatus } from "../overlay/nat-status.ts";
import type { OverlayNetwork } from "../overlay/overlay-network.ts";
import { linkAdvice } from "./link-advice.ts";
import { linkPaths } from "./link-paths.ts";
import { type LinkCounts, NO_TRAFFIC } from "./link-traffic.ts";
import type { NetworkLinks } from "./network-links.ts";
import { UNBOUND, type WantedLink } from "./wanted-links.ts";

/** What `asterism links` shows of one network. */
export function networkLinks({ membership, links, shell }: OverlayNetwork): NetworkLinksAnswer {
  const { use = UNBOUND } = membership.links ?? {};
  const network = membership.network.name;
  if (links === undefined || shell === undefined) return { network, use, links: [] };
  const gathering = shell.mesh.gathering();
  const traffic = shell.linkTraffic();
  const paths = linkPaths(shell, links.set);
  return {
    network,
    use,
    links: links.set.wanted.map((wanted) => ({
      ...linkStatus(wanted, links, gathering, paths.get(wanted.name) ?? []),
      ...(traffic.get(wanted.name) ?? NO_TRAFFIC),
    })),
  };
}

function linkStatus(
  wanted: WantedLink,
  links: NetworkLinks,
  { candidates, nats }: GatheringSnapshot,
  paths: LinkPath[],
): Omit<LinkStatus, keyof LinkCounts> {
  const { name, boundTo, traits } = wanted;
  const { info } = links.set.get(name) ?? {};
  const addresses = [...new Set(links.addressesOf(wanted).map(({ address }) => address))];
  const own = candidates.filter(({ linkId }) => linkId === info?.id);
  const of = (...kinds: CandidateKind[]): string[] => unique(own.filter(({ kind }) => kinds.includes(kind)));
  const examined = nats.filter(({ linkId }) => linkId === info?.id);
  const isSilent = paths.length === 0 && examined.length > 0 && examined.every(({ udp }) => udp === false);
  const problem = info === undefined ? links.set.problemOf(name) : addressProblem(wanted, addresses);
  return {
    name,
    boundTo,
    port: info?.port ?? null,
    state: problem === undefined ? "up" : "down",
    problem: problem ?? null,
    advice: problem === undefined ? linkAdvice({ wanted, all: links.set.wanted, scene: links.scene, isSilent }) : null,
    addresses,
    publicAddresses: of("server-reflexive", "port-mapped"),
    relayedAddresses: of("relayed"),
    nat: natStatus(examined).type,
    cost: traits.cost,
    capBitsPerSecond: traits.capBytesPerSecond === undefined ? null : traits.capBytesPerSecond * 8,
    paths,
  };
}

function unique(candidates: readonly { readonly address: UdpAddress }[]): string[] {
  return [...new Set(candidates.map(({ address }) => formatUdpAddress(address)))];
}

function addressProblem({ name, boundTo }: WantedLink, addresses: readonly string[]): string | undefined {
  if (addresses.length > 0) return undefined;
  if (boundTo === "address")
    return `${name} is no address of this machine at present; it is used again as soon as it is`;
  if (boundTo === null) return "this machine has no address but loopback ones: no network is connected";
  return `${name} has no address: it is down, its cable is out, or no router has given it one yet; it is used as soon as it has`;
}
