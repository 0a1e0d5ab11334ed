/**
 * Opens a stream to a relay that may be reached in several ways: they are tried one after the other, a moment apart, and
 * the first stream that opens is kept (as RFC 8305 does for addresses of a web server).
 */
import { addMs, type Instant } from "../time.ts";
import type { StreamEndpoint } from "./gathering-types.ts";
import { MAX_STREAM_ATTEMPTS, STREAM_ATTEMPT_GAP_MS } from "./timings.ts";

export type StreamRaceEvent =
  | { readonly kind: "open"; readonly streamId: number; readonly endpoint: StreamEndpoint }
  | { readonly kind: "close"; readonly streamId: number; readonly wasOpen: boolean };

export class StreamRace {
  readonly #makeStreamId: () => number;
  readonly #events: StreamRaceEvent[] = []; // bounded: drained after every input
  /** Streams that are being opened, or the one that is open. */
  readonly #streams = new Map<number, StreamEndpoint>(); // bounded: MAX_STREAM_ATTEMPTS
  #untried: StreamEndpoint[] = []; // bounded: MAX_STREAM_ATTEMPTS
  #nextAt: Instant | undefined;
  #winner: { readonly streamId: number; readonly endpoint: StreamEndpoint } | undefined;

  constructor(makeStreamId: () => number) {
    this.#makeStreamId = makeStreamId;
  }

  /** The endpoint to which a stream is open. */
  get endpoint(): StreamEndpoint | undefined {
    return this.#winner?.endpoint;
  }

  has(streamId: number): boolean {
    return this.#streams.has(streamId);
  }

  /** Closes what there is and begins anew. */
  start(endpoints: readonly StreamEndpoint[], now: Instant): void {
    this.stop();
    this.#untried = endpoints.slice(0, MAX_STREAM_ATTEMPTS);
    this.#tryNext(now);
  }

  stop(): void {
    for (const streamId of this.#streams.keys()) this.#close(streamId);
    this.#streams.clear();
    this.#untried = [];
    this.#nextAt = undefined;
    this.#winner = undefined;
  }

  /** True if this stream is the one to use; else it is closed. */
  handleOpened(streamId: number): boolean {
    const endpoint = this.#streams.get(streamId);
    if (endpoint === undefined || this.#winner !== undefined) return false;
    for (const other of this.#streams.keys()) {
      if (other !== streamId) this.#close(other);
    }
    this.#streams.clear();
    this.#streams.set(streamId, endpoint);
    this.#untried = [];
    this.#nextAt = undefined;
    this.#winner = { streamId, endpoint };
    return true;
  }

  /** True if there is no stream any more, nor one to come. */
  handleClosed(streamId: number, now: Instant): boolean {
    if (!this.#streams.delete(streamId)) return false;
    this.#close(streamId);
    if (this.#winner?.streamId === streamId) this.#winner = undefined;
    this.#tryNext(now);
    return this.#streams.size === 0;
  }

  handleTimeout(now: Instant): void {
    if (this.#nextAt !== undefined && now >= this.#nextAt) this.#tryNext(now);
  }

  pollTimeout(): Instant | undefined {
    return this.#nextAt;
  }

  pollEvent(): StreamRaceEvent | undefined {
    return this.#events.shift();
  }

  #close(streamId: number): void {
    this.#events.push({ kind: "close", streamId, wasOpen: this.#winner?.streamId === streamId });
  }

  #tryNext(now: Instant): void {
    const endpoint = this.#untried.shift();
    this.#nextAt = this.#untried.length > 0 ? addMs(now, STREAM_ATTEMPT_GAP_MS) : undefined;
    if (endpoint === undefined) return;
    const streamId = this.#makeStreamId();
    this.#streams.set(streamId, endpoint);
    this.#events.push({ kind: "open", streamId, endpoint });
  }
}
