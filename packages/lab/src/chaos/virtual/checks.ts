/** What must hold in a chaos run: at once, at the end of each quiet phase, and all the time. */
import type { Way } from "../oracle.ts";
import type { Violation } from "../violation.ts";
import type { ChaosMember } from "./chaos-member.ts";
import type { Conversation, Conversations } from "./conversations.ts";
import { describePair } from "./describe-pair.ts";
import { virtualWay } from "./facts.ts";
import type { Stage } from "./stage.ts";

/** Every pair that can be connected answers so soon after the last fault. */
const RECOVERY_LIMIT_MS = 10_000;
/** After that no ping may stay without an answer for longer. */
const ANSWER_LIMIT_MS = 2_000;
/** The slowest back-off of attempts at a direct path is 60 s. */
const DIRECT_LIMIT_MS = 65_000;
/** REJECT_AFTER_TIME, and how long the counters may be out of date. */
const SESSION_LIMIT_MS = 185_000;
const WATCH_MS = 1_000;
/** Every second, of everything that one host sends: 50 checks and as many answers for each peer, and punching and the rest. */
const MAX_PACKETS_PER_PEER = 100;
const MAX_PACKETS_BESIDE = 300;
const MAX_PATHS = 200;
const MAX_VIOLATIONS = 20;

export class Checks {
  readonly #stage: Stage;
  readonly #conversations: Conversations;
  readonly violations: Violation[] = []; // bounded: MAX_VIOLATIONS
  /** Pairs that were looked at. */
  checks = 0;
  worstRecoveryMs = 0;
  maxPacketsPerSecond = 0;
  readonly #disturbedAtMs = new Map<ChaosMember, number>(); // bounded: members
  readonly #sent = new Map<ChaosMember, number>(); // bounded: members

  constructor(stage: Stage, conversations: Conversations) {
    this.#stage = stage;
    this.#conversations = conversations;
  }

  /** A fault has begun or ended. */
  handleDisturbance(concerns: readonly ChaosMember[]): void {
    for (const member of concerns) this.#disturbedAtMs.set(member, this.#stage.world.nowMs);
  }

