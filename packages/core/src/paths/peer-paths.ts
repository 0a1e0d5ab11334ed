/**
 * The paths to one peer: finds them, measures them, chooses among them, notices when they die.
 *
 * Life story: quiet until somebody wants to talk (`wantPath`, `handleTraffic`) or calls (`handleCall`). Then an
 * attempt runs: a call tells the peer our candidates, and checks go out over every pair of link and remote address,
 * from both sides at the same time. The first path that answers is used at once; better ones take over. While there is
 * traffic the active path is checked every 3 s, and others are kept warm. When it falls silent, all usable paths carry
 * the traffic and a new attempt starts. Without a direct path attempts go on, 1, 2, 4 … 60 s apart, for as long as
 * there is traffic. Without traffic nothing is sent.
 *
 * Relayed paths lead through channels of our own allocations, which the machine asks for (`channel-wanted`), or to the
 * peer's relayed addresses. They are checked first and used until a direct path answers.
 *
 * Sans-I/O: after every input drain `pollTransmit` and `pollEvent`, and set an alarm for `pollTimeout`. No input
 * throws; what is not acted upon is counted in the snapshot.
 */
import type { IpRange } from "../addresses/index.ts";
import { encodeHex } from "../bytes/index.ts";
import { formatUdpAddress, type PathAddress, udpAddressEquals } from "../net/index.ts";
import type { RandomBytes } from "../random.ts";
import type { StunMessage } from "../stun/index.ts";
import { addMs, type Instant } from "../time.ts";
import { AttemptSchedule } from "./attempt-schedule.ts";
import { CALL_ID_BYTES, type CallBody } from "./call-body.ts";
import { acceptedCandidates, candidatePriority, type LocalCandidate, type RemoteCandidate } from "./candidate.ts";
import { CheckExchange, type ReceivedCheck, type Transmit } from "./check-exchange.ts";
import type { PairKeys } from "./check-keys.ts";
import { OutgoingCalls } from "./outgoing-calls.ts";
import type { Path } from "./path.ts";
import { choosePath, comparePaths } from "./path-choice.ts";
import { PathHistory } from "./path-history.ts";
import { PathSet } from "./path-set.ts";
import { activePathOf, makeTable, type PathTable, snapshotPaths, tableEquals } from "./path-table.ts";
import type { PathDropReason, PathTimerReason, PeerPathsEvent, PeerPathsSnapshot, UsablePath } from "./path-types.ts";
import { type ChannelPlace, type RelayChannel, RelayChannels } from "./relay-channels.ts";
import {
  CALL_BURST,
  CALL_REFILL_MS,
  CALLED_LATELY_MS,
  FAST_ENOUGH_MS,
  FRESHER_MS,
  MAX_WARM_STANDBY,
  RELAYED_MEMORY_MS,
  REVIVAL_INTERVAL_MS,
  STANDBY_RECHECK_MS,
  TRAFFIC_MS,
  UPGRADE_INTERVAL_MS,
  WAKE_GRACE_MS,
} from "./timings.ts";
import { TokenBucket } from "./token-bucket.ts";

export interface PeerPathsOptions {
  readonly keys: PairKeys;
  readonly random: RandomBytes;
  /** Ranges of all networks this host is in: never a place to send checks to. */
  readonly overlayRanges?: readonly IpRange[];
  /** `best` (default) keeps a few other paths warm, `all` checks every usable path like the active one (multipath). */
  readonly warm?: "best" | "all";
  /** MTU of the overlay, whose packets are the largest that there are to carry. */
  readonly overlayMtuBytes: number;
}

interface Deadline {
  readonly at: Instant;
  readonly reason: PathTimerReason;
}

/** What WireGuard adds to a packet: header and tag (paper §5.4.6). */
const TRANSPORT_OVERHEAD_BYTES = 32;
/** Paths that once worked and are tried again beside the attempts. */
const MAX_REVIVALS = 4;

