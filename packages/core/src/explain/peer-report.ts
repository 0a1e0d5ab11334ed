import type { GatheringSnapshot } from "../gathering/index.ts";
import type {
  ModeInForce,
  NatSide,
  PathWords,
  PeerExplanation,
  ProxyCheck,
  Punching,
  TriedPath,
} from "../local-api/index.ts";
import type { CallWays } from "../mesh/index.ts";
import { type NatFacts, type PortPrediction, summariseNats } from "../nat/index.ts";
import { formatUdpAddress, type LinkId, type PathAddress, pathAddressKey, type UdpAddress } from "../net/index.ts";
import type { ActivePath, AttemptRecord, PathSnapshot, PeerPathsSnapshot, PunchSnapshot } from "../paths/index.ts";
import type { ClockReading, Instant } from "../time.ts";
import { modeAdvice } from "./mode-advice.ts";
import { portMappings, relayChecks, roundMs } from "./netcheck-report.ts";
import { nextPorts, nextPortsOf } from "./next-ports.ts";
import { peerAdvice } from "./peer-advice.ts";
import { relayName } from "./relay-name.ts";

export interface PeerFacts {
  readonly network: string;
  readonly server: PeerExplanation["server"];
  /** Left out if no proxy is named. */
  readonly proxy?: ProxyCheck | undefined;
  readonly peer: PeerExplanation["peer"];
  /** What the peer tells of its NATs, null if it has not. */
  readonly peerNats: readonly NatFacts[] | null;
  /** Where the peer's NATs will likely map its next sockets to, as it tells. */
  readonly peerPorts: readonly PortPrediction[];
  /** Null for a stock client, and for one that is refused. */
  readonly paths: PeerPathsSnapshot | null;
  /** What goes by its paths, by path key; nothing by those that are left out. */
  readonly uses?: ReadonlyMap<string, Pick<TriedPath, "share" | "spread">>;
  /** The address in use where no path is proven (a stock client's, or before the first check). */
  readonly provisional: UdpAddress | null;
  readonly gathering: GatheringSnapshot;
  /** How calls have travelled, with the members' names. */
  readonly calls: CallWays;
  readonly lastHandshakeAt: Instant | null;
  /** Of an echo through the tunnel; null without an answer. */
  readonly echoMs: number | null;
  readonly traffic: PeerExplanation["traffic"];
  /** What leads to an address: the link, or the interface if that is not known or bound to none; null without a route. */
  readonly linkTo: (address: string, linkId: LinkId | null) => string | null;
  readonly time: ClockReading;
}

const NO_PATH: PathWords = { kind: "none", remote: null, link: null, relay: null, rttMs: null };

/** Everything that is known about how a peer is reached, and one sentence about it. */
export function peerReport(facts: PeerFacts): PeerExplanation {
  const { paths, gathering, time } = facts;
  const here = summariseNats(gathering.nats).map(natSide);
  const there = facts.peerNats?.map(natSide) ?? null;
  const nextAttemptAt = paths?.nextAttemptAt ?? null;
  const report: Omit<PeerExplanation, "advice" | "modeAdvice"> = {
    network: facts.network,
    checkedAt: new Date(time.wall).toISOString(),
    server: facts.server,
    proxy: facts.proxy ?? null,
    peer: facts.peer,
    path: currentPath(facts),
    pathSince: pathSince(facts),
    mode: paths === null ? null : modeInForce(paths),
    lastHandshake: isoOrNull(facts.lastHandshakeAt, time),
    echoMs: facts.echoMs === null ? null : roundMs(facts.echoMs),
    nat: { here, there },
    nextPorts: {
      here: gathering.nats.flatMap((report) => nextPortsOf(report) ?? []),
      there: facts.peerPorts.map(nextPorts),
    },
    udp: { here: passes(here), there: passes(there ?? []) },
    portMapping: portMappingStates(facts),
    candidates: candidates(facts),
    calls: calls(facts.calls, time),
    relays: relayChecks(gathering),
    tried: (paths?.paths ?? []).map((path) => triedPath(path, facts)),
    nextAttempt: isoOrNull(nextAttemptAt, time),
    nextAttemptInMs: nextAttemptAt === null ? null : Math.max(0, Math.round(nextAttemptAt - time.now)),
    attemptsWithoutDirect: paths?.attemptsWithoutSuccess ?? 0,
    punching: paths === null ? null : punching(paths.punch, time),
    history: history(facts),
    traffic: facts.traffic,
    drops: { ...paths?.drops },
  };
  return { ...report, advice: peerAdvice(report), modeAdvice: modeAdvice(report) };
}

/** In which mode packets for the peer travel, and what else was chosen. */
export function modeInForce({ mode, modeSettings }: Pick<PeerPathsSnapshot, "mode" | "modeSettings">): ModeInForce {
  return { ...mode, chosen: modeSettings.own, networkDefault: modeSettings.network };
}

function calls({ sent, received }: CallWays, time: ClockReading): PeerExplanation["calls"] {
  return {
    sent: sent && { at: iso(sent.at, time), byServer: sent.byServer, members: [...sent.members] },
    received: received && { at: iso(received.at, time), forwardedBy: received.via },
  };
}

