import type { PeerStatus } from "@asterism/core/local-api";
import { formatBytes, formatMs, formatTable } from "./output.ts";

const HEADER = ["PEER", "ADDRESS", "STATE", "PATH", "RTT", "SENT", "RECEIVED", ""];

export function formatPeerTable(peers: readonly PeerStatus[]): string {
  return formatTable([HEADER, ...peers.map(formatPeer)]);
}

function formatPeer(peer: PeerStatus): string[] {
  const { path } = peer;
  const way =
    path.kind === "none" ? "–" : `${path.kind} ${path.remote ?? ""}${path.link === null ? "" : ` (${path.link})`}`;
  return [
    peer.name,
    peer.ipv4 ?? peer.ipv6 ?? "–",
    peer.online ? "online" : "offline",
    way,
    formatMs(path.rttMs),
    formatBytes(peer.txBytes),
    formatBytes(peer.rxBytes),
    peer.problem ?? "",
  ];
}
