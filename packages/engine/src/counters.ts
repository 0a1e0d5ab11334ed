/**
 * Reads the counters that the engine keeps in shared memory; no call into the engine.
 * Words are 64 bits, times CLOCK_BOOTTIME nanoseconds. Layout: native/engine/tables/counters.h.
 */
import type { Instant } from "@asterism/core/time";
import type { CountersLayout } from "./binding.ts";
import type { EnginePath, PathCounters, PathEstimate, PeerCounters } from "./contract.ts";

const NS_PER_MS = 1e6;
/** The engine's first guess, which it leaves as soon as it has measured anything (native/engine/multipath/path_estimator.h). */
const FIRST_RATE_BYTES_PER_SECOND = 1_250_000;

/** One peer's block within its chunk. */
export class PeerCounterBlock {
  readonly #words: BigUint64Array;
  readonly #layout: CountersLayout;
  readonly #start: number;

  /** `chunk` is the memory of the peer's chunk, `index` the peer's place in it. */
  constructor(chunk: ArrayBuffer, index: number, layout: CountersLayout) {
    this.#words = new BigUint64Array(chunk);
    this.#layout = layout;
    this.#start = index * layout.peerWords;
  }

  readPeer(): PeerCounters {
    const at = this.#start;
    return {
      txPackets: this.#count(at),
      txBytes: this.#count(at + 1),
      txRelayedPackets: this.#count(at + 2),
      lastDataSentAt: this.#instant(at + 3),
      lastSentAt: this.#instant(at + 4),
      firstUnansweredSentAt: this.#instant(at + 5),
      lastStagedAt: this.#instant(at + 6),
      rxPackets: this.#count(at + 8),
      rxBytes: this.#count(at + 9),
      rxRelayedPackets: this.#count(at + 10),
      lastDataReceivedAt: this.#instant(at + 11),
      lastReceivedAt: this.#instant(at + 12),
      firstUnacknowledgedReceivedAt: this.#instant(at + 13),
    };
  }

  readPath(path: EnginePath, slot: number): PathCounters {
    const at = this.#start + this.#layout.peerHeaderWords + slot * this.#layout.pathWords;
    return {
      linkId: path.linkId,
      remote: path.remote,
      channel: path.channel,
      txPackets: this.#count(at),
      txBytes: this.#count(at + 1),
      rxPackets: this.#count(at + 2),
      rxBytes: this.#count(at + 3),
      lastReceivedAt: this.#instant(at + 4),
      ...this.#estimate(at + 5, path.capBytesPerSecond),
    };
  }

  #estimate(at: number, capBytesPerSecond = Number.POSITIVE_INFINITY): { spread?: PathEstimate } {
    const rate = this.#count(at);
    if (rate === 0) return {};
    const isGuess = rate === FIRST_RATE_BYTES_PER_SECOND && rate < capBytesPerSecond;
    return {
      spread: {
        rateBytesPerSecond: isGuess ? null : rate,
        rttMs: this.#count(at + 1) / NS_PER_MS,
        queueingMs: this.#count(at + 2) / NS_PER_MS,
        lostPackets: this.#count(at + 3),
        resentPackets: this.#count(at + 4),
        dead: this.#count(at + 5) !== 0,
      },
    };
  }

  #count(word: number): number {
    return Number(this.#words[word] ?? 0n);
  }

  #instant(word: number): Instant {
    return (this.#count(word) / NS_PER_MS) as Instant;
  }
}

/** The reasons that have occurred, with their counts. */
export function readDropCounters(
  page: BigUint64Array,
  layout: Pick<CountersLayout, "dropReasons">,
): Record<string, number> {
  const drops: Record<string, number> = {};
  layout.dropReasons.forEach((reason, index) => {
    const count = Number(page[index] ?? 0n);
    if (count > 0) drops[reason] = count;
  });
  return drops;
}
