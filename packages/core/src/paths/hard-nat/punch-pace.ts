import { addMs, type Instant } from "../../time.ts";
import {
  BATCH_PACKETS,
  BURST_PACKETS,
  HEADER_BYTES,
  MAX_ATTEMPT_BYTES,
  PACE_PACKETS_PER_SECOND,
} from "./punch-limits.ts";

const INTERVAL_MS = 1_000 / PACE_PACKETS_PER_SECOND;

/** Counts what one side sends in one attempt, and says when how much more may leave. */
export class PunchPace {
  #tokens = BATCH_PACKETS;
  #countedAt: Instant;
  #packets = 0;
  #bytes = 0;

  constructor(now: Instant) {
    this.#countedAt = now;
  }

  get packets(): number {
    return this.#packets;
  }

  /** With IP and UDP headers. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Packets that may leave now. */
  due(now: Instant): number {
    const elapsedMs = Math.max(0, now - this.#countedAt);
    this.#countedAt = now;
    this.#tokens = Math.min(BURST_PACKETS, this.#tokens + elapsedMs / INTERVAL_MS);
    return this.#tokens >= BATCH_PACKETS ? Math.floor(this.#tokens) : 0;
  }

  /** When the next packets may leave. */
  readyAt(): Instant {
    return addMs(this.#countedAt, Math.ceil(Math.max(0, BATCH_PACKETS - this.#tokens) * INTERVAL_MS));
  }

  /** Counts a packet with this UDP payload; false if it would be too much for the attempt. */
  take(payloadBytes: number): boolean {
    if (this.#bytes + payloadBytes + HEADER_BYTES > MAX_ATTEMPT_BYTES) return false;
    this.#tokens -= 1;
    this.#packets += 1;
    this.#bytes += payloadBytes + HEADER_BYTES;
    return true;
  }
}
