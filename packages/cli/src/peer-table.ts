import type { PeerStatus } from "@asterism/core/local-api";
import { formatBytes, formatMs, formatPath, formatTable } from "./output.ts";

const HEADER = ["PEER", "ADDRESS", "STATE", "PATH", "RTT", "SENT", "RECEIVED", "PACKETS DIRECT", "RELAYED", ""];

export function formatPeerTable(peers: readonly PeerStatus[]): string {
  return formatTable([HEADER, ...peers.map(formatPeer)]);
}

function formatPeer(peer: PeerStatus): string[] {
  const { path } = peer;
  const way = path.kind === "none" ? "–" : formatPath({ ...path, rttMs: null });
  const relayedPackets = peer.txRelayedPackets + peer.rxRelayedPackets;
  const directPackets = peer.txPackets + peer.rxPackets - relayedPackets;
  return [
    peer.name,
    peer.ipv4 ?? peer.ipv6 ?? "–",
    peer.online ? "online" : "offline",
    way,
    formatMs(path.rttMs),
    formatBytes(peer.txBytes),
    formatBytes(peer.rxBytes),
    String(directPackets),
    String(relayedPackets),
    peer.problem ?? "",
  ];
}
