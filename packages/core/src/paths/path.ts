/**
 * What is known about one path: a link of ours and an address of the peer's.
 *
 * A path is checked in runs: checks leave with growing pauses until one is answered or the run is used up. A path that
 * carries traffic, or is kept warm, begins a run at every heartbeat, which normally ends with its first check. It falls
 * silent, and is not trusted any more, when several checks in a row brought nothing, and has failed when a whole run
 * did.
 */
import type { LinkId, PathAddress, UdpAddress } from "../net/index.ts";
import { addMs, earliest, type Instant } from "../time.ts";
import { ipFamilyOf } from "./address-class.ts";
import { type CandidateKind, type LinkTraits, linkPreferenceOf, localityRank } from "./candidate.ts";
import type { CarrierCandidate } from "./carriers.ts";
import { LossWatch } from "./loss-watch.ts";
import { MtuSearch } from "./mtu-search.ts";
import type { PathMetrics } from "./path-choice.ts";
import { PathStatistics } from "./path-statistics.ts";
import type { PathKind } from "./path-types.ts";
import {
  CHECK_GAPS_MS,
  FAILED_MS,
  HEARTBEAT_MS,
  LAST_CHECK_WAIT_MS,
  LOSSY_HEARTBEAT_MS,
  SILENT_CHECKS,
  SILENT_MS,
  STANDBY_HEARTBEAT_MS,
  STANDBY_TRUST_MS,
  SUSPICION_HEARTBEAT_MS,
  TRUST_MS,
} from "./timings.ts";

/** How often a path is checked while there is traffic. A carrier takes part beside the active path. */
export type PathRole = "active" | "carrier" | "warm" | "resting";

export interface PathOptions {
  readonly key: string;
  readonly address: PathAddress;
  /** The peer's address: the remote one, or behind the relay the one that the channel leads to. */
  readonly peer: UdpAddress;
  readonly kind: PathKind;
  readonly remoteKind: CandidateKind;
  /** Of the remote candidate. */
  readonly priority: number;
  readonly linkPreference: number;
  readonly traits: LinkTraits;
  /** Our link; one that serves this peer alone counts as the one that it is like. */
  readonly link: LinkId;
  /** Largest datagram that there will be to send: UDP payload, with the channel's header. */
  readonly fullDatagramBytes: number;
  readonly streams: PathStreams;
}

/** Which relays of the path are reached by a stream. */
export interface PathStreams {
  readonly ours: boolean;
  readonly theirs: boolean;
}

/** Checks in a whole run. */
export const RUN_CHECKS = CHECK_GAPS_MS.length + 1;
/** A request of the peer does not make us check sooner after our own last check than this. */
const TRIGGER_GAP_MS = 100;

export class Path implements PathMetrics, CarrierCandidate {
  readonly key: string;
  readonly address: PathAddress;
  readonly peer: UdpAddress;
  /** `relayed` as soon as it is known that the address is a relay's. */
  kind: PathKind;
  readonly remoteKind: CandidateKind;
  readonly priority: number;
  readonly linkPreference: number;
  /** Of our link. */
  traits: LinkTraits;
  /** What the peer's link costs, as its checks that come this way tell. */
  peerCost = 0;
  readonly link: LinkId;
  /** Link preference of the remote candidate, which tells the peer's links apart; 0 while it is unknown. */
  peerLink: number;
  streams: PathStreams;
  readonly family: 4 | 6;
  readonly locality: number;
  readonly statistics = new PathStatistics();
  readonly loss = new LossWatch();
  readonly mtu: MtuSearch;
  role: PathRole = "resting";
  /** Our address as the peer sees it on this path. */
  mappedAddress: UdpAddress | undefined;
  /** Checks brought nothing; out of use until one is answered. */
  failed = false;
  answeredAt: Instant | undefined;
  /** When it answered for the first time, or for the first time after it had failed. */
  worksSince: Instant | undefined;
  /** When the peer's check, or another authentic packet of its, last came this way. */
  heardAt: Instant | undefined;
  lastCheckAt: Instant | undefined;
  /** When the next check is due. */
  nextCheckAt: Instant | undefined;
  /** When something happened since the last answer that makes it worthless. */
  #doubtedAt: Instant | undefined;
  /** Place in the run: checks sent; undefined while none is under way. */
  #run: number | undefined;
  /** Checks since the last answer or failure, and when the first of them left. */
  #unanswered = 0;
  #unansweredSince: Instant | undefined;

  constructor(options: PathOptions) {
    this.key = options.key;
    this.address = options.address;
    this.peer = options.peer;
    this.kind = options.kind;
    this.remoteKind = options.remoteKind;
    this.priority = options.priority;
    this.linkPreference = options.linkPreference;
    this.traits = options.traits;
    this.link = options.link;
    this.peerLink = linkPreferenceOf(options.priority);
    this.streams = options.streams;
    this.family = ipFamilyOf(options.address.remote.address);
    this.locality = localityRank(options.address.remote.address);
    this.mtu = new MtuSearch(options.fullDatagramBytes, this.family);
  }

