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
import type { NatFacts, PortPrediction } from "../nat/index.ts";
import { formatUdpAddress, type LinkId, type PathAddress, udpAddressEquals } from "../net/index.ts";
import { type RandomBytes, randomUnit } from "../random.ts";
import type { StunMessage } from "../stun/index.ts";
import { addMs, type Instant } from "../time.ts";
import { ActivePath } from "./active-path.ts";
import { AttemptSchedule } from "./attempt-schedule.ts";
import { CALL_ID_BYTES, type CallBody } from "./call-body.ts";
import { acceptedCandidates, candidatePriority, type LocalCandidate, type RemoteCandidate } from "./candidate.ts";
import { CheckBudget, TargetBudget } from "./check-budget.ts";
import { CheckExchange, type ReceivedCheck, type Transmit } from "./check-exchange.ts";
import type { PairKeys } from "./check-keys.ts";
import { Demand } from "./demand.ts";
import { considerPaths, sendDueChecks } from "./due-checks.ts";
import { type Deadline, EarliestDeadline } from "./earliest-deadline.ts";
import { HolePunch } from "./hard-nat/hole-punch.ts";
import { isOpen } from "./hard-nat/punch-plan.ts";
import { PunchTurn } from "./hard-nat/punch-turn.ts";
import type { PunchSituation } from "./hard-nat/punch-types.ts";
import { isAnyLossy, isStreamBetter } from "./loss-avoidance.ts";
import { predictionsOf } from "./offered-ports.ts";
import { OutgoingCalls } from "./outgoing-calls.ts";
import type { Path } from "./path.ts";
import { PathHistory } from "./path-history.ts";
import { PathSet } from "./path-set.ts";
import { PathSpread } from "./path-spread.ts";
import { activePathOf, makeTable, type PathTable, snapshotPaths, tableEquals } from "./path-table.ts";
import type { PathDropReason, PeerPathsEvent, PeerPathsSnapshot, UsablePath } from "./path-types.ts";
import { assignRoles, forgottenAt, reviveFormerPaths, UpgradeSchedule, wasBetter } from "./path-upkeep.ts";
import { PeerPlace } from "./peer-place.ts";
import { type ChannelPlace, type RelayChannel, RelayChannels } from "./relay-channels.ts";
import { SilenceWatch } from "./silence-watch.ts";
import { steadyLinks } from "./steady-links.ts";
import { CALL_BURST, CALL_REFILL_MS, KEPT_SPREAD_MS, TRAFFIC_MS, WAKE_GRACE_MS } from "./timings.ts";
import { TokenBucket } from "./token-bucket.ts";
import type { ModeSettings } from "./traffic-mode.ts";

export interface PeerPathsOptions {
  readonly keys: PairKeys;
  readonly random: RandomBytes;
  /** Ranges of all networks this host is in: never a place to send checks to. */
  readonly overlayRanges?: readonly IpRange[];
  /** Shared by all peers of this host; one of its own if left out. */
  readonly targets?: TargetBudget;
  /** MTU of the overlay, whose packets are the largest that there are to carry. */
  readonly overlayMtuBytes: number;
  /** Shared by all peers of an agent, so that holes are punched for one at a time; one of its own by default. */
  readonly punchTurn?: PunchTurn;
  /** Whether holes may be punched where NATs give each destination another port; always by default. */
  readonly mayPunch?: () => boolean;
  /** How our NATs give out ports, as far as it is known. */
  readonly ownPorts?: () => readonly PortPrediction[];
}

/** Of the engine's counters, each 0 if it never happened. */
export interface TrafficTimes {
  readonly lastSentAt: Instant;
  readonly lastReceivedAt: Instant;
  /** First data packet sent since anything was last received. */
  readonly unansweredSince?: Instant;
  /** Paths by which nothing arrives, as the engine has found out; only while it spreads packets over several. */
  readonly deadPaths?: readonly PathAddress[];
}

/** What WireGuard adds to a packet: header and tag (paper §5.4.6). */
const TRANSPORT_OVERHEAD_BYTES = 32;

const NO_LINKS: ReadonlySet<number> = new Set();

