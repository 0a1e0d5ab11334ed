import type { Instant } from "../time.ts";
import { CALLED_LATELY_MS, KEPT_MS, TRAFFIC_MS } from "./timings.ts";

/**
 * Who wants a path to the peer: our side has traffic, or the peer has called. While there is no server to call through,
 * a path that works is kept for its own sake: it might not be found again.
 */
export class Demand {
  /** When somebody last wanted to send or data moved. */
  #trafficAt: Instant | undefined;
  #calledAt: Instant | undefined;
  /** When a check was last answered. */
  #answeredAt: Instant | undefined;
  /** No server to call through. */
  isServerAway = false;

  handleTraffic(at: Instant): void {
    this.#trafficAt = Math.max(at, this.#trafficAt ?? 0) as Instant;
  }

  handleCall(now: Instant): void {
    this.#calledAt = now;
  }

  handleAnswer(now: Instant): void {
    this.#answeredAt = now;
  }

  hasTraffic(now: Instant): boolean {
    return this.#trafficAt !== undefined && now - this.#trafficAt < TRAFFIC_MS;
  }

  /** There is no server, and there was a path lately: it is to last, or to come again. */
  isKept(now: Instant): boolean {
    return this.isServerAway && this.#answeredAt !== undefined && now - this.#answeredAt < KEPT_MS;
  }

  /** Our traffic, or the peer is looking for a path: what we learn about ourselves matters to it. */
  isPressing(now: Instant): boolean {
    return this.hasTraffic(now) || (this.#calledAt !== undefined && now - this.#calledAt < CALLED_LATELY_MS);
  }

  isWanted(now: Instant): boolean {
    return this.isPressing(now) || this.isKept(now);
  }
}
