/** Every constant of the TURN client, so that they can be read side by side. */

/** Asked for; servers give between this and an hour (RFC 8656 §3.2). */
export const LIFETIME_SECONDS = 600;
/**
 * Allocations are refreshed far more often than they must be: that keeps the NAT's mapping towards the relay (assumed to
 * live 30 s), measures the round trip, and a relay that has restarted is noticed by its answer.
 */
export const REFRESH_MS = 15_000;
/** Even if a relay gives lifetimes that are shorter than this. */
export const MIN_REFRESH_MS = 5_000;
/** Refreshes in a row without an answer that end an allocation. */
export const MAX_SILENT_REFRESHES = 2;
/** A permission lives 5 minutes (RFC 8656 §9), a channel, whose binding renews the permission, 10 (§12). */
export const PERMISSION_REFRESH_MS = 240_000;
/** After its last binding a channel number belongs to its peer for 10 minutes and rests 5 more (RFC 8656 §12). */
export const CHANNEL_REST_MS = 900_000;

/** First repetition of a request over UDP; doubles each time. */
export const RTO_MS = 200;
export const MIN_RTO_MS = 100;
/** 0, 200, 600, 1,400, 3,000, 6,200 ms, and failed after 7,800. */
export const REQUESTS = 6;
export const LAST_WAIT_FACTOR = 8;
/** A stream repeats by itself: one request, and this long for its answer. */
export const STREAM_ANSWER_MS = 8_000;
/** For the stream to be opened, with TLS. */
export const CONNECT_MS = 10_000;

/** Requests under way besides the one for the allocation. */
export const MAX_IN_FLIGHT = 16;
/** Peers of one allocation. */
export const MAX_PEERS = 1_024;
export const MAX_REDIRECTS = 3;
/** Times that one request is sent again with a new nonce. */
export const MAX_CHALLENGES = 3;

/** After a failure, and a peer's refused binding or permission that may be granted later. */
export const RETRY_BACK_OFF = { firstMs: 1_000, capMs: 60_000 } as const;
/** Quota and capacity come back slowly. */
export const FULL_RETRY_MS = 15_000;
/** An allocation that lived this long was no failure. */
export const STABLE_MS = 60_000;