export class PeerPaths {
  readonly #random: RandomBytes;
  readonly #overlayRanges: readonly IpRange[];
  readonly #warm: "best" | "all";
  readonly #set: PathSet;
  readonly #attempts: AttemptSchedule;
  readonly #checks: CheckExchange;
  readonly #calls = new OutgoingCalls();
  readonly #history = new PathHistory();
  readonly #callLimit = new TokenBucket(CALL_BURST, CALL_REFILL_MS);
  readonly #events: PeerPathsEvent[] = []; // bounded: the caller drains it after every input
  readonly #drops: Partial<Record<PathDropReason, number>> = {};
  #local: readonly LocalCandidate[] = [];
  #remote: readonly RemoteCandidate[] = [];
  #active: Path | undefined;
  #table: PathTable = { paths: [], mode: "best" };
  /** When somebody last wanted to send or data moved. */
  #demandAt: Instant | undefined;
  /** When the peer last called. */
  #calledAt: Instant | undefined;
  #upgradeAt: Instant | undefined;
  readonly #channels = new RelayChannels();
  /** Candidates have changed since the channels were fitted to them. */
  #areChannelsStale = false;
  #deadline: Deadline | undefined;

  constructor(options: PeerPathsOptions) {
    this.#checks = new CheckExchange(options.keys, options.random);
    this.#random = options.random;
    this.#overlayRanges = options.overlayRanges ?? [];
    this.#warm = options.warm ?? "best";
    this.#set = new PathSet(this.#overlayRanges, options.overlayMtuBytes + TRANSPORT_OVERHEAD_BYTES);
    this.#attempts = new AttemptSchedule(options.random);
  }

  /** A STUN message whose USERNAME is our `receiveCheckId`. Undefined if it was acted upon. */
  handleCheck(message: StunMessage, from: PathAddress, now: Instant): PathDropReason | undefined {
    const received = this.#checks.handleMessage(message, from, now);
    if (typeof received === "string") {
      this.#drops[received] = (this.#drops[received] ?? 0) + 1;
      return received;
    }
    if (received.kind === "request") {
      // Priorities have 31 bits (RFC 8445 §5.1.2).
      this.#checkInReturn(from, received.priority % 0x8000_0000, now);
    } else {
      this.#handleAnswer(received, now);
    }
    this.#update(now);
    return undefined;
  }