  /** The faults are over, or will last until the quiet ends. */
  handleQuiet(fromMs: number, untilMs: number): void {
    const { world } = this.#stage;
    const watched = [...this.#conversations.all()].filter((conversation) => this.#mustAnswer(conversation, fromMs));
    for (const conversation of watched) conversation.firstAnswerMs = undefined;
    world.at(fromMs + RECOVERY_LIMIT_MS, () => this.#checkRecovery(watched, fromMs));
    world.at(untilMs - 10, () => this.#checkEnd(watched, fromMs, untilMs));
  }

  /** Looks at what must hold all the time. */
  watch(): void {
    this.#watchPackets();
    this.#watchSizes();
    this.#stage.world.after(WATCH_MS, () => this.watch());
  }

  fail(what: string, details: string): void {
    if (this.violations.length < MAX_VIOLATIONS) this.violations.push({ atMs: this.#stage.world.nowMs, what, details });
  }

  #checkRecovery(watched: readonly Conversation[], fromMs: number): void {
    for (const conversation of watched) {
      this.checks += 1;
      const { firstAnswerMs } = conversation;
      if (firstAnswerMs === undefined) {
        if (conversation.endsAtMs > fromMs + RECOVERY_LIMIT_MS) this.#failPair(conversation, "no answer within 10 s");
      } else this.worstRecoveryMs = Math.max(this.worstRecoveryMs, firstAnswerMs - fromMs);
    }
  }

  #checkEnd(watched: readonly Conversation[], fromMs: number, untilMs: number): void {
    const isLong = untilMs - fromMs > DIRECT_LIMIT_MS + RECOVERY_LIMIT_MS;
    for (const conversation of watched) {
      if (conversation.firstAnswerMs === undefined || conversation.endsAtMs < untilMs) continue;
      this.checks += 1;
      const [firstMs, lastMs] = [fromMs + RECOVERY_LIMIT_MS, untilMs - ANSWER_LIMIT_MS];
      const unanswered = [...conversation.pending.values()].filter((atMs) => atMs >= firstMs && atMs <= lastMs);
      if (unanswered.length > 0) {
        const when = unanswered.map((atMs) => `${(atMs / 1_000).toFixed(1)} s`).join(", ");
        this.#failPair(conversation, `${unanswered.length} pings in the quiet without an answer, sent at ${when}`);
      }
      this.#checkSession(conversation);
      const isNew = untilMs - conversation.startedAtMs < DIRECT_LIMIT_MS + RECOVERY_LIMIT_MS;
      if (isLong && !isNew) this.#checkDirect(conversation);
    }
  }

  #checkSession(conversation: Conversation): void {
    const { from, to } = conversation;
    const peer = from.node?.mesh.peers.get(to.name);
    const ageMs = peer === undefined ? undefined : from.node?.mesh.peerState(peer, from.host.now).sessionAgeMs;
    if (ageMs === undefined || ageMs > SESSION_LIMIT_MS) this.#failPair(conversation, `the session is ${ageMs} ms old`);
  }

  #checkDirect(conversation: Conversation): void {
    const { from, to } = conversation;
    if (this.#way(conversation) !== "direct" || !this.#areSignalled(conversation)) return;
    const isRelayed = [
      [from, to],
      [to, from],
    ].some(([own, other]) => own?.node?.engine.paths(other?.name ?? "")[0]?.relayed !== false);
    if (isRelayed) this.#failPair(conversation, "on a relay for more than 65 s where a direct path is possible");
  }

  /** Whether the pair can be connected, and is expected to answer. */
  #mustAnswer(conversation: Conversation, fromMs: number): boolean {
    if (this.#way(conversation) === "none" || this.#isLossy(conversation)) return false;
    if (this.#areSignalled(conversation)) return true;
    // Who can't call anybody keeps what it has.
    const disturbedAtMs = Math.max(...this.#ends(conversation).map((member) => this.#disturbedAtMs.get(member) ?? 0));
    return conversation.answeredAtMs > fromMs - 3_000 && disturbedAtMs < fromMs - RECOVERY_LIMIT_MS;
  }

  #way({ from, to }: Conversation): Way {
    return virtualWay(from, to, this.#stage.relays);
  }

  #areSignalled(conversation: Conversation): boolean {
    return this.#stage.control.isUp && this.#ends(conversation).every((member) => member.reachesServer());
  }

  #isLossy(conversation: Conversation): boolean {
    return this.#ends(conversation).some(({ uplink, site }) => site.entrance(uplink.attachment).isLossy);
  }

  #ends({ from, to }: Conversation): ChaosMember[] {
    return [from, to];
  }

  #failPair(conversation: Conversation, what: string): void {
    const way = this.#way(conversation);
    this.fail(`${conversation.name}: ${what} (possible: ${way})`, describePair(conversation, this.#stage));
  }

  #watchPackets(): void {
    const { members } = this.#stage;
    const limit = MAX_PACKETS_PER_PEER * (members.length - 1) + MAX_PACKETS_BESIDE;
    for (const member of members) {
      const { sentPackets } = member.host;
      const perSecond = sentPackets - (this.#sent.get(member) ?? 0);
      this.#sent.set(member, sentPackets);
      this.maxPacketsPerSecond = Math.max(this.maxPacketsPerSecond, perSecond);
      if (perSecond > limit) this.fail(`${member.name} has sent ${perSecond} packets in a second`, "");
    }
  }

  #watchSizes(): void {
    for (const member of this.#stage.members) {
      const { node } = member;
      if (node === undefined) continue;
      for (const [nodeId, { paths }] of node.mesh.peers) {
        const count = paths?.snapshot(member.host.now).paths.length ?? 0;
        if (count > MAX_PATHS) this.fail(`${member.name} keeps ${count} paths to ${nodeId}`, "");
        if (node.engine.sessionCount(nodeId) > 3) this.fail(`${member.name} has too many sessions with ${nodeId}`, "");
      }
    }
  }
}
