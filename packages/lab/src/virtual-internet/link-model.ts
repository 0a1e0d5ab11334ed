import type { SeededRandom } from "./seeded-random.ts";

/** One direction of a link. Everything that is left out is perfect. */
export interface LinkConditions {
  readonly delayMs?: number;
  /** Added to the delay, evenly distributed from 0 to this; packets keep their order unless `reorderRatio` is set. */
  readonly jitterMs?: number;
  /** 0–1. */
  readonly lossRatio?: number;
  /** Share of packets that are overtaken: they are `reorderDelayMs` late. */
  readonly reorderRatio?: number;
  readonly reorderDelayMs?: number;
  readonly duplicateRatio?: number;
  /** Largest IP packet. */
  readonly mtuBytes?: number;
  readonly rateBitsPerSecond?: number;
  /** What waits longer for its turn on a link with a rate is dropped. */
  readonly queueMs?: number;
}

const DEFAULT_MTU_BYTES = 1_500;
const DEFAULT_QUEUE_MS = 100;
const DEFAULT_REORDER_DELAY_MS = 20;

export type Passage = { readonly dropped: string } | { readonly arrivals: readonly number[] };

/** Decides what one direction of a link does to packets: seeded, no I/O, no clock of its own. */
export class LinkModel {
  readonly #random: SeededRandom;
  #conditions: LinkConditions;
  /** When the link has finished sending what it was given. */
  #busyUntilMs = 0;
  #lastArrivalMs = 0;

  constructor(conditions: LinkConditions, random: SeededRandom) {
    this.#conditions = conditions;
    this.#random = random;
  }

  get mtuBytes(): number {
    return this.#conditions.mtuBytes ?? DEFAULT_MTU_BYTES;
  }

  get isLossy(): boolean {
    return (this.#conditions.lossRatio ?? 0) > 0;
  }

  setConditions(conditions: LinkConditions): void {
    this.#conditions = conditions;
  }

  /** When a packet that is sent at `nowMs` arrives: once, several times, or not at all. */
  pass(sizeBytes: number, nowMs: number): Passage {
    const { lossRatio = 0, duplicateRatio = 0, queueMs = DEFAULT_QUEUE_MS } = this.#conditions;
    if (sizeBytes > this.mtuBytes) return { dropped: "larger than the MTU" };
    if (this.#random.chance(lossRatio)) return { dropped: "lost" };
    if (this.#busyUntilMs - nowMs > queueMs) return { dropped: "queue full" };
    const sentMs = this.#serialize(sizeBytes, nowMs);
    const arrivals = [this.#arrival(sentMs)];
    if (this.#random.chance(duplicateRatio)) arrivals.push(this.#arrival(sentMs));
    return { arrivals };
  }

  #serialize(sizeBytes: number, nowMs: number): number {
    const { rateBitsPerSecond } = this.#conditions;
    if (rateBitsPerSecond === undefined) return nowMs;
    this.#busyUntilMs = Math.max(this.#busyUntilMs, nowMs) + (sizeBytes * 8 * 1_000) / rateBitsPerSecond;
    return this.#busyUntilMs;
  }

  #arrival(sentMs: number): number {
    const { delayMs = 0, jitterMs = 0, reorderRatio = 0, reorderDelayMs = DEFAULT_REORDER_DELAY_MS } = this.#conditions;
    const arrivalMs = sentMs + delayMs + jitterMs * this.#random.unit();
    if (this.#random.chance(reorderRatio)) return arrivalMs + reorderDelayMs;
    this.#lastArrivalMs = Math.max(this.#lastArrivalMs, arrivalMs);
    return this.#lastArrivalMs;
  }
}
