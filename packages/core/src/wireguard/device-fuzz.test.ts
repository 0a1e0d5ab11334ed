import fc from "fast-check";
import { expect, test } from "vitest";
import { fuzzRuns } from "../../test/fuzz-runs.ts";
import { at, makePair, type Pair, path, type WireGuardNode } from "../../test/wireguard-node.ts";
import { WIREGUARD_DROP_REASONS } from "./drop-reason.ts";
import type { TrafficFacts } from "./timers.ts";

const side = fc.constantFrom("a", "b");
const ago = fc.integer({ min: 0, max: 200_000 });
const operation = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("request"), side }) },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("wait"), ms: fc.integer({ min: 0, max: 40_000 }) }) },
  {
    weight: 12,
    arbitrary: fc.record({
      kind: fc.constant("deliver"),
      side,
      which: fc.nat(20),
      host: fc.integer({ min: 1, max: 3 }),
      flip: fc.option(fc.nat(147), { freq: 6 }),
    }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("confirm"), side, which: fc.nat(5) }) },
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant("traffic"), side, ages: fc.tuple(ago, ago, ago, ago, ago, ago) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("psk"), side, byte: fc.option(fc.nat(2), { freq: 2 }) }) },
);
type Operation = typeof operation extends fc.Arbitrary<infer Value> ? Value : never;

/** Drives two devices with any sequence of inputs and watches what comes out. */
class Run {
  readonly #pair: Pair = makePair();
  /** Every handshake message ever sent, by receiver; never forgotten, so that old ones come back. */
  readonly #mail = { a: [] as Uint8Array[], b: [] as Uint8Array[] };
  readonly #live = { a: new Map<number, "initiator" | "responder">(), b: new Map<number, "initiator" | "responder">() };
  #now = 1;

  perform(step: Operation): void {
    if (step.kind === "wait") this.#wait(step.ms);
    else this.#input(step);
    this.#drain("a");
    this.#drain("b");
  }

  #input(step: Exclude<Operation, { kind: "wait" }>): void {
    const { machine } = this.#pair[step.side];
    const peer = step.side === "a" ? this.#pair.bAtA : this.#pair.aAtB;
    if (step.kind === "request") machine.requestSession(peer, at(this.#now));
    else if (step.kind === "deliver") this.#deliver(this.#pair[step.side], step);
    else if (step.kind === "traffic") machine.handleTraffic(peer, this.#facts(step.ages), at(this.#now));
    else if (step.kind === "psk") {
      machine.setPresharedKey(peer, step.byte === null ? undefined : new Uint8Array(32).fill(step.byte));
    } else {
      const waiting = [...this.#live[step.side]].filter(([, role]) => role === "responder");
      machine.handleSessionConfirmed(peer, waiting[step.which]?.[0] ?? step.which, at(this.#now));
    }
  }

  #deliver(node: WireGuardNode, step: Extract<Operation, { kind: "deliver" }>): void {
    const mail = this.#mail[step.side];
    const message = mail.at(-1 - step.which)?.slice();
    if (message === undefined) return;
    if (step.flip !== null) message[step.flip % message.length] = (message[step.flip % message.length] ?? 0) ^ 1;
    const dropped = node.machine.handleDatagram(message, path(step.host), at(this.#now));
    if (dropped !== undefined) expect(WIREGUARD_DROP_REASONS).toContain(dropped);
  }

  /** Ages of the six facts; one of 100 s and more stands for "never". */
  #facts(ages: readonly number[]): TrafficFacts {
    const [dataSent, dataReceived, sent, received, unanswered, unacknowledged] = ages.map((age) =>
      age < 100_000 ? at(Math.max(0, this.#now - age)).now : at(0).now,
    );
    const never = at(0).now;
    return {
      lastDataSentAt: dataSent ?? never,
      lastDataReceivedAt: dataReceived ?? never,
      lastSentAt: sent ?? never,
      lastReceivedAt: received ?? never,
      firstUnansweredSentAt: unanswered ?? never,
      firstUnacknowledgedReceivedAt: unacknowledged ?? never,
    };
  }

  #wait(ms: number): void {
    this.#now += ms;
    for (const { machine } of [this.#pair.a, this.#pair.b]) {
      machine.handleTimeout(at(this.#now));
      expect(machine.pollTimeout()?.at ?? Number.POSITIVE_INFINITY).toBeGreaterThan(this.#now);
    }
  }

  #drain(name: "a" | "b"): void {
    const node = this.#pair[name];
    const live = this.#live[name];
    for (const event of node.takeEvents()) {
      if (event.kind === "session") {
        expect(live.has(event.localIndex)).toBe(false);
        expect(event.expiresAt).toBe(this.#now + 180_000);
        live.set(event.localIndex, event.role);
      } else if (event.kind === "session-ended") {
        expect(live.delete(event.localIndex)).toBe(true);
      }
    }
    expect(live.size).toBeLessThanOrEqual(3);
    const transmits = node.takeTransmits();
    expect(transmits.length).toBeLessThanOrEqual(2);
    for (const { bytes } of transmits) this.#mail[name === "a" ? "b" : "a"].push(bytes);
  }

  /** After a long silence nothing is left. */
  finish(): void {
    for (let minute = 0; minute < 10; minute++) this.perform({ kind: "wait", ms: 60_000 });
    expect([this.#live.a.size, this.#live.b.size]).toEqual([0, 0]);
    expect(this.#pair.a.machine.pollTimeout()).toBeUndefined();
    expect(this.#pair.b.machine.pollTimeout()).toBeUndefined();
  }
}

test("no sequence of inputs throws, leaves a session behind or a deadline standing", () => {
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 80 }), (steps) => {
      const run = new Run();
      for (const step of steps) run.perform(step);
      run.finish();
    }),
    fuzzRuns(60),
  );
});
