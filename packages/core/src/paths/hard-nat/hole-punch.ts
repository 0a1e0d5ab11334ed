/**
 * Makes a hole between a NAT that gives each destination another port and one that lets in only ports it has sent to
 * (the birthday method; docs/protocol-paths.md §8 and docs/adr/0017).
 *
 * Story: ordinary attempts have found nothing direct, and the NATs of both ends say why. One end proposes in a call, the
 * other accepts, and both begin. One opens socket after socket towards the one address of the other, which sends from
 * its data socket to port after port. When a port that was opened is one that was tried, packets pass both ways. The
 * socket where the first authentic check arrives is adopted as a link, the others are closed; from there on checks
 * decide as for any path.
 *
 * It only ever adds: ordinary attempts go on beside it.
 */
import { type NatFacts, type PortPrediction, PortSequence, predictPorts } from "../../nat/index.ts";
import type { LinkId, PathAddress, UdpAddress } from "../../net/index.ts";
import type { RandomBytes } from "../../random.ts";
import { addMs, earliest, type Instant } from "../../time.ts";
import type { Transmit } from "../check-exchange.ts";
import type { PairKeys } from "../check-keys.ts";
import type { PathSet } from "../path-set.ts";
import { TokenBucket } from "../token-bucket.ts";
import { AdoptedLinks } from "./adopted-links.ts";
import { counterAt, maxSocketsAt, portsToAimAt } from "./own-ports.ts";
import { PortSide } from "./port-side.ts";
import {
  AIMED_SOCKETS,
  AIMED_VOLLEYS,
  ALONE_MS,
  ATTEMPTS_BEFORE_GUESS,
  MAX_OPEN_SOCKETS,
  PORTS_AHEAD_MS,
  PROOF_MS,
  PROPOSAL_BURST,
  PROPOSAL_MS,
  PROPOSAL_REFILL_MS,
  TURN_POLL_MS,
} from "./punch-limits.ts";
import { PunchMemory } from "./punch-memory.ts";
import { otherRole, type PunchMessage, type PunchRefusal, type PunchRole } from "./punch-message.ts";
import {
  mappingOf,
  mayAimAt,
  type PunchPlan,
  planPunch,
  publicAddressOf,
  type Vantage,
  vantages,
} from "./punch-plan.ts";
import type { PunchTurn } from "./punch-turn.ts";
import type { PunchEvent, PunchRecord, PunchResult, PunchSituation, PunchSnapshot } from "./punch-types.ts";
import { SocketSide, type SocketVolleys } from "./socket-side.ts";

export interface HolePunchOptions {
  readonly keys: PairKeys;
  /** Makes a check of this link that is not waited for. */
  readonly encodeCheck: (linkId: LinkId) => Uint8Array;
  readonly random: RandomBytes;
  readonly set: PathSet;
  /** Shared by all peers and networks of an agent. */
  readonly turn: PunchTurn;
  /** False: attempts are neither begun nor accepted. */
  readonly enabled: () => boolean;
  /** How our NATs give out ports. */
  readonly ownPorts: () => readonly PortPrediction[];
}

type State =
  | { readonly kind: "idle" }
  /** Another attempt of this agent runs. */
  | { readonly kind: "waiting"; readonly askAt: Instant }
  | { readonly kind: "proposed"; readonly role: PunchRole; readonly vantage: Vantage; readonly at: Instant }
  | {
      readonly kind: "running";
      readonly role: PunchRole;
      readonly side: SocketSide | PortSide;
      readonly target: UdpAddress;
      readonly at: Instant;
      /** When the peer's first check came through. */
      hitAt: Instant | undefined;
    };

const IDLE: State = { kind: "idle" };
const WORDS: Readonly<Record<PunchRole, string>> = {
  sockets: "many sockets here",
  ports: "many ports there",
  aimed: "some sockets here and foretold ports there",
};
const MAX_RECORDS = 8;
/** A refusal for want of a turn ends soon; one by a setting does not. */
const REFUSAL_WAITS_MS: Readonly<Record<PunchRefusal, number>> = {
  busy: 2_000,
  unable: 60_000,
  "too-soon": 60_000,
  off: 3_600_000,
};

