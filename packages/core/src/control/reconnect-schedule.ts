import { fullJitterDelayMs } from "../back-off.ts";
import type { RandomBytes } from "../random.ts";
import { STREAM_RECONNECT } from "./stream.ts";

/** A connection that lasted so long was a good one: what comes next is another failure, not the same. */
const STABLE_MS = 10_000;

/**
 * When to come back to the server. The delay is anything between nothing and a ceiling that doubles with each failure
 * ("full jitter"): agents that lost the server at the same moment are strangers to each other after a few attempts.
 */
export class ReconnectSchedule {
  readonly #random: RandomBytes;
  #failures = 0;
  #connectedAtMs: number | undefined;

  constructor(random: RandomBytes) {
    this.#random = random;
  }

  handleConnected(nowMs: number): void {
    this.#connectedAtMs = nowMs;
  }

  /** Something has changed for the better: failures so far say nothing. */
  reset(): void {
    this.#failures = 0;
  }

  /** How long to wait, the connection having ended or failed at `nowMs`; at least `atLeastMs`, as the server asked for. */
  nextDelayMs(nowMs: number, atLeastMs = 0): number {
    const isStable = this.#connectedAtMs !== undefined && nowMs - this.#connectedAtMs >= STABLE_MS;
    if (isStable) this.#failures = 0;
    this.#connectedAtMs = undefined;
    return atLeastMs + fullJitterDelayMs(STREAM_RECONNECT, this.#failures++, this.#random);
  }
}
