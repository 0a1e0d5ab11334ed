/**
 * Two WireGuard machines with modelled engines over a lossy, reordering wire, in virtual time. After every step the
 * invariants are checked; what the run was like is counted. For tests.
 */
import { addMs, type Instant } from "../src/time.ts";
import type { WireGuardEvent } from "../src/wireguard/index.ts";
import { type DataPacket, EngineModel } from "./engine-model.ts";
import { at, makePair, type WireGuardNode } from "./wireguard-node.ts";

export interface SimulationOptions {
  readonly seed: number;
  readonly durationMs: number;
  /** Share of datagrams that are lost, by time. */
  readonly lossAt: (now: number) => number;
  /** Each datagram takes a time of its own in this range, so that they overtake each other. */
  readonly delayMs: readonly [number, number];
  /** Mean time between data packets of each side; undefined for a side that sends none. */
  readonly dataEveryMs: readonly [number | undefined, number | undefined];
  /** After this, no data is sent any more. */
  readonly dataUntilMs?: number;
}

export interface SideReport {
  initiationsSent: number;
  responsesSent: number;
  sessionsInitiated: number;
  sessionsAnswered: number;
  keepalivesSent: number;
  dataSent: number;
  dataOpened: number;
  /** Datagrams that arrived and opened in no session. */
  dataUnopened: number;
  /** Instants at which data found no session that may send. */
  unsent: number[];
  maxSessions: number;
  failures: string[];
  /** Sessions whose end has not been announced. */
  live: Set<number>;
}

interface Side {
  readonly node: WireGuardNode;
  readonly peer: number;
  readonly engine: EngineModel;
  readonly report: SideReport;
  askedAt: number;
}

export function simulateTunnel(options: SimulationOptions): { a: SideReport; b: SideReport } {
  return new Simulation(options).run();
}

class Simulation {
  readonly #options: SimulationOptions;
  readonly #sides: readonly [Side, Side];
  readonly #queue: { at: number; run: () => void }[] = [];
  #now = 0;
  #random: number;

  constructor(options: SimulationOptions) {
    this.#options = options;
    this.#random = options.seed;
    const pair = makePair();
    this.#sides = [makeSide(pair.a, pair.bAtA), makeSide(pair.b, pair.aAtB)];
  }

