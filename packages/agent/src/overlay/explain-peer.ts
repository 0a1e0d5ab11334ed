import { setTimeout as delay } from "node:timers/promises";
import { type PeerFacts, peerReport } from "@asterism/core/explain";
import type { ExplainBody, PeerExplanation } from "@asterism/core/local-api";
import type { RefusedPeer } from "@asterism/core/mesh";
import { monotonicNow, wallNow } from "../platform/clock.ts";
import { type FoundPeer, findPeer, findRefused } from "./find-peer.ts";
import type { MeshShell } from "./mesh-shell.ts";
import { examined, proxyCheck } from "./netcheck.ts";
import { serverStatus } from "./network-status.ts";
import type { OverlayNetwork } from "./overlay-network.ts";
import { pathUses } from "./path-uses.ts";

/** A round of checks in which nothing answers takes 4 s. */
const LIMIT_MS = 7_000;
/** Candidates that the other end learns come a moment after its first answer. */
const RELAYED_AT_LEAST_MS = 1_500;
/** Where several paths are to be used together: until the first checks of the others are answered. */
const OTHERS_WITHIN_MS = 1_500;
const ECHO_WAIT_MS = 1_000;
const ECHO_INTERVAL_MS = 200;
const ENOUGH_SILENT_ECHOES = 3;

/** Talks to the peer for some seconds at most, so that there is something to explain, and reports. */
export async function explainPeer(
  networks: readonly OverlayNetwork[],
  body: ExplainBody,
  signal: AbortSignal,
): Promise<PeerExplanation> {
  const refused = findRefused(networks, body.peer);
  if (refused !== undefined) return peerReport(refusedFacts(refused));
  const found = findPeer(networks, body.peer);
  const [echoMs] = await Promise.all([probe(found, signal), examined(found.shell, signal)]);
  return peerReport(peerFacts(found, echoMs));
}

/** Sends echoes until it is clear how the peer is reached. The round trip of the last one, null if it was lost. */
async function probe({ network, peer }: FoundPeer, signal: AbortSignal): Promise<number | null> {
  const { pinger } = network;
  const { nodeId, ipv4 } = peer.peer;
  const target = { nodeId, source: network.membership.self.ipv4, destination: ipv4 };
  const startedAt = monotonicNow();
  let silentEchoes = 0;
  for (let sequence = 0; pinger !== undefined && !signal.aborted; sequence++) {
    const reply = await pinger.ping(target, sequence, ECHO_WAIT_MS, signal);
    silentEchoes = reply === undefined ? silentEchoes + 1 : 0;
    const elapsedMs = monotonicNow() - startedAt;
    if (elapsedMs >= LIMIT_MS || isSettled({ network, peer }, silentEchoes, elapsedMs)) return reply?.rttMs ?? null;
    await delay(ECHO_INTERVAL_MS);
  }
  return null;
}

function isSettled(
  { network, peer }: Pick<FoundPeer, "network" | "peer">,
  silentEchoes: number,
  elapsedMs: number,
): boolean {
  if (peer.problem !== null) return true;
  const snapshot = peer.paths?.snapshot(monotonicNow());
  if (snapshot === undefined) return silentEchoes === 0 || silentEchoes >= ENOUGH_SILENT_ECHOES;
  if (snapshot.kind === "none") return !network.isOnline(peer.peer.nodeId);
  if (silentEchoes > 0) return snapshot.trusted && silentEchoes >= ENOUGH_SILENT_ECHOES;
  const others = snapshot.paths.filter(({ state }) => state === "active").length > 1;
  if (snapshot.mode.mode !== "best" && !others && elapsedMs < OTHERS_WITHIN_MS) return false;
  if (snapshot.kind === "direct") return snapshot.trusted;
  const isPunching = snapshot.punch.state === "proposed" || snapshot.punch.state === "running";
  const isLooking = isPunching || snapshot.paths.some(({ kind, state }) => kind === "direct" && state === "checking");
  return elapsedMs >= RELAYED_AT_LEAST_MS && !isLooking;
}

function peerFacts({ network, shell, peer }: FoundPeer, echoMs: number | null): PeerFacts {
  const { nodeId, name, fqdn, ipv4, ipv6, kind } = peer.peer;
  const time = { now: monotonicNow(), wall: wallNow() };
  const counters = shell.counters(nodeId);
  const { txPackets = 0, rxPackets = 0, txRelayedPackets = 0, rxRelayedPackets = 0 } = counters ?? {};
  const paths = peer.paths?.snapshot(time.now) ?? null;
  return {
    ...networkFacts(network, shell),
    peer: {
      name,
      fqdn,
      ipv4,
      ipv6,
      kind,
      online: network.isOnline(nodeId),
      problem: peer.problem,
      callProblem: peer.callDrop,
    },
    peerNats: peer.nats,
    peerPorts: peer.ports,
    paths,
    uses: pathUses(shell, nodeId, paths?.paths ?? []),
    provisional: peer.table[0]?.remote ?? null,
    calls: namedCalls(shell, nodeId),
    lastHandshakeAt: shell.mesh.peerState(peer, time.now).lastHandshakeAt ?? null,
    echoMs,
    traffic: { txPackets, rxPackets, txRelayedPackets, rxRelayedPackets },
    time,
  };
}

/** With names in place of node ids. */
function namedCalls({ mesh }: MeshShell, nodeId: string): PeerFacts["calls"] {
  const { sent, received } = mesh.callWays(nodeId);
  const nameOf = (member: string): string => mesh.peers.get(member)?.peer.name ?? member;
  return {
    sent: sent && { ...sent, members: sent.members.map(nameOf) },
    received: received && { ...received, via: received.via && nameOf(received.via) },
  };
}

function refusedFacts({
  network,
  shell,
  peer,
}: {
  network: OverlayNetwork;
  shell: MeshShell;
  peer: RefusedPeer;
}): PeerFacts {
  const { nodeId, name, fqdn, ipv4, ipv6, reason } = peer;
  const problem = { code: "refused", text: reason };
  const online = network.isOnline(nodeId);
  return {
    ...networkFacts(network, shell),
    peer: { name, fqdn, ipv4, ipv6, kind: "refused", online, problem, callProblem: null },
    peerNats: null,
    peerPorts: [],
    paths: null,
    provisional: null,
    calls: { sent: null, received: null },
    lastHandshakeAt: null,
    echoMs: null,
    traffic: { txPackets: 0, rxPackets: 0, txRelayedPackets: 0, rxRelayedPackets: 0 },
    time: { now: monotonicNow(), wall: wallNow() },
  };
}

function networkFacts(
  network: OverlayNetwork,
  shell: MeshShell,
): Pick<PeerFacts, "network" | "server" | "proxy" | "gathering" | "linkTo"> {
  const { url, connected } = serverStatus(network);
  return {
    network: network.membership.network.name,
    server: { url, connected },
    proxy: proxyCheck(network),
    gathering: shell.mesh.gathering(),
    linkTo: network.linkNamer(),
  };
}