function punching({ state, attempts, failures, notBefore }: PunchSnapshot, time: ClockReading): Punching {
  return {
    state,
    attempts: attempts.map(({ at, afterMs, ...attempt }) => {
      return { ...attempt, at: iso(at, time), afterMs: Math.round(afterMs) };
    }),
    failures,
    notBeforeInMs: notBefore === null || notBefore <= time.now ? null : Math.round(notBefore - time.now),
  };
}

function currentPath(facts: PeerFacts): PathWords {
  const active = facts.paths?.active ?? null;
  if (active !== null) return pathWords(active, facts);
  const { provisional, linkTo } = facts;
  if (provisional === null) return NO_PATH;
  const remote = formatUdpAddress(provisional);
  return { kind: "direct", remote, link: linkTo(provisional.address, null), relay: null, rttMs: null };
}

function pathWords(path: ActivePath | null, { gathering, linkTo }: PeerFacts): PathWords {
  if (path === null) return NO_PATH;
  const { remote, linkId } = path.address;
  return {
    kind: path.kind,
    remote: formatUdpAddress(remote),
    link: linkTo(remote.address, linkId),
    relay: path.kind === "relayed" ? relayName(remote, gathering.relays) : null,
    rttMs: Number.isFinite(path.rttMs) ? roundMs(path.rttMs) : null,
  };
}

function pathSince({ paths, time }: PeerFacts): string | null {
  const last = paths?.changes.at(-1);
  return last === undefined || last.to === null ? null : iso(last.at, time);
}

function triedPath(path: PathSnapshot, { gathering, linkTo, time, uses }: PeerFacts): TriedPath {
  const { address, peer, kind, remoteKind, state, rttMs, lossRatio } = path;
  return {
    remote: formatUdpAddress(peer),
    candidate: remoteKind,
    kind,
    via: address.channel === null ? null : relayName(address.remote, gathering.relays),
    link: linkTo(address.remote.address, address.linkId),
    state,
    rttMs: rttMs === null ? null : roundMs(rttMs),
    lossRatio,
    ...useOf(address, uses),
    idleBecause: path.idleBecause,
    smallPacketsOnly: path.isNarrow,
    answeredAt: isoOrNull(path.lastAnsweredAt, time),
    heardAt: isoOrNull(path.lastHeardAt, time),
  };
}

function useOf(address: PathAddress, uses: PeerFacts["uses"]): Pick<TriedPath, "share" | "spread"> {
  const { share = 0, spread = null } = uses?.get(pathAddressKey(address)) ?? {};
  return { share: Number(share.toFixed(3)), spread };
}

function history(facts: PeerFacts): PeerExplanation["history"] {
  const { paths, time } = facts;
  const changes = (paths?.changes ?? []).map(({ at, from, to, why }) => {
    return { at: iso(at, time), from: pathWords(from, facts), to: pathWords(to, facts), why };
  });
  const attempts = (paths?.attempts ?? []).map((attempt) => pathAttempt(attempt, facts));
  return { changes, attempts };
}

function pathAttempt(
  attempt: AttemptRecord,
  { gathering, linkTo, time }: PeerFacts,
): PeerExplanation["history"]["attempts"][number] {
  const { at, remote, relay, remoteKind, result, afterMs, why } = attempt;
  return {
    at: iso(at, time),
    remote: formatUdpAddress(remote),
    candidate: remoteKind,
    via: relay === null ? null : relayName(relay, gathering.relays),
    link: linkTo((relay ?? remote).address, attempt.linkId),
    result,
    afterMs: afterMs === null ? null : roundMs(afterMs),
    why,
  };
}

function candidates({ paths, gathering }: PeerFacts): PeerExplanation["candidates"] {
  return {
    here: gathering.candidates.map(({ kind, address, relay }) => ({
      candidate: kind,
      address: formatUdpAddress(address),
      relay: relay === undefined ? null : relayName(relay, gathering.relays),
    })),
    there: (paths?.remoteCandidates ?? []).map(({ kind, address }) => ({
      candidate: kind,
      address: formatUdpAddress(address),
    })),
  };
}

function portMappingStates({ gathering, paths }: PeerFacts): PeerExplanation["portMapping"] {
  const here = portMappings(gathering);
  const problem = gathering.portMappings.find((mapping) => mapping.problem !== null)?.problem?.text ?? null;
  return { here, there: peersPortMappings(paths), problem: here.length > 0 ? null : problem };
}

function peersPortMappings(paths: PeerPathsSnapshot | null): string[] {
  const mapped = (paths?.remoteCandidates ?? []).filter(({ kind }) => kind === "port-mapped");
  return mapped.map(({ address }) => formatUdpAddress(address));
}

function natSide({ family, type, mapping, filtering, udp }: NatFacts): NatSide {
  return { ipVersion: family, type, mapping, filtering, udp };
}

/** Whether UDP passes by any IP version; null if that is not known. */
function passes(sides: readonly NatSide[]): boolean | null {
  if (sides.some(({ udp }) => udp === true)) return true;
  return sides.length > 0 && sides.every(({ udp }) => udp === false) ? false : null;
}

function isoOrNull(at: Instant | null, time: ClockReading): string | null {
  return at === null ? null : iso(at, time);
}

function iso(at: Instant, { now, wall }: ClockReading): string {
  return new Date(wall - (now - at)).toISOString();
}