  /** Relays on the way: ours, the peer's, or both. */
  get relays(): number {
    if (this.kind === "direct") return 0;
    return this.address.channel !== null && this.remoteKind === "relayed" ? 2 : 1;
  }

  get cost(): number {
    return this.traits.cost + this.peerCost;
  }

  get isLossy(): boolean {
    return this.loss.isLossy;
  }

  get isTooLossy(): boolean {
    return this.loss.hidden.isTooMuch;
  }

  /** Our relay, or the peer's, is reached by a stream. */
  get overStream(): boolean {
    return this.streams.ours || this.streams.theirs;
  }

  get isProven(): boolean {
    return this.loss.isProven(this.isUdpFree);
  }

  /** There are enough outcomes of checks to tell whether it delivers. */
  get isJudged(): boolean {
    return this.loss.isJudged(this.isUdpFree);
  }

  /** No line of either end carries its packets over UDP. */
  get isUdpFree(): boolean {
    return this.streams.ours && this.streams.theirs;
  }

  get rttMs(): number {
    return this.statistics.smoothedRttMs ?? Number.POSITIVE_INFINITY;
  }

  /** It has worked, and nothing shows that it does not any more. */
  get isUsable(): boolean {
    return this.answeredAt !== undefined && !this.failed;
  }

  /** Largest datagram that passes in one piece, 0 if unknown. */
  get mtuBytes(): number {
    return this.mtu.mtuBytes;
  }

  /** Small packets pass, and large ones don't. */
  get isNarrow(): boolean {
    return this.mtu.isNarrow;
  }

  get isBeingChecked(): boolean {
    return this.#run !== undefined;
  }

  /** Two checks in a row have brought nothing yet. */
  get isSuspect(): boolean {
    return this.#unanswered >= 2;
  }

  /** Since when it has been checked in vain. */
  get unansweredSince(): Instant | undefined {
    return this.#unansweredSince;
  }

  /** It answered recently enough for its role, and is not silent. */
  isTrusted(now: Instant): boolean {
    const end = this.trustEnd();
    return end !== undefined && now < end && !this.#isSilent(now);
  }

