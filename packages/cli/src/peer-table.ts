import type { PathSpread, PathStatus, PeerStatus } from "@asterism/core/local-api";
import { formatBytes, formatMs, formatPath, formatTable } from "./output.ts";
import { DEAD, formatPercent, formatRate } from "./path-figures.ts";

const HEADER = ["PEER", "ADDRESS", "STATE", "PATH", "RTT", "SENT", "RECEIVED", "PACKETS DIRECT", "RELAYED", ""];

export function formatPeerTable(peers: readonly PeerStatus[]): string {
  return formatTable([HEADER, ...peers.flatMap((peer) => [formatPeer(peer), ...carriers(peer).map(formatCarrier)])]);
}

/** The paths that its packets are spread over; none if that is one. */
function carriers({ mode, paths }: PeerStatus): PathStatus[] {
  const used = mode === "best" ? [] : paths.filter(({ state }) => state === "active");
  return used.length > 1 ? used : [];
}

function formatCarrier({ kind, remote, link, rttMs, txBytes, rxBytes, weight, spread }: PathStatus): string[] {
  const way = `${Math.round(100 * weight)} % ${formatPath({ kind, remote, link, relay: null, rttMs: null })}`;
  const learnt = spread === null ? "" : describeSpread(spread);
  return [
    "",
    "",
    "",
    way,
    formatMs(spread?.rttMs ?? rttMs),
    formatBytes(txBytes),
    formatBytes(rxBytes),
    "",
    "",
    learnt,
  ];
}

function describeSpread(spread: PathSpread): string {
  if (spread.dead) return DEAD;
  const rate = spread.rateBitsPerSecond === null ? "" : `${formatRate(spread)}, `;
  return `${rate}${formatPercent(spread.lossRatio)} lost, ${spread.resentPackets} sent again`;
}

function formatPeer(peer: PeerStatus): string[] {
  const { path } = peer;
  const single = path.kind === "none" ? "–" : formatPath({ ...path, rttMs: null });
  const together = carriers(peer);
  const way = together.length === 0 ? single : `${peer.mode} over ${together.length} paths`;
  const rttsMs = together.flatMap((one) => one.spread?.rttMs ?? one.rttMs ?? []);
  const relayedPackets = peer.txRelayedPackets + peer.rxRelayedPackets;
  const directPackets = peer.txPackets + peer.rxPackets - relayedPackets;
  return [
    peer.name,
    peer.ipv4 ?? peer.ipv6 ?? "–",
    peer.online ? "online" : "offline",
    way,
    formatMs(rttsMs.length === 0 ? path.rttMs : Math.min(...rttsMs)),
    formatBytes(peer.txBytes),
    formatBytes(peer.rxBytes),
    String(directPackets),
    String(relayedPackets),
    peer.problem ?? "",
  ];
}
