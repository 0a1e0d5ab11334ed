import { AUTHENTICATE_TIMEOUT_MS, PING_INTERVAL_MS, STREAM_WATCHDOG_MS } from "@asterism/core/control";
import type { BucketLimits } from "../domain/token-bucket.ts";

/** What one control stream, and all of them together, may use. */
export interface StreamLimits {
  readonly authenticateTimeoutMs: number;
  readonly pingIntervalMs: number;
  readonly watchdogMs: number;
  /** Messages of one stream, of all kinds. Beyond: the stream is closed. */
  readonly messages: BucketLimits;
  /** Calls of one stream. Beyond: `call-failed`. */
  readonly calls: BucketLimits;
  /** Requests (record, rename, leave) of one stream. Beyond: `rate-limited`. */
  readonly requests: BucketLimits;
  /** Reported pairs of one stream. Beyond: not counted. */
  readonly reportedPairs: BucketLimits;
  /** Messages of one stream that wait for their turn. Beyond: the stream is closed. */
  readonly maxPendingMessages: number;
  /** Bytes that wait for a slow reader before map and presence updates are held back and merged. */
  readonly holdBackBytes: number;
  /** Bytes that wait for a slow reader before calls to it fail. */
  readonly maxCallBacklogBytes: number;
  /** Bytes on top of the map that wait for a slow reader before the stream is closed. */
  readonly maxBacklogBytes: number;
  /** New streams, of all agents together. Beyond: 503, with a time to come back. */
  readonly newStreams: BucketLimits;
  readonly maxStreams: number;
  /** Streams that have not authenticated yet. */
  readonly maxUnauthenticated: number;
}

export const DEFAULT_STREAM_LIMITS: StreamLimits = {
  authenticateTimeoutMs: AUTHENTICATE_TIMEOUT_MS,
  pingIntervalMs: PING_INTERVAL_MS,
  watchdogMs: STREAM_WATCHDOG_MS,
  messages: { burst: 400, perSecond: 100 },
  calls: { burst: 200, perSecond: 50 },
  requests: { burst: 20, perSecond: 1 },
  reportedPairs: { burst: 128, perSecond: 0.2 },
  maxPendingMessages: 64,
  holdBackBytes: 256 * 1024,
  maxCallBacklogBytes: 512 * 1024,
  maxBacklogBytes: 2 * 1024 * 1024,
  newStreams: { burst: 1_000, perSecond: 200 },
  maxStreams: 20_000,
  maxUnauthenticated: 1000,
};