  run(): { a: SideReport; b: SideReport } {
    for (const side of this.#sides) {
      this.#schedule(this.#uniform(1, 1_000), () => this.#pollFacts(side));
      this.#scheduleData(side);
    }
    for (let next = this.#nextAt(); next !== undefined && next <= this.#options.durationMs; next = this.#nextAt()) {
      this.#now = next;
      this.#step();
    }
    return { a: this.#sides[0].report, b: this.#sides[1].report };
  }

  #nextAt(): number | undefined {
    const times = this.#sides.map(({ node }) => node.machine.pollTimeout()?.at ?? Number.POSITIVE_INFINITY);
    const soonest = Math.min(this.#queue[0]?.at ?? Number.POSITIVE_INFINITY, ...times);
    return Number.isFinite(soonest) ? Math.max(soonest, this.#now) : undefined;
  }

  #step(): void {
    const { now } = at(this.#now);
    while (this.#queue[0] !== undefined && this.#queue[0].at <= now) this.#queue.shift()?.run();
    for (const side of this.#sides) {
      const { machine } = side.node;
      const due = machine.pollTimeout();
      if (due === undefined || due.at > now) continue;
      machine.handleTraffic(side.peer, side.engine.facts, at(now));
      machine.handleTimeout(at(now));
      const next = machine.pollTimeout();
      if (next !== undefined && next.at <= now) throw new Error(`the deadline ${next.reason} does not move on`);
      this.#drain(side);
    }
  }

  #drain(side: Side): void {
    for (const event of side.node.takeEvents()) this.#apply(side, event);
    for (const { bytes } of side.node.takeTransmits()) {
      if (bytes[0] === 1) side.report.initiationsSent += 1;
      if (bytes[0] === 2) side.report.responsesSent += 1;
      const other = this.#otherOf(side);
      this.#transmit(() => {
        other.node.machine.handleDatagram(bytes, side.node.address, at(this.#now));
        this.#drain(other);
      });
    }
    side.report.maxSessions = Math.max(side.report.maxSessions, side.engine.sessions.length, side.report.live.size);
  }

  #apply(side: Side, event: WireGuardEvent): void {
    const { report, engine } = side;
    if (event.kind === "session") {
      report.live.add(event.localIndex);
      if (event.role === "initiator") report.sessionsInitiated += 1;
      else report.sessionsAnswered += 1;
      engine.install(event);
      if (event.role === "initiator") this.#flushStaged(side);
    } else if (event.kind === "session-ended") {
      if (!report.live.delete(event.localIndex)) throw new Error("a session ended that was not there");
      engine.remove(event.localIndex);
    } else if (event.kind === "keepalive") {
      report.keepalivesSent += 1;
      this.#sendPacket(side, true);
    } else if (event.kind === "handshake-failed") {
      report.failures.push(event.reason);
      engine.isStaged = false;
    }
  }

  #scheduleData(side: Side): void {
    const everyMs = this.#options.dataEveryMs[this.#sides.indexOf(side)];
    if (everyMs === undefined) return;
    this.#schedule(this.#uniform(1, 2 * everyMs), () => {
      if (this.#now > (this.#options.dataUntilMs ?? Number.POSITIVE_INFINITY)) return;
      this.#sendPacket(side, false);
      this.#scheduleData(side);
    });
  }

  #sendPacket(side: Side, isKeepalive: boolean): void {
    const packet = side.engine.send(isKeepalive, at(this.#now).now);
    if (packet !== undefined) {
      if (!isKeepalive) side.report.dataSent += 1;
      const other = this.#otherOf(side);
      this.#transmit(() => this.#receive(other, packet));
      return;
    }
    if (isKeepalive) return;
    side.report.unsent.push(this.#now);
    if (this.#now - side.askedAt < 1_000) return;
    side.askedAt = this.#now;
    side.node.machine.requestSession(side.peer, at(this.#now));
    this.#drain(side);
  }

  #receive(side: Side, packet: DataPacket): void {
    const opened = side.engine.receive(packet, at(this.#now).now);
    if (opened === undefined) {
      side.report.dataUnopened += 1;
      return;
    }
    if (!packet.isKeepalive) side.report.dataOpened += 1;
    if (opened.confirmed === undefined) return;
    side.node.machine.handleSessionConfirmed(side.peer, opened.confirmed, at(this.#now));
    this.#drain(side);
    this.#flushStaged(side);
  }

  #flushStaged(side: Side): void {
    if (!side.engine.isStaged) return;
    side.engine.isStaged = false;
    this.#sendPacket(side, false);
  }

  /** As the shell does, about once a second. */
  #pollFacts(side: Side): void {
    side.node.machine.handleTraffic(side.peer, side.engine.facts, at(this.#now));
    this.#drain(side);
    this.#schedule(1_000, () => this.#pollFacts(side));
  }

  #transmit(deliver: () => void): void {
    if (this.#uniform(0, 1) < this.#options.lossAt(this.#now)) return;
    this.#schedule(Math.round(this.#uniform(...this.#options.delayMs)), deliver);
  }

  #schedule(afterMs: number, run: () => void): void {
    const entry = { at: addMs(this.#now as Instant, Math.max(1, Math.round(afterMs))), run };
    const later = this.#queue.findIndex((other) => other.at > entry.at);
    if (later < 0) this.#queue.push(entry);
    else this.#queue.splice(later, 0, entry);
  }

  /** A linear congruential generator: the network's dice, apart from the machines' random bytes. */
  #uniform(low: number, high: number): number {
    this.#random = (Math.imul(this.#random, 1_664_525) + 1_013_904_223) >>> 0;
    return low + ((high - low) * this.#random) / 0x1_0000_0000;
  }

  #otherOf(side: Side): Side {
    return side === this.#sides[0] ? this.#sides[1] : this.#sides[0];
  }
}

function makeSide(node: WireGuardNode, peer: number): Side {
  const report: SideReport = {
    initiationsSent: 0,
    responsesSent: 0,
    sessionsInitiated: 0,
    sessionsAnswered: 0,
    keepalivesSent: 0,
    dataSent: 0,
    dataOpened: 0,
    dataUnopened: 0,
    unsent: [],
    maxSessions: 0,
    failures: [],
    live: new Set(),
  };
  return { node, peer, engine: new EngineModel(), report, askedAt: Number.NEGATIVE_INFINITY };
}
