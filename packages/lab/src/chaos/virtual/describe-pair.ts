/** The history of a pair in plain lines, as `asterism explain` would tell it, from both ends. */
import { formatUdpAddress } from "@asterism/core/net";
import type { ChaosMember } from "./chaos-member.ts";
import type { Conversation } from "./conversations.ts";
import type { Stage } from "./stage.ts";

export function describePair({ from, to }: Conversation, stage: Stage): string {
  return [...describeEnd(from, to, stage), ...describeEnd(to, from, stage)].join("\n");
}

function describeEnd(own: ChaosMember, other: ChaosMember, stage: Stage): string[] {
  const peer = own.node?.mesh.peers.get(other.name);
  const snapshot = peer?.paths?.snapshot(own.host.now);
  const stream = stage.control.isConnected(own.name) ? "server connected" : "no server";
  const title = `${own.name} (${own.site.name}, ${own.uplink.ipv4}, ${stream}) to ${other.name}:`;
  if (own.node === undefined || peer === undefined || snapshot === undefined) return [title, "  does not run"];
  const ago = (at: number | null): string =>
    at === null ? "never" : `${((own.host.now - at) / 1_000).toFixed(1)} s ago`;
  const { handshaking, sessionAgeMs, sessionRole } = own.node.mesh.peerState(peer, own.host.now);
  const session = sessionAgeMs === undefined ? "none" : `${sessionRole}, ${(sessionAgeMs / 1_000).toFixed(1)} s old`;
  return [
    title,
    `  session ${session}${handshaking ? ", handshaking" : ""}; paths ${snapshot.kind}${snapshot.trusted ? ", trusted" : ""}; ` +
      `next attempt ${snapshot.nextAttemptAt === null ? "none" : `in ${((snapshot.nextAttemptAt - own.host.now) / 1_000).toFixed(1)} s`}, ` +
      `${snapshot.attemptsWithoutSuccess} in vain; drops ${JSON.stringify({ ...own.node.mesh.drops, ...snapshot.drops })}`,
    `  own: ${snapshot.localCandidates.map(({ kind, address }) => `${kind} ${formatUdpAddress(address)}`).join(", ")}`,
    `  theirs: ${snapshot.remoteCandidates.map(({ kind, address }) => `${kind} ${formatUdpAddress(address)}`).join(", ")}`,
    `  relays: ${own.node.mesh
      .gathering()
      .relays.map(
        ({ name, isPreferred, allocations }) =>
          `${name}${isPreferred ? "*" : ""} ${allocations.map(({ state }) => state).join()}`,
      )
      .join("; ")}`,
    ...snapshot.paths.map(
      ({ address, peer: remote, kind, remoteKind, state, lastAnsweredAt, lastHeardAt }) =>
        `  path ${state} ${kind} ${remoteKind} ${formatUdpAddress(address.remote)}${address.channel === null ? "" : ` for ${formatUdpAddress(remote)}`}` +
        ` answered ${ago(lastAnsweredAt)}, heard ${ago(lastHeardAt)}`,
    ),
    ...snapshot.changes
      .slice(-6)
      .map(({ at, from, to, why }) => `  ${ago(at)}: ${from?.kind ?? "none"} → ${to?.kind ?? "none"}: ${why}`),
  ];
}