  /** An opened call of this peer. */
  handleCall(body: CallBody, now: Instant): void {
    this.#calledAt = now;
    this.#setRemote(acceptedCandidates(body.candidates, this.#overlayRanges), now);
    // A peer that calls without end must not make us send without end; the candidates count all the same.
    if (this.#callLimit.take(now)) {
      const offered = new Set(this.#remote.map(({ address }) => formatUdpAddress(address)));
      for (const path of this.#set.all()) {
        // The peer may have left that place; a learnt address, which no call lists, only has to answer once more.
        // What the relay hears it from is its NAT's doing, for this relay alone.
        const isHeardByRelay = path.address.channel !== null && path.remoteKind === "peer-reflexive";
        if (!offered.has(formatUdpAddress(path.peer)) && !isHeardByRelay) path.doubt();
        const isFresh = path.answeredAt !== undefined && now - path.answeredAt < 1_000;
        if (!isFresh || !path.isTrusted(now)) path.startRun(now);
      }
      if (body.type === "offer") this.#calls.wantAnswer(body.callId);
    }
    this.#update(now);
  }

  /** A check came through our relay from an address of the peer's that no channel is bound to. */
  handleIndirectCheck(message: StunMessage, place: ChannelPlace, now: Instant): PathDropReason | undefined {
    const dropped = this.#checks.handleUnanswerable(message, now);
    if (dropped !== undefined) this.#drops[dropped] = (this.#drops[dropped] ?? 0) + 1;
    else if (this.#channels.learn(place)) this.#areChannelsStale = true;
    this.#update(now);
    return dropped;
  }

  /** The relay has bound a channel that was wanted. */
  handleChannel(place: ChannelPlace, channel: number, now: Instant): void {
    const bound = this.#channels.bind(place, channel);
    const path = bound === undefined ? undefined : this.#set.addChannel(bound);
    if (path?.isTrusted(now) === false) path.startRun(now);
    this.#update(now);
  }

  /** The channel works no more; if it is bound anew, `handleChannel` tells. */
  handleChannelLost(place: ChannelPlace, now: Instant): void {
    const lost = this.#channels.lose(place);
    if (lost !== undefined) this.#removeChannel(lost, "the relay has dropped the channel", now);
    this.#update(now);
  }

  /** Our candidates, as `offeredCandidates` gives them; replaces the former ones. Links without any are gone. */
  handleLocalCandidates(candidates: readonly LocalCandidate[], now: Instant): void {
    if (JSON.stringify(candidates) === JSON.stringify(this.#local)) return;
    this.#local = [...candidates];
    this.#areChannelsStale = true;
    const { removed, doubtful } = this.#set.setLinks(candidates);
    for (const path of removed) this.#history.recordAttempt(path, { result: "removed", why: "its link is gone" }, now);
    for (const path of doubtful) path.doubt();
    this.#set.setRemotes(this.#remote);
    const hasTraffic = this.#hasTraffic(now);
    if (hasTraffic || this.#wasCalledLately(now)) {
      for (const path of this.#set.all()) if (!path.isTrusted(now)) path.startRun(now);
      // Without a direct path that is above doubt the attempt makes an offer, which is worth more.
      this.#calls.wantUpdate(this.#newCallId());
      if (hasTraffic) this.#attempts.restart(now);
    }
    this.#update(now);
  }

  /** What calls tell of our NATs has changed. */
  handleNatsChanged(now: Instant): void {
    if (this.#hasTraffic(now) || this.#wasCalledLately(now)) this.#calls.wantUpdate(this.#newCallId());
    this.#update(now);
  }

  /** The peer's candidates from an earlier run, to be tried until a call brings the real ones. */
  handleRememberedCandidates(candidates: readonly RemoteCandidate[], now: Instant): void {
    if (this.#remote.length > 0) return;
    this.#setRemote(acceptedCandidates(candidates, this.#overlayRanges), now);
    if (this.#hasTraffic(now)) for (const path of this.#set.all()) path.startRun(now);
    this.#update(now);
  }

  /** When data to or from the peer last moved (the engine's counters); 0 is never. */
  handleTraffic(traffic: { readonly lastSentAt: Instant; readonly lastReceivedAt: Instant }, now: Instant): void {
    const movedAt = Math.max(traffic.lastSentAt, traffic.lastReceivedAt) as Instant;
    if (movedAt > 0 && now - movedAt < TRAFFIC_MS) this.#setDemand(movedAt, now);
    this.#update(now);
  }

  /** Somebody wants to send to the peer. Repeat while it lasts; it counts as traffic. */
  wantPath(now: Instant): void {
    this.#setDemand(now, now);
    this.#update(now);
  }

  /** An authenticated tunnel packet came from an address that is not in the table (the engine's `roamed`). */
  handleRoamed(from: PathAddress, now: Instant): void {
    this.#checkInReturn(from, candidatePriority("peer-reflexive", 0), now);
    this.#update(now);
  }

  /** The kernel has refused a datagram as too large for the way to this address. */
  handlePathMtu(to: PathAddress, now: Instant): void {
    this.#set.get(to)?.mtu.doubt(now);
    this.#update(now);
  }

  /** The host slept, or something else makes every path doubtful: check all at once. */
  handleResume(now: Instant): void {
    for (const path of this.#set.all()) {
      path.doubt();
      if (this.#hasTraffic(now)) path.startRun(now);
    }
    if (this.#hasTraffic(now)) this.#attempts.restart(now);
    this.#update(now);
  }

  /** Calls can be delivered again: no waiting for the back-off. */
  handleSignallingReady(now: Instant): void {
    if (this.#hasTraffic(now) && !this.#isSettled(now)) this.#attempts.restart(now);
    this.#update(now);
  }

  handleTimeout(now: Instant): void {
    this.#update(now);
  }

  pollTimeout(): Deadline | undefined {
    return this.#deadline;
  }

  pollTransmit(): Transmit | undefined {
    return this.#checks.pollTransmit();
  }

  pollEvent(): PeerPathsEvent | undefined {
    return this.#events.shift();
  }

  /** The table as last reported by a `paths` event. */
  usablePaths(): readonly UsablePath[] {
    return this.#table.paths;
  }

  /** Somebody talks, or is about to, and there is no direct path: relays and fresh candidates are of use. */
  wantsRelay(now: Instant): boolean {
    return (this.#hasTraffic(now) || this.#wasCalledLately(now)) && !this.#isSettled(now);
  }

  /** A channel that worked, and whose last checks were not answered: perhaps the relay has forgotten us. */
  doubtfulChannel(now: Instant): PathAddress | undefined {
    if (!this.#hasTraffic(now)) return undefined;
    for (const { address, isUsable, isSuspect } of this.#set.all()) {
      if (address.channel !== null && isUsable && isSuspect) return address;
    }
    return undefined;
  }

  /** Whether what comes from here, or goes there, passes a relay. */
  isRelayed(address: PathAddress): boolean {
    if (address.channel !== null) return true;
    const isPeersRelay = this.#remote.some(
      ({ kind, address: offered }) => kind === "relayed" && udpAddressEquals(offered, address.remote),
    );
    return isPeersRelay || this.#set.get(address)?.kind === "relayed";
  }

  snapshot(now: Instant): PeerPathsSnapshot {
    const active = this.#active;
    return {
      kind: active?.kind ?? "none",
      active: activePathOf(active),
      trusted: active?.isTrusted(now) ?? false,
      paths: snapshotPaths(this.#set.all(), active, this.#table),
      localCandidates: this.#local,
      remoteCandidates: this.#remote,
      nextAttemptAt: this.#attempts.nextAt ?? null,
      attemptsWithoutSuccess: this.#attempts.withoutSuccess,
      attempts: this.#history.attempts,
      changes: this.#history.changes,
      drops: { ...this.#drops },
    };
  }

  // What comes in

  /** An authentic datagram came this way: find out whether we reach the peer there. */
  #checkInReturn(from: PathAddress, priority: number, now: Instant): void {
    this.#set.learn(from, priority)?.handleHeard(now);
  }

  /** The answer may come from elsewhere than the request went to: what counts is that the peer got the request. */
  #handleAnswer(answer: Extract<ReceivedCheck, { kind: "answer" }>, now: Instant): void {
    const path = this.#set.getByKey(answer.check.pathKey);
    if (path === undefined) return;
    if (answer.check.probeBytes !== undefined) {
      path.mtu.handleAnswer(answer.check.probeBytes, now);
      return;
    }
    if (!path.isUsable) {
      const afterMs = now - (path.unansweredSince ?? answer.check.sentAt);
      const why = path.failed ? "it answers again" : "it answered";
      this.#history.recordAttempt(path, { result: "answered", why, afterMs }, now);
    }
    path.handleAnswer(answer.rttMs, answer.mapped, now);
  }

  #setRemote(candidates: readonly RemoteCandidate[], now: Instant): void {
    this.#remote = candidates;
    this.#areChannelsStale = true;
    for (const path of this.#set.setRemotes(candidates)) {
      if (path.lastCheckAt === undefined) continue;
      this.#history.recordAttempt(path, { result: "removed", why: "the peer does not offer it any more" }, now);
    }
  }

  #setDemand(at: Instant, now: Instant): void {
    const isAwaking = !this.#hasTraffic(now);
    this.#demandAt = Math.max(at, this.#demandAt ?? 0) as Instant;
    const active = this.#active;
    if (!isAwaking || active === undefined || active.isTrusted(now)) return;
    // The last path is likely to be still good: ask it before anybody is called.
    active.startRun(now);
    const graceMs = Math.max(WAKE_GRACE_MS, 3 * active.rttMs);
    if (active.kind === "direct") this.#attempts.want(addMs(now, graceMs));
  }

  // What follows from it

  #update(now: Instant): void {
    this.#expire(now);
    this.#fitChannels(now);
    this.#chooseActive(now);
    this.#pursue(now);
    this.#assignRoles(now);
    for (const path of this.#set.all()) path.searchMtu(this.#hasTraffic(now), now);
    this.#sendDueChecks(now);
    this.#sendDueCalls(now);
    this.#reportTable(now);
    this.#deadline = this.#computeDeadline(now);
  }

  #expire(now: Instant): void {
    for (const { pathKey, sentAt, probeBytes } of this.#checks.takeLost(now)) {
      const path = this.#set.getByKey(pathKey);
      const counts = probeBytes === undefined && sentAt >= (path?.worksSince ?? 0);
      if (counts) path?.statistics.addLoss();
    }
    for (const path of this.#set.all()) {
      if (this.#isForgotten(path, now)) path.putOutOfUse();
      const wasUsable = path.isUsable;
      if (!path.expire(now)) continue;
      const outcome = wasUsable
        ? ({ result: "lost", why: "it stopped answering" } as const)
        : ({ result: "no-answer", why: "no check was answered" } as const);
      this.#history.recordAttempt(path, outcome, now);
    }
  }

  /** Channels are asked for only while somebody talks, and kept for as long as the candidates stand. */
  #fitChannels(now: Instant): void {
    if (!this.#areChannelsStale) return;
    const mayAsk = this.#hasTraffic(now) || this.#wasCalledLately(now);
    this.#areChannelsStale = !mayAsk;
    const { wanted, unwanted } = this.#channels.update(this.#local, this.#remote, mayAsk);
    for (const channel of unwanted) {
      this.#removeChannel(channel, "its relay is not used any more", now);
      this.#events.push({ kind: "channel-unwanted", ...channel.place });
    }
    for (const place of wanted) this.#events.push({ kind: "channel-wanted", ...place });
  }

  #removeChannel(channel: RelayChannel, why: string, now: Instant): void {
    const path = this.#set.removeChannel(channel);
    if (path !== undefined) this.#history.recordAttempt(path, { result: "removed", why }, now);
  }

  #chooseActive(now: Instant): void {
    const current = this.#active;
    const isGone = current !== undefined && this.#set.getByKey(current.key) !== current;
    const usable = [...this.#set.all()].filter((path) => path.isUsable);
    const trusted = usable.filter((path) => path.isTrusted(now));
    if (current !== undefined && !isGone && mayStayActive(current, trusted, now)) return;
    const choice = choosePath(trusted, current);
    if (choice !== undefined) {
      if (choice.path !== current) this.#setActive(choice.path, isGone ? "its link is gone" : (choice.why ?? ""), now);
      return;
    }
    if (current !== undefined && !isGone && current.isUsable) return;
    const next = usable.sort(comparePaths)[0];
    if (next === undefined && current === undefined) return;
    this.#setActive(next, isGone ? "its link is gone" : "it does not answer any more", now);
  }

  #setActive(path: Path | undefined, why: string, now: Instant): void {
    const from = activePathOf(this.#active);
    const to = activePathOf(path);
    this.#active = path;
    this.#history.recordChange({ at: now, from, to, why });
    this.#events.push({ kind: "path-changed", from, to, why });
  }

  /** Keeps looking for a path, or for a better one, while there is traffic. */
  #pursue(now: Instant): void {
    if (this.#isSettled(now)) {
      this.#attempts.succeed();
      this.#pursueUpgrade(now);
      return;
    }
    this.#upgradeAt = undefined;
    if (!this.#hasTraffic(now)) {
      this.#attempts.pause();
      return;
    }
    this.#attempts.want(now);
    if (this.#attempts.begin(now)) {
      this.#calls.wantOffer(this.#newCallId());
      for (const path of this.#set.all()) if (!path.isTrusted(now)) path.startRun(now);
    }
    this.#reviveFormerPaths();
  }

  /** One check of each path that does not work, in case something has changed for the better. */
  #pursueUpgrade(now: Instant): void {
    if (!this.#hasTraffic(now) || (this.#active?.rttMs ?? 0) <= FAST_ENOUGH_MS) {
      this.#upgradeAt = undefined;
      return;
    }
    this.#upgradeAt ??= addMs(now, UPGRADE_INTERVAL_MS);
    if (now < this.#upgradeAt) return;
    this.#upgradeAt = addMs(now, UPGRADE_INTERVAL_MS);
    for (const path of this.#set.all()) {
      if (path.role === "resting" && !path.isBeingChecked) path.startRun(now, 1);
    }
  }

  /** An outage in the middle of the network gives no sign when it ends, and must not cost a whole back-off. */
  #reviveFormerPaths(): void {
    const former = [...this.#set.all()]
      .filter((path) => path.failed && path.answeredAt !== undefined && !path.isBeingChecked)
      .sort((a, b) => (b.answeredAt ?? 0) - (a.answeredAt ?? 0))
      .slice(0, MAX_REVIVALS);
    for (const path of former) {
      if (path.lastCheckAt !== undefined) path.startRun(addMs(path.lastCheckAt, REVIVAL_INTERVAL_MS), 1);
    }
  }

  #assignRoles(now: Instant): void {
    const hasTraffic = this.#hasTraffic(now);
    const active = this.#active;
    const others = [...this.#set.all()].filter((path) => path !== active && path.isUsable).sort(comparePaths);
    for (const path of this.#set.all()) path.role = path === active ? "active" : "resting";
    for (const [index, path] of others.entries()) {
      if (this.#warm === "all") path.role = "active";
      else if (index < MAX_WARM_STANDBY) path.role = "warm";
    }
    if (hasTraffic && active?.isSuspect === true) this.#recheck(others, now);
    for (const path of this.#set.all()) path.planHeartbeat(hasTraffic);
  }

  /** While the active path is in question, it is good to know which other one works. */
  #recheck(others: readonly Path[], now: Instant): void {
    for (const path of others) if (now - (path.lastCheckAt ?? 0) >= STANDBY_RECHECK_MS) path.startRun(now);
  }

  #sendDueChecks(now: Instant): void {
    for (let path = this.#nextToCheck(now); path !== undefined; path = this.#nextToCheck(now)) {
      if (!this.#checks.sendCheck(path, now)) return;
      path.handleCheckSent(now);
    }
    for (const path of this.#set.all()) {
      for (let size = path.mtu.peek(); size !== undefined; size = path.mtu.peek()) {
        if (!this.#checks.sendProbe(path, size, now)) return;
        path.mtu.handleSent(path.rttMs, now);
      }
    }
  }

  /** Of the paths whose check is due, the active one, then usable ones, then by waiting time and priority. */
  #nextToCheck(now: Instant): Path | undefined {
    let next: Path | undefined;
    for (const path of this.#set.all()) {
      if (path.nextCheckAt === undefined || path.nextCheckAt > now) continue;
      if (next === undefined || isMoreUrgent(path, next)) next = path;
    }
    return next;
  }

  #sendDueCalls(now: Instant): void {
    for (let call = this.#calls.take(now); call !== undefined; call = this.#calls.take(now)) {
      const candidates = this.#local.map(({ kind, address, priority }) => ({ kind, address, priority }));
      this.#events.push({ kind: "call", body: { ...call, candidates } });
    }
  }

  #reportTable(now: Instant): void {
    const table = makeTable(this.#set.all(), this.#active, this.#hasTraffic(now), now);
    const isKnown = tableEquals(table, this.#table);
    this.#table = table;
    if (!isKnown) this.#events.push({ kind: "paths", ...table });
  }

  #computeDeadline(now: Instant): Deadline | undefined {
    let deadline: Deadline | undefined;
    const consider = (at: Instant | undefined, reason: PathTimerReason): void => {
      if (at !== undefined && (deadline === undefined || at < deadline.at)) deadline = { at, reason };
    };
    const pacedFrom = this.#checks.mayCheckFrom(now);
    for (const path of this.#set.all()) {
      if (path.nextCheckAt !== undefined) consider(Math.max(path.nextCheckAt, pacedFrom) as Instant, "check");
      consider(path.expiresAt(), "path-failure");
      if (path.mtu.peek() !== undefined) consider(pacedFrom, "mtu");
      else consider(path.mtuDueAt(this.#hasTraffic(now), now), "mtu");
      if (!this.#hasTraffic(now)) consider(forgottenAt(path), "path-failure");
    }
    consider(this.#checks.nextLossAt(), "check-timeout");
    consider(this.#calls.nextAt(now), "call");
    consider(this.#attempts.nextAt, "attempt");
    consider(this.#upgradeAt, "attempt");
    if (this.#hasTraffic(now) && this.#active?.isTrusted(now)) consider(this.#active.trustEnd(), "trust");
    return deadline;
  }

  #hasTraffic(now: Instant): boolean {
    return this.#demandAt !== undefined && now - this.#demandAt < TRAFFIC_MS;
  }

  /** The peer is looking for a path: what we learn about ourselves matters to it. */
  #wasCalledLately(now: Instant): boolean {
    return this.#calledAt !== undefined && now - this.#calledAt < CALLED_LATELY_MS;
  }

  /** A direct path works: nothing more to look for but a faster one. */
  #isSettled(now: Instant): boolean {
    return this.#active?.kind === "direct" && this.#active.isTrusted(now);
  }

  /** The relays on the way have given up what nobody used. */
  #isForgotten(path: Path, now: Instant): boolean {
    const at = forgottenAt(path);
    return at !== undefined && now >= at && !this.#hasTraffic(now);
  }

  #newCallId(): string {
    return encodeHex(this.#random(CALL_ID_BYTES));
  }
}

/**
 * A path that is merely stale, as after a pause in the traffic, keeps its place until two checks bring nothing, unless
 * another one is known to work much more recently.
 */
function mayStayActive(current: Path, trusted: readonly Path[], now: Instant): boolean {
  if (!current.isUsable || current.isTrusted(now) || current.isSuspect) return false;
  const knownFrom = (current.answeredAt ?? 0) + FRESHER_MS;
  return !trusted.some(({ answeredAt }) => answeredAt !== undefined && answeredAt > knownFrom);
}

function forgottenAt({ kind, isUsable, answeredAt }: Path): Instant | undefined {
  if (kind === "direct" || !isUsable || answeredAt === undefined) return undefined;
  return addMs(answeredAt, RELAYED_MEMORY_MS);
}

function isMoreUrgent(a: Path, b: Path): boolean {
  if (a.role !== b.role && (a.role === "active" || b.role === "active")) return a.role === "active";
  // A relayed path is the surest, and there are few.
  const isUntriedRelay = (path: Path): boolean => path.kind === "relayed" && path.lastCheckAt === undefined;
  if (isUntriedRelay(a) !== isUntriedRelay(b)) return isUntriedRelay(a);
  if (a.isUsable !== b.isUsable) return a.isUsable;
  const aAt = a.nextCheckAt ?? 0;
  const bAt = b.nextCheckAt ?? 0;
  if (aAt !== bAt) return aAt < bAt;
  return a.priority > b.priority || (a.priority === b.priority && a.linkPreference > b.linkPreference);
}
