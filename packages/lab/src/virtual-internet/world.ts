import { EventQueue } from "./event-queue.ts";
import { PacketLog } from "./packet-log.ts";
import { SeededRandom } from "./seeded-random.ts";

/** Virtual time, randomness and the log that everything in a simulation shares. */
export class World {
  readonly random: SeededRandom;
  readonly log = new PacketLog();
  readonly #queue = new EventQueue();
  #nowMs = 0;

  constructor(seed: number) {
    this.random = new SeededRandom(seed);
  }

  /** Virtual milliseconds since the simulation began. */
  get nowMs(): number {
    return this.#nowMs;
  }

  /** Plans an event, at the next tick of the clock; one in the past happens at once. */
  at(atMs: number, run: () => void): void {
    this.#queue.add(Math.max(Math.ceil(atMs * TICKS_PER_MS) / TICKS_PER_MS, this.#nowMs), run);
  }

  after(delayMs: number, run: () => void): void {
    this.at(this.#nowMs + delayMs, run);
  }

  /** Lets virtual time pass. Throws if the simulation goes round in circles without time passing. */
  run(durationMs: number): void {
    this.runUntil(() => false, durationMs);
  }

  /** Lets time pass until the condition holds, at most `limitMs`. Returns how long it took, undefined if it never held. */
  runUntil(condition: () => boolean, limitMs: number): number | undefined {
    const startMs = this.#nowMs;
    const endMs = startMs + limitMs;
    let eventsAtOnce = 0;
    for (;;) {
      if (condition()) return this.#nowMs - startMs;
      const nextAt = this.#queue.nextAt();
      if (nextAt === undefined || nextAt > endMs) break;
      eventsAtOnce = nextAt > this.#nowMs ? 0 : eventsAtOnce + 1;
      if (eventsAtOnce > MAX_EVENTS_AT_ONCE) throw new Error(`the simulation stands still at ${this.#nowMs} ms`);
      this.#nowMs = nextAt;
      this.#queue.take()?.run();
    }
    this.#nowMs = endMs;
    return condition() ? this.#nowMs - startMs : undefined;
  }
}

/** A power of two: sums and differences of such times are exact, so that no deadline seems not yet reached when it is due. */
const TICKS_PER_MS = 1_024;
const MAX_EVENTS_AT_ONCE = 100_000;