export class PeerPaths {
  readonly #random: RandomBytes;
  readonly #overlayRanges: readonly IpRange[];
  readonly #set: PathSet;
  readonly #attempts: AttemptSchedule;
  readonly #checks: CheckExchange;
  readonly #budget: CheckBudget;
  readonly #calls = new OutgoingCalls();
  readonly #history = new PathHistory();
  readonly #callLimit = new TokenBucket(CALL_BURST, CALL_REFILL_MS);
  readonly #events: PeerPathsEvent[] = []; // bounded: the caller drains it after every input
  readonly #drops: Partial<Record<PathDropReason, number>> = {};
  #local: readonly LocalCandidate[] = [];
  #remote: readonly RemoteCandidate[] = [];
  readonly #active = new ActivePath();
  readonly #demand = new Demand();
  readonly #upgrades = new UpgradeSchedule();
  readonly #peerPlace = new PeerPlace();
  readonly #silence = new SilenceWatch();
  readonly #spread = new PathSpread();
  readonly #punch: HolePunch;
  #table: PathTable = { paths: [], mode: "best" };
  readonly #channels = new RelayChannels();
  #deadline: Deadline | undefined;
  /** Our place has changed, and the peer is to hear of it. */
  #hasMoved = false;

  constructor(options: PeerPathsOptions) {
    this.#checks = new CheckExchange(options.keys, options.random);
    this.#budget = new CheckBudget(options.targets ?? new TargetBudget());
    this.#random = options.random;
    this.#overlayRanges = options.overlayRanges ?? [];
    this.#set = new PathSet(this.#overlayRanges, options.overlayMtuBytes + TRANSPORT_OVERHEAD_BYTES);
    this.#attempts = new AttemptSchedule(options.random);
    const {
      keys,
      random,
      punchTurn: turn = new PunchTurn(),
      mayPunch: enabled = () => true,
      ownPorts = () => [],
    } = options;
    const encodeCheck = (linkId: LinkId): Uint8Array => this.#checks.encodeUncounted(this.#set.costOf(linkId));
    this.#punch = new HolePunch({ keys, encodeCheck, random, set: this.#set, turn, enabled, ownPorts });
  }