  /** When trust runs out unless an answer comes; undefined if there is none to run out. */
  trustEnd(): Instant | undefined {
    if (this.answeredAt === undefined || this.failed || this.#doubtedAt !== undefined) return undefined;
    return addMs(this.answeredAt, this.role === "active" ? TRUST_MS : STANDBY_TRUST_MS);
  }

  /** Out of use until a check is answered, as after checks in vain. */
  putOutOfUse(): void {
    this.failed = true;
  }

  /** The last answer says nothing about the present. */
  doubt(now: Instant): void {
    this.#doubtedAt ??= now;
  }

  /** Since when nothing is known of it any more although it worked; undefined if it has answered since. */
  get doubtedAt(): Instant | undefined {
    return this.#doubtedAt;
  }

  /** Begins a run at once or later; `checks` limits its length. A run that has only begun goes on. */
  startRun(at: Instant, checks: number = RUN_CHECKS): void {
    if (this.#run !== undefined && this.#run <= 2) return;
    this.#run = RUN_CHECKS - checks;
    this.nextCheckAt = at;
  }

  /**
   * The peer has shown that it reaches us here: check now. Checks from before its first sign may have met a NAT that
   * opens only as the peer sends, so that time it does not matter how old they are.
   */
  handleHeard(now: Instant): void {
    const isFirstSign = this.heardAt === undefined;
    this.heardAt = now;
    if (this.isTrusted(now)) return;
    const isSoonAfterCheck = this.lastCheckAt !== undefined && now - this.lastCheckAt < TRIGGER_GAP_MS;
    if (isSoonAfterCheck && !isFirstSign) return;
    if (this.#run === undefined || this.nextCheckAt === undefined) this.#run = 0;
    this.nextCheckAt = now;
  }

  /** Packets that go this way don't arrive: find out whether it still works. */
  handleDead(now: Instant): void {
    if (this.isUsable) this.startRun(now);
  }

  /** The check that is due has to wait. */
  postponeCheck(until: Instant): void {
    this.nextCheckAt = until;
  }

  handleCheckSent(now: Instant): void {
    const place = this.#run ?? 0;
    this.#run = place + 1;
    this.lastCheckAt = now;
    this.#unanswered += 1;
    this.#unansweredSince ??= now;
    const gapMs = CHECK_GAPS_MS[place];
    const patienceMs = 1.5 * (this.statistics.smoothedRttMs ?? 0);
    this.nextCheckAt = gapMs === undefined ? undefined : addMs(now, Math.ceil(Math.max(gapMs, patienceMs)));
  }

  handleAnswer(rttMs: number, mapped: UdpAddress, now: Instant): void {
    // What got lost before the path worked is not a loss of the path.
    if (!this.isUsable) {
      this.statistics.forgetLosses();
      this.worksSince = now;
    }
    this.statistics.addAnswer(rttMs);
    this.loss.add(true, now);
    this.mappedAddress = mapped;
    this.answeredAt = now;
    this.failed = false;
    this.#doubtedAt = undefined;
    this.#unanswered = 0;
    this.#unansweredSince = undefined;
    this.#run = undefined;
    this.nextCheckAt = undefined;
  }

  /** A check has brought no answer in time. */
  handleLoss(now: Instant): void {
    this.statistics.addLoss();
    this.loss.add(false, now);
  }

  /** Plans the next heartbeat, or none; with traffic a sooner one where `isInQuestion`. Leaves a run alone. */
  planHeartbeat(hasTraffic: boolean, isKept: boolean, isInQuestion: boolean): void {
    if (this.#run !== undefined) return;
    this.nextCheckAt = undefined;
    const isChecked = hasTraffic ? this.role !== "resting" : isKept && this.role === "active";
    if (!isChecked || !this.isUsable || this.lastCheckAt === undefined) return;
    const usualMs = this.#isInUse && hasTraffic ? HEARTBEAT_MS : STANDBY_HEARTBEAT_MS;
    const lossyMs = (this.isLossy || this.isTooLossy) && hasTraffic ? LOSSY_HEARTBEAT_MS : usualMs;
    this.nextCheckAt = addMs(this.lastCheckAt, isInQuestion && hasTraffic ? SUSPICION_HEARTBEAT_MS : lossyMs);
  }

  /** The heartbeat comes so long after the last check, unless it comes sooner. Leaves a run alone. */
  advanceHeartbeat(afterMs: number): void {
    if (this.#run !== undefined || this.lastCheckAt === undefined) return;
    this.nextCheckAt = earliest(this.nextCheckAt, addMs(this.lastCheckAt, afterMs));
  }

  /**
   * Looks for the largest datagram that passes while the path is in use. Keeps looking if it carries traffic, or if
   * only that keeps it from doing so.
   */
  searchMtu(hasTraffic: boolean, now: Instant): void {
    this.mtu.expire(now);
    if (!this.isUsable) this.mtu.forget();
    else if (this.#mayProbe(hasTraffic, now)) this.mtu.want(this.#keepsProbing(), now);
    else this.mtu.pause();
  }

  /** When `searchMtu` has something to do. */
  mtuDueAt(hasTraffic: boolean, now: Instant): Instant | undefined {
    return this.#mayProbe(hasTraffic, now) ? this.mtu.nextAt(this.#keepsProbing()) : undefined;
  }

  #keepsProbing(): boolean {
    return this.#isInUse || this.isNarrow;
  }

  get #isInUse(): boolean {
    return this.role === "active" || this.role === "carrier";
  }

  #mayProbe(hasTraffic: boolean, now: Instant): boolean {
    return hasTraffic && this.role !== "resting" && !this.isSuspect && this.isTrusted(now);
  }

  /** True when checks have just turned out to be in vain. */
  expire(now: Instant): boolean {
    const runEndsAt = this.#runEndsAt();
    const runEnded = runEndsAt !== undefined && now >= runEndsAt;
    if (runEnded) this.#run = undefined;
    const failsAt = this.#failsAt();
    if (!runEnded && !(failsAt !== undefined && now >= failsAt)) return false;
    this.failed = true;
    this.#unanswered = 0;
    this.#unansweredSince = undefined;
    return true;
  }

  /** When `expire` has something to do. */
  expiresAt(): Instant | undefined {
    return earliest(this.#runEndsAt(), this.#failsAt());
  }

  /** A run that is used up waits for an answer to its last check. */
  #runEndsAt(): Instant | undefined {
    return this.#run === undefined || this.nextCheckAt !== undefined ? undefined : this.#patienceEndsAt();
  }

  /** A path that worked fails even if new runs are begun all the time. */
  #failsAt(): Instant | undefined {
    const patienceEndsAt = this.#patienceEndsAt();
    if (!this.isUsable || this.#unanswered < RUN_CHECKS || patienceEndsAt === undefined) return undefined;
    const since = this.#unansweredSince ?? patienceEndsAt;
    return Math.max(addMs(since, FAILED_MS), patienceEndsAt) as Instant;
  }

  /** How long an answer to the last check may take. */
  #patienceEndsAt(): Instant | undefined {
    if (this.lastCheckAt === undefined) return undefined;
    return addMs(this.lastCheckAt, Math.ceil(Math.max(LAST_CHECK_WAIT_MS, 2 * (this.statistics.smoothedRttMs ?? 0))));
  }

  #isSilent(now: Instant): boolean {
    if (this.#unanswered < SILENT_CHECKS || this.#unansweredSince === undefined) return false;
    return now - this.#unansweredSince >= SILENT_MS;
  }
}
