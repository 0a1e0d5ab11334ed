import { isIP } from "node:net";
import { AsterismError } from "@asterism/core/errors";
import { relayName } from "@asterism/core/explain";
import type { ActivePathStatus, PingAnswer, PingBody } from "@asterism/core/local-api";
import type { MeshPeer } from "@asterism/core/mesh";
import { formatUdpAddress, type PathAddress } from "@asterism/core/net";
import { downMessage, type FoundPeer, findPeer } from "./find-peer.ts";
import type { OverlayNetwork } from "./overlay-network.ts";

const NO_PATH: ActivePathStatus = { kind: "none", remote: null, link: null, relay: null, rttMs: null };

/** One echo to a peer of any of the networks. */
export async function pingPeer(
  networks: readonly OverlayNetwork[],
  body: PingBody,
  signal: AbortSignal,
): Promise<PingAnswer> {
  const { network, shell, peer } = findPeer(networks, body.peer);
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
  return { ...common, rttMs, path: pathOf({ network, shell, peer }, reply.from, rttMs), problem: null };
}

function pathOf(
  { network, shell, peer }: Pick<FoundPeer, "network" | "shell" | "peer">,
  from: PathAddress,
  rttMs: number,
): ActivePathStatus {
  const remote = formatUdpAddress(from.remote);
  const relayed = peer.isRelayed(from);
  return {
    kind: relayed ? "relayed" : "direct",
    remote,
    link: network.linkNamer()(from.remote.address, from.linkId),
    relay: relayed ? relayName(from.remote, shell.mesh.gathering().relays) : null,
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