  /** A STUN message whose USERNAME is our `receiveCheckId`. Undefined if it was acted upon. */
  handleCheck(message: StunMessage, from: PathAddress, now: Instant): PathDropReason | undefined {
    const source = this.#set.get(from)?.answeredAt === undefined ? "unknown" : "known";
    const received = this.#checks.handleMessage(message, from, source, now);
    if (typeof received === "string") {
      this.#drops[received] = (this.#drops[received] ?? 0) + 1;
      return received;
    }
    if (received.kind === "request") {
      this.#punch.handleHeard(from, now);
      // Priorities have 31 bits (RFC 8445 §5.1.2).
      this.#checkInReturn(from, received.priority % 0x8000_0000, now);
      this.#set.handlePeerCost(from, received.cost);
      if (received.mode !== undefined) this.#applyMode(this.#spread.choice.handleWish(received.mode, now), now);
      if (this.#peerPlace.handleCheck(received.place)) this.#doubtAll(now);
      if (received.isInDoubt) this.#silence.handlePeerInDoubt(this.#active.path, now);
    } else {
      this.#handleAnswer(received, now);
    }
    this.#update(now);
    return undefined;
  }

  /** An opened call of this peer. */
  handleCall(body: CallBody, now: Instant): void {
    this.#demand.handleCall(now);
    const former = this.#remote;
    this.#setRemote(acceptedCandidates(body.candidates, this.#overlayRanges), now);
    // Whoever looks for a path is answered by every path that there is.
    const steady = body.type === "update" ? steadyLinks(former, this.#remote) : NO_LINKS;
    this.#punch.handlePeer(body.nats, predictionsOf(body.ports ?? [], body.candidates, now), now);
    // A peer that calls without end must not make us send without end; the candidates count all the same.
    if (this.#callLimit.take(now)) {
      this.#checkAnew(steady, now);
      if (body.type === "offer") this.#calls.wantAnswer(body.callId);
    }
    if (body.punch !== undefined) this.#punch.handleMessage(body.punch, this.#punchSituation(now), now);
    this.#update(now);
  }

  /** Ports of our NAT will soon be guessed by the peer: it should be known where they are. */
  wantsPorts(now: Instant): boolean {
    return this.#punch.wantsPorts(now);
  }

  /** A socket that was wanted is the engine's link `linkId`; undefined if there is none to be had. */
  handleSocketOpened(linkId: LinkId | undefined, now: Instant): void {
    this.#punch.handleSocketOpened(linkId, now);
    this.#update(now);
  }

  /** A check came through our relay from an address of the peer's that no channel is bound to. */
  handleIndirectCheck(message: StunMessage, place: ChannelPlace, now: Instant): PathDropReason | undefined {
    const received = this.#checks.handleUnanswerable(message, now);
    if (typeof received === "string") {
      this.#drops[received] = (this.#drops[received] ?? 0) + 1;
      return received;
    }
    this.#channels.learn(place, received.priority);
    this.#update(now);
    return undefined;
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
    this.#channels.handleCandidatesChanged();
    const { removed, doubtful, repriced } = this.#set.setLinks(candidates);
    for (const path of removed) this.#history.recordAttempt(path, { result: "removed", why: "its link is gone" }, now);
    for (const path of doubtful) {
      path.doubt(now);
      path.loss.forget();
    }
    this.#set.setRemotes(this.#remote);
    const hasTraffic = this.#demand.hasTraffic(now);
    if (this.#demand.isWanted(now)) {
      for (const path of this.#set.all()) if (!path.isTrusted(now)) path.startRun(now);
      for (const path of repriced) path.startRun(now, 1);
      // Without a direct path that is above doubt the attempt makes an offer, which is worth more.
      this.#calls.wantUpdate(this.#newCallId());
      if (hasTraffic) this.#attempts.restart(now);
    }
    this.#update(now);
  }

  /** What calls tell of our NATs. */
  handleNats(nats: readonly NatFacts[], now: Instant): void {
    this.#punch.handleOwnNats(nats);
    if (this.#demand.isWanted(now)) this.#calls.wantUpdate(this.#newCallId());
    this.#update(now);
  }

  /** The peer's candidates from an earlier run, to be tried until a call brings the real ones. */
  handleRememberedCandidates(candidates: readonly RemoteCandidate[], now: Instant): void {
    if (this.#remote.length > 0) return;
    this.#setRemote(acceptedCandidates(candidates, this.#overlayRanges), now);
    if (this.#demand.hasTraffic(now)) for (const path of this.#set.all()) path.startRun(now);
    this.#update(now);
  }

  /** When data to or from the peer last moved (the engine's counters); 0 is never. */
  handleTraffic(traffic: TrafficTimes, now: Instant): void {
    const movedAt = Math.max(traffic.lastSentAt, traffic.lastReceivedAt) as Instant;
    if (movedAt > 0 && now - movedAt < TRAFFIC_MS) this.#setDemand(movedAt, now);
    const unanswered = { since: traffic.unansweredSince ?? (0 as Instant), lastSentAt: traffic.lastSentAt };
    this.#silence.handleTraffic(unanswered, this.#active.path, now);
    for (const address of traffic.deadPaths ?? []) this.#set.get(address)?.handleDead(now);
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

  /** In which mode packets travel, as far as this side has a say. The peer hears of a choice by the next checks. */
  setMode(settings: ModeSettings, now: Instant): void {
    const wish = settings.isPeerAble ? settings.own : null;
    const isNews = wish !== this.#checks.mode;
    const hasChanged = this.#spread.choice.set(settings);
    this.#checks.mode = wish;
    this.#applyMode(hasChanged, now);
    if (isNews && this.#demand.hasTraffic(now)) this.#active.path?.startRun(now);
    this.#update(now);
  }

  /** This host's place in the network has changed: checks tell the peer, with a number that only grows. */
  setPlace(place: number): void {
    this.#hasMoved ||= this.#checks.place !== place;
    this.#checks.place = place;
  }

  /** The host slept, or something else makes every path doubtful, or those of some links: check them at once. */
  handleResume(now: Instant, links?: ReadonlySet<LinkId>): void {
    this.#doubtAll(now, links);
    this.#update(now);
    const { path: active } = this.#active;
    if (!this.#hasMoved) return;
    this.#hasMoved = false;
    if (active === undefined || links === undefined || !this.#demand.isWanted(now)) return;
    // Its check tells the peer at once that our place has changed; nobody waits for its heartbeat.
    active.startRun(now, 1);
    this.#update(now);
  }

  /** There is no server to call through: what works is kept, with or without traffic. */
  handleSignallingLost(now: Instant): void {
    this.#demand.isServerAway = true;
    const active = this.#active.path;
    // All peers learn of it at the same moment.
    const spreadMs = Math.floor(randomUnit(this.#random) * KEPT_SPREAD_MS);
    if (this.#demand.isKept(now) && active?.isTrusted(now) === false) active.startRun(addMs(now, spreadMs));
    this.#update(now);
  }

  /** Calls can be delivered again: no waiting for the back-off. */
  handleSignallingReady(now: Instant): void {
    this.#demand.isServerAway = false;
    this.handleCallsWanted(now);
  }

  /** Somebody has turned up who passes calls on: no waiting for the back-off. */
  handleCallsWanted(now: Instant): void {
    if (this.#demand.hasTraffic(now) && !this.#active.isSettled(now)) this.#attempts.restart(now);
    this.#update(now);
  }

  /** The peer is removed: what it holds is given back. Drain the events once more. */
  close(): void {
    this.#punch.close();
  }

  handleTimeout(now: Instant): void {
    this.#update(now);
  }

  pollTimeout(): Deadline | undefined {
    return this.#deadline;
  }

  pollTransmit(): Transmit | undefined {
    return this.#checks.pollTransmit() ?? this.#punch.pollTransmit();
  }

  pollEvent(): PeerPathsEvent | undefined {
    return this.#events.shift() ?? this.#punch.pollEvent();
  }

  /** The table as last reported by a `paths` event. */
  usablePaths(): readonly UsablePath[] {
    return this.#table.paths;
  }

  /** Something is known of where the peer may be. */
  get hasRemoteCandidates(): boolean {
    return this.#remote.length > 0;
  }

  /** Somebody talks, or is about to, and there is no direct path: relays and fresh candidates are of use. */
  wantsRelay(now: Instant): boolean {
    const isSettled = this.#active.isSettled(now) && this.#active.path?.isLossy !== true;
    if (this.#demand.isPressing(now)) return !isSettled;
    return this.#demand.isKept(now) && this.#active.path?.kind !== "direct";
  }

  /** A path has answered lately, and is not used because it loses too much. */
  isAvoidingLoss(now: Instant): boolean {
    const inUse = new Set([this.#active.path, ...this.#spread.carriers]);
    return isAnyLossy(
      [...this.#set.all()].filter((path) => !inUse.has(path)),
      now,
    );
  }

  /** What reaches the peer over UDP loses so much that a stream may serve better. */
  wantsStream(now: Instant): boolean {
    return this.#demand.isPressing(now) && isStreamBetter(this.#set.all());
  }

  /** Since when the path in use, or the one that was lost, is in question; undefined if none is. */
  get doubtedSince(): Instant | undefined {
    return this.#active.troubledSince;
  }

  /** A channel that worked, and whose last checks were not answered: perhaps the relay has forgotten us. */
  doubtfulChannel(now: Instant): PathAddress | undefined {
    if (!this.#demand.hasTraffic(now)) return undefined;
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
    const active = this.#active.path;
    return {
      kind: active?.kind ?? "none",
      active: activePathOf(active),
      trusted: active?.isTrusted(now) ?? false,
      mode: this.#spread.choice.decision,
      modeSettings: this.#spread.choice.settings,
      paths: snapshotPaths(this.#set.all(), active, this.#table, this.#spread.idle(this.#set.all(), active, now)),
      localCandidates: this.#local,
      remoteCandidates: this.#remote,
      nextAttemptAt: this.#attempts.nextAt ?? null,
      attemptsWithoutSuccess: this.#attempts.withoutSuccess,
      attempts: this.#history.attempts,
      changes: this.#history.changes,
      punch: this.#punch.snapshot(),
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
    this.#demand.handleAnswer(now);
    const isOwnSight = path.kind === "direct" && this.#demand.isServerAway;
    if (isOwnSight) this.#events.push({ kind: "seen-at", linkId: path.address.linkId, address: answer.mapped });
    const overtaken = this.#checks.countOvertaken(answer, path.worksSince ?? now, now);
    for (let count = 0; count < overtaken; count++) path.handleLoss(now);
  }

  /** More paths are of use than before: see which of them still work. */
  #applyMode(hasChanged: boolean, now: Instant): void {
    if (!hasChanged || !this.#spread.isWanted || !this.#demand.hasTraffic(now)) return;
    for (const path of this.#set.all()) if (!path.isTrusted(now)) path.startRun(now);
  }

  #doubtAll(now: Instant, links?: ReadonlySet<LinkId>): void {
    const hasTraffic = this.#demand.hasTraffic(now);
    for (const path of this.#set.all()) {
      if (links?.has(path.address.linkId) === false) continue;
      path.doubt(now);
      path.loss.forget();
      if (hasTraffic || this.#demand.isKept(now)) path.startRun(now);
    }
    if (hasTraffic && !this.#active.isSettled(now)) this.#attempts.restart(now);
  }

  #setRemote(candidates: readonly RemoteCandidate[], now: Instant): void {
    this.#remote = candidates;
    this.#channels.handleCandidatesChanged();
    for (const path of this.#set.setRemotes(candidates)) {
      if (path.lastCheckAt === undefined) continue;
      this.#history.recordAttempt(path, { result: "removed", why: "the peer does not offer it any more" }, now);
    }
  }

  /** The peer has said where it is: look whether it is. `steady`: its links that are as they were. */
  #checkAnew(steady: ReadonlySet<number>, now: Instant): void {
    const offered = new Set(this.#remote.map(({ address }) => formatUdpAddress(address)));
    for (const path of this.#set.all()) {
      if (steady.has(path.peerLink) && path.isTrusted(now)) continue;
      // The peer may have left that place; a learnt address, which no call lists, only has to answer once more.
      // What the relay hears it from is its NAT's doing, for this relay alone.
      const isHeardByRelay = path.address.channel !== null && path.remoteKind === "peer-reflexive";
      if (!offered.has(formatUdpAddress(path.peer)) && !isHeardByRelay) path.doubt(now);
      const isFresh = path.answeredAt !== undefined && now - path.answeredAt < 1_000;
      if (!isFresh || !path.isTrusted(now)) path.startRun(now);
    }
  }

  #setDemand(at: Instant, now: Instant): void {
    const isAwaking = !this.#demand.hasTraffic(now);
    this.#demand.handleTraffic(at);
    const active = this.#active.path;
    if (!isAwaking || active === undefined || active.isTrusted(now)) return;
    // The last path is likely to be still good: ask it before anybody is called.
    active.startRun(now);
    const graceMs = Math.max(WAKE_GRACE_MS, 3 * active.rttMs);
    if (active.kind === "direct") this.#attempts.want(addMs(now, graceMs));
  }

  // What follows from it

  #update(now: Instant): void {
    this.#expire(now);
    this.#punch.closeUnused(now);
    this.#fitChannels(now);
    if (this.#silence.isConfirmed(this.#active.path, now)) this.#active.path?.doubt(now);
    this.#chooseActive(now);
    this.#pursue(now);
    this.#punch.update(this.#punchSituation(now), now);
    const { path: active } = this.#active;
    const [hasTraffic, isKept] = [this.#demand.hasTraffic(now), this.#demand.isKept(now)];
    this.#spread.choose(this.#set.all(), active, now);
    const isUnanswered = hasTraffic && this.#silence.isOpen(active, now);
    assignRoles(this.#set, { active, carriers: this.#spread.kept, hasTraffic, isKept, isUnanswered }, now);
    for (const path of this.#set.all()) path.searchMtu(this.#demand.hasTraffic(now), now);
    this.#checks.isInDoubt = hasTraffic && this.#active.doubtedSince !== undefined;
    const wasSuspect = active?.isSuspect;
    sendDueChecks(this.#set, this.#checks, this.#budget, now);
    // The other paths are asked, and the peer is told by them, without waiting for what comes next.
    if (active?.isSuspect !== wasSuspect) {
      this.#update(now);
      return;
    }
    this.#sendDueCalls(now);
    this.#reportTable(now);
    this.#deadline = this.#computeDeadline(now);
  }

  #expire(now: Instant): void {
    for (const { pathKey, sentAt, probeBytes, isOvertaken } of this.#checks.takeLost(now)) {
      const path = this.#set.getByKey(pathKey);
      const counts = probeBytes === undefined && isOvertaken !== true && sentAt >= (path?.worksSince ?? 0);
      if (counts) path?.handleLoss(now);
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
    const { wanted, unwanted } = this.#channels.update(this.#local, this.#remote, this.#demand.isWanted(now));
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
    const change = this.#active.choose(this.#set, now);
    if (change === undefined) return;
    this.#history.recordChange(change);
    const { from, to, why } = change;
    this.#events.push({ kind: "path-changed", from, to, why });
  }

  /** Keeps looking for a path, or for a better one, while there is traffic. */
  #pursue(now: Instant): void {
    const { path: active } = this.#active;
    const hasTraffic = this.#demand.hasTraffic(now);
    if (this.#spread.isWanted && hasTraffic) reviveFormerPaths(this.#set);
    if (this.#active.isSettled(now)) {
      this.#attempts.succeed();
      if (hasTraffic) reviveFormerPaths(this.#set, (path) => wasBetter(path, active, now));
      this.#upgrades.pursue(this.#set, active, hasTraffic, now);
      return;
    }
    this.#upgrades.stop();
    const isSought = hasTraffic || (this.#demand.isKept(now) && active === undefined);
    if (!isSought) {
      this.#attempts.pause();
      return;
    }
    this.#attempts.want(now);
    if (this.#attempts.begin(now)) {
      this.#calls.wantOffer(this.#newCallId());
      for (const path of this.#set.all()) if (!path.isTrusted(now)) path.startRun(now);
    }
    reviveFormerPaths(this.#set);
  }

  #punchSituation(now: Instant): PunchSituation {
    const isSettled = this.#active.isSettled(now) || isOpen(this.#set.all());
    return {
      isSettled,
      isWanted: !isSettled && this.#demand.hasTraffic(now),
      attempts: this.#attempts.withoutSuccess,
      local: this.#local,
      remote: this.#remote,
    };
  }

  #sendDueCalls(now: Instant): void {
    if (this.#punch.hasMessage) this.#calls.wantUpdate(this.#newCallId());
    for (let call = this.#calls.take(now); call !== undefined; call = this.#calls.take(now)) {
      const candidates = this.#local.map(({ kind, address, priority }) => ({ kind, address, priority }));
      const punch = this.#punch.takeMessage();
      this.#events.push({ kind: "call", body: { ...call, candidates, ...(punch === undefined ? {} : { punch }) } });
    }
  }

  #reportTable(now: Instant): void {
    const { path: active } = this.#active;
    const { carriers, choice } = this.#spread;
    const isHelpWanted = this.#silence.wantsHelp(active, now);
    const options = {
      active,
      carriers,
      mode: choice.decision.mode,
      hasTraffic: this.#demand.hasTraffic(now),
      isHelpWanted,
    };
    const table = makeTable(this.#set.all(), options, now);
    const isKnown = tableEquals(table, this.#table);
    this.#table = table;
    if (!isKnown) this.#events.push({ kind: "paths", ...table });
  }

  #computeDeadline(now: Instant): Deadline | undefined {
    const hasTraffic = this.#demand.hasTraffic(now);
    const deadlines = new EarliestDeadline();
    considerPaths(deadlines, this.#set, this.#checks, hasTraffic, now);
    deadlines.consider(this.#checks.nextLossAt(), "check-timeout");
    deadlines.consider(this.#calls.nextAt(now), "call");
    deadlines.consider(this.#attempts.nextAt, "attempt");
    deadlines.consider(this.#upgrades.nextAt, "attempt");
    deadlines.consider(this.#punch.nextAt(), "punch");
    const active = this.#active.path;
    if (hasTraffic && active?.isTrusted(now)) deadlines.consider(active.trustEnd(), "trust");
    return deadlines.earliest;
  }

  /** The relays on the way have given up what nobody used. */
  #isForgotten(path: Path, now: Instant): boolean {
    const at = forgottenAt(path);
    return at !== undefined && now >= at && !this.#demand.hasTraffic(now);
  }

  #newCallId(): string {
    return encodeHex(this.#random(CALL_ID_BYTES));
  }
}