export class HolePunch {
  readonly #options: HolePunchOptions;
  readonly #adopted: AdoptedLinks;
  readonly #memory = new PunchMemory();
  /** Of the peer, that are looked at. */
  readonly #proposals = new TokenBucket(PROPOSAL_BURST, PROPOSAL_REFILL_MS);
  readonly #records: PunchRecord[] = []; // bounded: MAX_RECORDS, oldest dropped
  readonly #events: PunchEvent[] = []; // bounded: drained after every input
  #state: State = IDLE;
  #own: readonly NatFacts[] = [];
  #peer: readonly NatFacts[] = [];
  #peerPorts: readonly PortPrediction[] = [];
  #situation: PunchSituation = { isWanted: false, isSettled: false, attempts: 0, local: [], remote: [] };
  // Asked for after every packet, while the candidates stay the same.
  readonly #ownVantages = rememberingLast(vantages);
  readonly #theirAddress = rememberingLast(publicAddressOf);
  #wantedSince: Instant | undefined;
  /** The peer's last call. */
  #calledAt: Instant | undefined;
  #message: PunchMessage | undefined;
  /** Of the last attempt. */
  #lastRole: PunchRole | undefined;
  /** The plan of these facts: it is asked for far more often than they change. */
  #planned: { readonly facts: readonly unknown[]; readonly plan: PunchPlan | undefined } = {
    facts: [],
    plan: undefined,
  };

  constructor(options: HolePunchOptions) {
    this.#options = options;
    this.#adopted = new AdoptedLinks(options.set);
  }

  handleOwnNats(nats: readonly NatFacts[]): void {
    this.#own = nats;
  }

  /** What the peer's call says of its NATs, if anything, and of the ports that they will give. */
  handlePeer(nats: readonly NatFacts[] | undefined, ports: readonly PortPrediction[], now: Instant): void {
    this.#calledAt = now;
    this.#peer = nats ?? this.#peer;
    this.#peerPorts = ports;
  }

  /** What the peer says in a call about punching. */
  handleMessage(message: PunchMessage, situation: PunchSituation, now: Instant): void {
    this.#situation = situation;
    if (message.step === "propose") {
      if (this.#proposals.take(now)) this.#handleProposal(message, now);
    } else if (this.#state.kind === "proposed") {
      this.#handleReply(message, this.#state, now);
    }
  }

  /** An authentic check of the peer came from here. */
  handleHeard(from: PathAddress, now: Instant): void {
    const state = this.#state;
    if (state.kind !== "running") return;
    const { side } = state;
    if (side instanceof PortSide) {
      if (from.linkId !== side.linkId || from.remote.address !== state.target.address) return;
      side.stop();
    } else {
      if (!side.owns(from.linkId) || !this.#adopted.adopt(from.linkId, side.like, now)) return;
      side.release(from.linkId);
    }
    state.hitAt ??= now;
  }

  /** A socket that was wanted is the engine's link `linkId`; undefined if the host opens no more. */
  handleSocketOpened(linkId: LinkId | undefined, now: Instant): void {
    const side = this.#state.kind === "running" ? this.#state.side : undefined;
    if (side instanceof SocketSide) side.handleSocketOpened(linkId, now);
    else if (linkId !== undefined) this.#events.push({ kind: "socket-unwanted", linkId });
  }

  /** Closes adopted sockets that are of no use any more; their paths are gone then. */
  closeUnused(now: Instant): void {
    for (const linkId of this.#adopted.takeUnused(now)) this.#events.push({ kind: "socket-unwanted", linkId });
  }

  update(situation: PunchSituation, now: Instant): void {
    this.#situation = situation;
    this.#wantedSince = situation.isWanted ? (this.#wantedSince ?? now) : undefined;
    if (this.#state.kind === "running") this.#run(this.#state, now);
    else if (this.#state.kind === "proposed") this.#await(this.#state, now);
    if (this.#state.kind === "idle" || this.#state.kind === "waiting") this.#pursue(now);
  }

  /** An attempt in which the peer guesses ports of our NAT is near. */
  wantsPorts(now: Instant): boolean {
    if (this.#state.kind !== "idle" && this.#state.kind !== "waiting") return false;
    if (this.#situation.isSettled || !this.#options.enabled()) return false;
    const plan = this.#plan();
    if (plan === undefined || plan.role === "ports") return false;
    // It will propose, if we don't.
    const isCalled = this.#calledAt !== undefined && now < addMs(this.#calledAt, PORTS_AHEAD_MS);
    if (isCalled && plan.isCertain && this.#memory.mayAccept(plan.role, now)) return true;
    if (!this.#situation.isWanted) return false;
    const beginsAt = Math.max(this.#beginsAt(plan) ?? Number.POSITIVE_INFINITY, this.#memory.notBefore ?? 0);
    return addMs(now, PORTS_AHEAD_MS) >= beginsAt;
  }

  /** Something to be told to the peer in a call; taken once. */
  takeMessage(): PunchMessage | undefined {
    const message = this.#message;
    this.#message = undefined;
    return message;
  }

  get hasMessage(): boolean {
    return this.#message !== undefined;
  }

  pollTransmit(): Transmit | undefined {
    return this.#state.kind === "running" ? this.#state.side.pollTransmit() : undefined;
  }

  pollEvent(): PunchEvent | undefined {
    const side = this.#state.kind === "running" ? this.#state.side : undefined;
    return (side instanceof SocketSide ? side.pollEvent() : undefined) ?? this.#events.shift();
  }

  nextAt(): Instant | undefined {
    return earliest(this.#adopted.nextAt(), this.#stepAt());
  }

  /** Gives back what it holds: the peer is removed. */
  close(): void {
    if (this.#state.kind === "running") this.#closeSide(this.#state.side);
    for (const linkId of this.#adopted.takeAll()) this.#events.push({ kind: "socket-unwanted", linkId });
    this.#options.turn.giveBack(this);
    this.#state = IDLE;
  }

  snapshot(): PunchSnapshot {
    return {
      state: this.#options.enabled() ? this.#state.kind : "off",
      attempts: [...this.#records],
      failures: this.#memory.failures,
      notBefore: this.#memory.notBefore ?? null,
      adopted: this.#adopted.size,
    };
  }

  // Coming to an agreement

  #pursue(now: Instant): void {
    this.#state = IDLE;
    const plan = this.#plan();
    const { turn, enabled } = this.#options;
    if (plan === undefined || !enabled()) return;
    const beginsAt = this.#beginsAt(plan);
    if (beginsAt === undefined || now < beginsAt || !this.#memory.mayBegin(now)) return;
    const [vantage] = this.#vantages();
    if (vantage === undefined) return;
    if (!turn.take(this, now)) {
      this.#state = { kind: "waiting", askAt: addMs(now, TURN_POLL_MS) };
      return;
    }
    this.#state = { kind: "proposed", role: plan.role, vantage, at: now };
    this.#message = { step: "propose", role: plan.role, ...this.#placeOf(plan.role, vantage, now) };
  }

  #handleProposal(proposal: PunchMessage, now: Instant): void {
    this.#plan();
    const state = this.#state;
    const role = otherRole(proposal.role);
    if (state.kind === "proposed") {
      // Both have proposed, which is agreement enough; or, each its own way: the lower check id's counts.
      const { sendCheckId, receiveCheckId } = this.#options.keys;
      if (state.role !== role && sendCheckId < receiveCheckId) return;
      if (state.role === role) {
        this.#begin(role, state.vantage, proposal, now);
        return;
      }
    }
    const [vantage] = this.#vantages();
    const refusal = this.#refusal(proposal, vantage, now);
    if (vantage === undefined || refusal !== undefined) {
      const from = vantage?.address ?? proposal.from;
      this.#message = { step: "refuse", role, from, why: refusal ?? "unable" };
      return;
    }
    this.#message = { step: "accept", role, ...this.#placeOf(role, vantage, now) };
    this.#begin(role, vantage, proposal, now);
  }

  #refusal(proposal: PunchMessage, vantage: Vantage | undefined, now: Instant): PunchRefusal | undefined {
    if (!this.#options.enabled()) return "off";
    if (vantage === undefined || !mayAimAt(proposal.from, this.#situation.remote)) return "unable";
    if (proposal.role === "aimed" && counterAt(this.#options.ownPorts(), vantage.address.address) === undefined) {
      return "unable";
    }
    if (this.#state.kind === "running" || this.#situation.isSettled) return "busy";
    if (!this.#memory.mayAccept(otherRole(proposal.role), now)) return "too-soon";
    return this.#options.turn.take(this, now) ? undefined : "busy";
  }

  #handleReply(reply: PunchMessage, state: Extract<State, { kind: "proposed" }>, now: Instant): void {
    if (reply.step === "refuse") {
      const why = reply.why ?? "unable";
      this.#memory.waitFor(REFUSAL_WAITS_MS[why], now);
      this.#giveUp(state, { result: "refused", refusal: why }, now);
    } else if (reply.role === otherRole(state.role) && mayAimAt(reply.from, this.#situation.remote)) {
      this.#begin(state.role, state.vantage, reply, now);
    }
  }

  #await(state: Extract<State, { kind: "proposed" }>, now: Instant): void {
    if (!this.#situation.isWanted) {
      this.#options.turn.giveBack(this);
      this.#state = IDLE;
      return;
    }
    if (now < addMs(state.at, PROPOSAL_MS)) return;
    this.#memory.handleUnanswered(now);
    this.#giveUp(state, { result: "unanswered", refusal: null }, now);
  }

  /** It came to nothing before it had begun. */
  #giveUp(
    { role, at }: Extract<State, { kind: "proposed" }>,
    outcome: Pick<PunchRecord, "result" | "refusal">,
    now: Instant,
  ): void {
    this.#record({ at, role, ...outcome, packets: 0, bytes: 0, afterMs: now - at });
    this.#options.turn.giveBack(this);
    this.#state = IDLE;
  }

  // The attempt

  #begin(role: PunchRole, vantage: Vantage, { from: target, furtherPorts = [] }: PunchMessage, now: Instant): void {
    const options = { encodeCheck: () => this.#options.encodeCheck(vantage.linkId), target };
    const side =
      role === "ports"
        ? new PortSide(options, vantage.linkId, this.#portsOf(target, now), now)
        : new SocketSide({ ...options, ...this.#volleys(role, vantage, furtherPorts) }, vantage.linkId, now);
    this.#state = { kind: "running", role, side, target, at: now, hitAt: undefined };
    this.#events.push({ kind: "punch-note", text: `punching a hole with ${WORDS[role]}` });
  }

  #run(state: Extract<State, { kind: "running" }>, now: Instant): void {
    const { side, hitAt } = state;
    if (this.#situation.isSettled) {
      this.#memory.succeed(now);
      this.#finish(state, "direct", now);
    } else if (hitAt !== undefined) {
      if (now >= addMs(hitAt, PROOF_MS)) this.#fail(state, "not-proven", now);
    } else if (!this.#options.set.hasLink(side instanceof SocketSide ? side.like : side.linkId)) {
      this.#fail(state, "given-up", now);
    } else {
      side.update(now);
      const endsAt = side.endsAt();
      if (endsAt !== undefined && now >= endsAt) this.#fail(state, "no-hit", now);
    }
  }

  #fail(state: Extract<State, { kind: "running" }>, result: PunchResult, now: Instant): void {
    const isGuess = this.#plan()?.isCertain === false;
    this.#memory.fail(state.role, isGuess, now);
    this.#finish(state, result, now);
  }

  #finish(state: Extract<State, { kind: "running" }>, result: PunchResult, now: Instant): void {
    const { role, side, at } = state;
    const { packets, bytes } = side.pace;
    this.#closeSide(side);
    this.#record({ at, role, result, packets, bytes, afterMs: now - at, refusal: null });
    const text = `hole punching: ${result} after ${Math.round(now - at)} ms and ${packets} packets`;
    this.#events.push({ kind: "punch-note", text });
    this.#options.turn.giveBack(this);
    this.#lastRole = role;
    this.#state = IDLE;
  }

  #closeSide(side: SocketSide | PortSide): void {
    if (!(side instanceof SocketSide)) return;
    side.close();
    for (let event = side.pollEvent(); event !== undefined; event = side.pollEvent()) {
      if (event.kind === "socket-unwanted") this.#events.push(event);
    }
  }

  #record(record: PunchRecord): void {
    this.#records.push(record);
    if (this.#records.length > MAX_RECORDS) this.#records.shift();
  }

  // What is known

  /** Which role is ours; undefined if punching is of no use. Also finds what is remembered of these networks. */
  #plan(): PunchPlan | undefined {
    const { local, remote } = this.#situation;
    const facts = [local, remote, this.#own, this.#peer, this.#lastRole, this.#areForetold()];
    if (facts.some((fact, index) => fact !== this.#planned.facts[index])) {
      this.#planned = { facts, plan: this.#makePlan() };
    }
    return this.#planned.plan;
  }

  #makePlan(): PunchPlan | undefined {
    const mine = this.#vantages()[0]?.address.address;
    const theirs = this.#theirAddress(this.#situation.remote);
    this.#memory.enter([mine, mappingOf(this.#own), theirs, mappingOf(this.#peer)].join(" "));
    // Behind one and the same NAT there is another obstacle.
    if (mine === undefined || theirs === undefined || mine === theirs) return undefined;
    return planPunch(this.#own, this.#peer, { lastRole: this.#lastRole, areForetold: this.#areForetold() });
  }

  /** Both NATs have varying ports, and count them. */
  #areForetold(): boolean {
    if (mappingOf(this.#own) !== "varying" || mappingOf(this.#peer) !== "varying") return false;
    const mine = this.#vantages()[0]?.address.address;
    const theirs = this.#theirAddress(this.#situation.remote);
    if (mine === undefined || theirs === undefined) return false;
    return counterAt(this.#options.ownPorts(), mine) !== undefined && counterAt(this.#peerPorts, theirs) !== undefined;
  }

  /** Where we are in this role, as the peer is told. */
  #placeOf(role: PunchRole, { address }: Vantage, now: Instant): Pick<PunchMessage, "from" | "furtherPorts"> {
    const counter = role === "aimed" ? counterAt(this.#options.ownPorts(), address.address) : undefined;
    const [port, ...furtherPorts] = counter === undefined ? [] : portsToAimAt(counter, now);
    return port === undefined ? { from: address } : { from: { ...address, port }, furtherPorts };
  }

  /** How many sockets are opened, and to which ports besides the first. */
  #volleys(role: PunchRole, { address }: Vantage, furtherPorts: readonly number[]): SocketVolleys {
    if (role !== "aimed") return { maxSockets: maxSocketsAt(this.#options.ownPorts(), address.address) };
    const further = furtherPorts.slice(0, AIMED_VOLLEYS - 1);
    return { maxSockets: AIMED_SOCKETS * (1 + further.length), socketsPerPort: AIMED_SOCKETS, furtherPorts: further };
  }

  /** The order in which the ports of the peer's NAT are tried. */
  #portsOf({ address }: UdpAddress, now: Instant): PortSequence {
    const known = this.#peerPorts.find((prediction) => prediction.address === address);
    const guesses = predictPorts(known?.pattern ?? { kind: "unknown" }, { now, mappings: MAX_OPEN_SOCKETS });
    return new PortSequence(guesses, this.#options.random);
  }

  #vantages(): Vantage[] {
    return this.#ownVantages(this.#situation.local);
  }

  /** When the ordinary attempt has had its time; undefined while that can't be told yet. */
  #beginsAt({ isCertain }: PunchPlan): Instant | undefined {
    const { attempts } = this.#situation;
    if (this.#wantedSince === undefined || (!isCertain && attempts < ATTEMPTS_BEFORE_GUESS)) return undefined;
    return addMs(this.#wantedSince, ALONE_MS);
  }

  #stepAt(): Instant | undefined {
    const state = this.#state;
    switch (state.kind) {
      case "waiting":
        return state.askAt;
      case "proposed":
        return addMs(state.at, PROPOSAL_MS);
      case "running":
        return state.hitAt === undefined ? (state.side.nextAt() ?? state.side.endsAt()) : addMs(state.hitAt, PROOF_MS);
      case "idle":
        return this.#idleUntil();
    }
  }

  /** Undefined while nothing is planned: something must change first. */
  #idleUntil(): Instant | undefined {
    if (!this.#situation.isWanted || !this.#options.enabled()) return undefined;
    const plan = this.#plan();
    const beginsAt = plan && this.#beginsAt(plan);
    if (beginsAt === undefined) return undefined;
    return Math.max(beginsAt, this.#memory.notBefore ?? 0) as Instant;
  }
}

/** The function, which works out only once what it is asked for again. Arguments are told apart by identity. */
function rememberingLast<Argument extends object, Result>(compute: (argument: Argument) => Result) {
  let last: { readonly argument: Argument; readonly result: Result } | undefined;
  return (argument: Argument): Result => {
    if (last?.argument !== argument) last = { argument, result: compute(argument) };
    return last.result;
  };
}
