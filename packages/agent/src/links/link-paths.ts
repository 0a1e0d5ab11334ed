import type { LinkPath } from "@asterism/core/local-api";
import type { MeshPeer } from "@asterism/core/mesh";
import { formatUdpAddress, pathAddressKey } from "@asterism/core/net";
import type { Instant } from "@asterism/core/time";
import type { MeshShell } from "../overlay/mesh-shell.ts";
import { pathUses, roundMs } from "../overlay/path-uses.ts";
import { monotonicNow } from "../platform/clock.ts";
import type { LinkSet } from "./link-set.ts";

/** The paths that carry packets to peers with a session, by the name of the link that they run over. */
export function linkPaths(shell: MeshShell, links: LinkSet): Map<string, LinkPath[]> {
  const now = monotonicNow();
  const byLink = new Map<string, LinkPath[]>();
  const peers = shell.connectedPeers().flatMap((nodeId) => shell.mesh.peers.get(nodeId) ?? []);
  for (const peer of peers.sort((a, b) => a.peer.name.localeCompare(b.peer.name))) {
    for (const { linkId, path } of pathsInUse(shell, peer, now)) {
      const name = links.find(linkId)?.name;
      if (name !== undefined) byLink.set(name, [...(byLink.get(name) ?? []), path]);
    }
  }
  return byLink;
}

function pathsInUse(shell: MeshShell, { peer, paths }: MeshPeer, now: Instant): { linkId: number; path: LinkPath }[] {
  const snapshot = paths?.snapshot(now);
  const active = (snapshot?.paths ?? []).filter(({ state }) => state === "active");
  const uses = pathUses(shell, peer.nodeId, active);
  return active.map(({ address, kind, rttMs, lossRatio }) => {
    const { txBytes = 0, rxBytes = 0, share = 0, spread = null } = uses.get(pathAddressKey(address)) ?? {};
    return {
      linkId: address.linkId,
      path: {
        peer: peer.name,
        mode: snapshot?.mode.mode ?? "best",
        pathsInUse: active.length,
        kind,
        remote: formatUdpAddress(address.remote),
        rttMs: rttMs === null ? null : roundMs(rttMs),
        lossRatio,
        txBytes,
        rxBytes,
        share,
        spread,
      },
    };
  });
}
