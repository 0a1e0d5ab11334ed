import type { Instant } from "../time.ts";
import { CALLED_LATELY_MS, TRAFFIC_MS } from "./timings.ts";

/** Who wants a path to the peer: our side has traffic, or the peer has called. */
export class Demand {
  /** When somebody last wanted to send or data moved. */
  #trafficAt: Instant | undefined;
  #calledAt: Instant | undefined;

  handleTraffic(at: Instant): void {
    this.#trafficAt = Math.max(at, this.#trafficAt ?? 0) as Instant;
  }

  handleCall(now: Instant): void {
    this.#calledAt = now;
  }

  hasTraffic(now: Instant): boolean {
    return this.#trafficAt !== undefined && now - this.#trafficAt < TRAFFIC_MS;
  }

  /** Our traffic, or the peer is looking for a path: what we learn about ourselves matters to it. */
  isWanted(now: Instant): boolean {
    return this.hasTraffic(now) || (this.#calledAt !== undefined && now - this.#calledAt < CALLED_LATELY_MS);
  }
}
