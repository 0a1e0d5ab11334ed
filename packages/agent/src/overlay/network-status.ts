import { relayName } from "@asterism/core/explain";
import type { RelaySnapshot } from "@asterism/core/gathering";
import type {
  ActivePathStatus,
  NetworkStatus,
  PathStatus,
  PeerStatus,
  SelfStatus,
  ServerStatus,
} from "@asterism/core/local-api";
import type { Mesh, MeshPeer, RefusedPeer } from "@asterism/core/mesh";
import { formatUdpAddress, pathAddressKey } from "@asterism/core/net";
import type { ModeDecision, PeerPathsSnapshot } from "@asterism/core/paths";
import type { Instant, WallTime } from "@asterism/core/time";
import type { LinkNamer } from "../links/network-links.ts";
import { monotonicNow, wallNow } from "../platform/clock.ts";
import type { MeshShell } from "./mesh-shell.ts";
import { natStatus } from "./nat-status.ts";
import type { OverlayNetwork } from "./overlay-network.ts";
import { pathUses, roundMs } from "./path-uses.ts";

const NO_PATH: ActivePathStatus = { kind: "none", remote: null, link: null, relay: null, rttMs: null };

/** What `asterism status` shows of one network. */
export function networkStatus(overlay: OverlayNetwork): NetworkStatus {
  const { network } = overlay.membership;
  return {
    name: network.name,
    id: network.id,
    kind: network.kind,
    interface: overlay.interfaceName,
    state: overlay.state,
    problem: overlay.problem,
    server: serverStatus(overlay),
    self: selfStatus(overlay),
    peers: overlay.shell === undefined ? [] : peerStatuses(overlay, overlay.shell),
  };
}

export function serverStatus({ membership, control }: OverlayNetwork): ServerStatus {
  return {
    url: membership.serverUrl,
    connected: control?.connected ?? false,
    since: control?.since.toISOString() ?? null,
  };
}

function selfStatus(overlay: OverlayNetwork): SelfStatus {
  const { name, fqdn, ipv4, ipv6 } = overlay.membership.self;
  return {
    name,
    fqdn,
    ipv4,
    ipv6,
    nodeKey: overlay.nodeKey,
    nat: natStatus(overlay.shell?.mesh.gathering().nats ?? []),
  };
}

function peerStatuses(overlay: OverlayNetwork, shell: MeshShell): PeerStatus[] {
  const { relays } = shell.mesh.gathering();
  const context = {
    overlay,
    shell,
    mesh: shell.mesh,
    relays,
    linkTo: overlay.linkNamer(),
    now: monotonicNow(),
    wall: wallNow(),
  };
  const peers = [...shell.mesh.peers.values()].map((peer) => peerStatus(peer, context));
  const refused = [...shell.mesh.roster.refused.values()].map((peer) => refusedStatus(peer, overlay));
  return [...peers, ...refused].sort((a, b) => a.name.localeCompare(b.name));
}

interface PeerContext {
  readonly overlay: OverlayNetwork;
  readonly shell: MeshShell;
  readonly mesh: Mesh;
  readonly relays: readonly RelaySnapshot[];
  readonly linkTo: LinkNamer;
  readonly now: Instant;
  readonly wall: WallTime;
}

function peerStatus(peer: MeshPeer, context: PeerContext): PeerStatus {
  const { nodeId, name, fqdn, ipv4, ipv6, nodeKey } = peer.peer;
  const counters = context.shell.counters(nodeId);
  const snapshot = peer.paths?.snapshot(context.now);
  const mode: ModeDecision = snapshot?.mode ?? { mode: "best", by: "incapable" };
  const { lastHandshakeAt } = context.mesh.peerState(peer, context.now);
  return {
    name,
    fqdn,
    ipv4,
    ipv6,
    nodeKey,
    online: context.overlay.isOnline(nodeId),
    path: activePath(peer, snapshot?.active ?? null, context),
    paths: pathStatuses(nodeId, snapshot?.paths ?? [], context),
    mode: mode.mode,
    modeBy: mode.by,
    aead: context.shell.hasSession(nodeId) ? peer.aead : null,
    txBytes: counters?.txBytes ?? 0,
    rxBytes: counters?.rxBytes ?? 0,
    txPackets: counters?.txPackets ?? 0,
    rxPackets: counters?.rxPackets ?? 0,
    txRelayedPackets: counters?.txRelayedPackets ?? 0,
    rxRelayedPackets: counters?.rxRelayedPackets ?? 0,
    lastHandshake: lastHandshakeAt === undefined ? null : wallIso(lastHandshakeAt, context),
    problem: peer.problem?.text ?? null,
  };
}

function activePath(
  peer: MeshPeer,
  active: PeerPathsSnapshot["active"],
  { linkTo, relays }: PeerContext,
): ActivePathStatus {
  const [best] = peer.table;
  if (best === undefined) return NO_PATH;
  const remote = formatUdpAddress(best.remote);
  return {
    kind: best.relayed ? "relayed" : "direct",
    remote,
    link: linkTo(best.remote.address, best.linkId),
    relay: best.relayed ? relayName(best.remote, relays) : null,
    rttMs: active === null ? null : roundMs(active.rttMs),
  };
}

function pathStatuses(nodeId: string, paths: PeerPathsSnapshot["paths"], { shell, linkTo }: PeerContext): PathStatus[] {
  const uses = pathUses(shell, nodeId, paths);
  return paths.map((path) => {
    const use = uses.get(pathAddressKey(path.address));
    return {
      kind: path.kind,
      remote: formatUdpAddress(path.address.remote),
      link: linkTo(path.address.remote.address, path.address.linkId),
      state: path.state,
      rttMs: path.rttMs === null ? null : roundMs(path.rttMs),
      lossRatio: path.lossRatio,
      mtuBytes: path.mtuBytes,
      txBytes: use?.txBytes ?? 0,
      rxBytes: use?.rxBytes ?? 0,
      weight: use?.share ?? 0,
      spread: use?.spread ?? null,
      idleBecause: path.idleBecause,
    };
  });
}

function refusedStatus(peer: RefusedPeer, overlay: OverlayNetwork): PeerStatus {
  const { nodeId, name, fqdn, ipv4, ipv6, reason } = peer;
  return {
    name,
    fqdn,
    ipv4,
    ipv6,
    nodeKey: "",
    online: overlay.isOnline(nodeId),
    path: NO_PATH,
    paths: [],
    mode: "best",
    modeBy: "default",
    aead: null,
    txBytes: 0,
    rxBytes: 0,
    txPackets: 0,
    rxPackets: 0,
    txRelayedPackets: 0,
    rxRelayedPackets: 0,
    lastHandshake: null,
    problem: `refused: ${reason}`,
  };
}

function wallIso(at: Instant, { now, wall }: PeerContext): string {
  return new Date(wall - (now - at)).toISOString();
}
