import { isIP } from "node:net";
import { AsterismError } from "@asterism/core/errors";
import type { ActivePathStatus, PingAnswer, PingBody } from "@asterism/core/local-api";
import type { MeshPeer } from "@asterism/core/mesh";
import { formatUdpAddress, type PathAddress } from "@asterism/core/net";
import { RouteTable } from "../platform/route-table.linux.ts";
import type { OverlayNetwork } from "./overlay-network.ts";

const NO_PATH: ActivePathStatus = { kind: "none", remote: null, link: null, relay: null, rttMs: null };

/** One echo to a peer of any of the networks. */
export async function pingPeer(
  networks: readonly OverlayNetwork[],
  body: PingBody,
  signal: AbortSignal,
): Promise<PingAnswer> {
  const { network, peer } = findPeer(networks, body.peer);
  const { pinger } = network;
  if (pinger === undefined) throw new AsterismError("network-unknown", downMessage(network));
  const { nodeId, name } = peer.peer;
  const wantsIpv6 = isIP(body.peer) === 6;
  const address = wantsIpv6 ? peer.peer.ipv6 : peer.peer.ipv4;
  const source = wantsIpv6 ? network.membership.self.ipv6 : network.membership.self.ipv4;
  const reply = await pinger.ping({ nodeId, source, destination: address }, body.sequence, body.timeoutMs, signal);
  const common = { peer: name, address, sequence: body.sequence };
  if (reply === undefined) return { ...common, rttMs: null, path: NO_PATH, problem: explainSilence(network, peer) };
  const rttMs = Math.round(reply.rttMs * 1000) / 1000;
  return { ...common, rttMs, path: pathOf(peer, reply.from, rttMs), problem: null };
}

function pathOf(peer: MeshPeer, from: PathAddress, rttMs: number): ActivePathStatus {
  const remote = formatUdpAddress(from.remote);
  const relayed = peer.isRelayed(from);
  return {
    kind: relayed ? "relayed" : "direct",
    remote,
    link: RouteTable.read().interfaceFor(from.remote.address) ?? null,
    relay: relayed ? remote : null,
    rttMs,
  };
}

function explainSilence(network: OverlayNetwork, peer: MeshPeer): string | null {
  if (peer.problem !== null) return peer.problem.text;
  if (network.control?.connected !== true) return "the server is not reachable, and no address of the peer answers";
  if (!network.isOnline(peer.peer.nodeId)) return "the peer is offline";
  if (peer.table.length === 0) return "no path to the peer has been found yet";
  return null;
}

interface FoundPeer {
  readonly network: OverlayNetwork;
  readonly peer: MeshPeer;
}

/** By name, fully qualified name or overlay address; a name that several networks know must be qualified. */
function findPeer(networks: readonly OverlayNetwork[], text: string): FoundPeer {
  const wanted = text.toLowerCase().replace(/\.$/, "");
  const found = networks.flatMap((network) =>
    [...(network.shell?.mesh.peers.values() ?? [])]
      .filter(({ peer }) => [peer.name, peer.fqdn, peer.ipv4, peer.ipv6].includes(wanted))
      .map((peer) => ({ network, peer })),
  );
  const [only, another] = found;
  if (only === undefined) throw new AsterismError("peer-unknown", unknownPeerMessage(networks, text));
  if (another !== undefined) {
    const names = found.map(({ peer }) => peer.peer.fqdn).join(", ");
    throw new AsterismError("invalid-input", `"${text}" is in several networks; name one in full: ${names}`);
  }
  return only;
}

function unknownPeerMessage(networks: readonly OverlayNetwork[], text: string): string {
  for (const network of networks) {
    const refused = [...(network.shell?.mesh.roster.refused.values() ?? [])].find(({ name, fqdn, ipv4, ipv6 }) =>
      [name, fqdn, ipv4, ipv6].includes(text),
    );
    if (refused !== undefined) return `${text} is refused: ${refused.reason}`;
    const { self } = network.membership;
    if ([self.name, self.fqdn, self.ipv4, self.ipv6].includes(text)) return `${text} is this machine`;
  }
  const down = networks.find(({ shell }) => shell === undefined);
  if (down !== undefined) return `no peer "${text}" in a network that is up. ${downMessage(down)}`;
  return `no peer "${text}"; \`asterism peers\` lists them`;
}

function downMessage({ membership, problem }: OverlayNetwork): string {
  const { name } = membership.network;
  return problem ?? `the network ${name} is down; bring it up with \`asterism up ${name}\``;
}
