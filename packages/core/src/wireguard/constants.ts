/**
 * Times and limits of WireGuard under the names of the paper (https://www.wireguard.com/papers/wireguard.pdf, §6),
 * with their unit, and the ones of this implementation.
 */

/** §6.2: the initiator of a session makes a new one when it sends in a session of this age. */
export const REKEY_AFTER_TIME_MS = 120_000;
/** §6.2: a session carries nothing after this. */
export const REJECT_AFTER_TIME_MS = 180_000;
/** §6.4: how long an initiation without a usable response is retried. */
export const REKEY_ATTEMPT_TIME_MS = 90_000;
/** §6.4: time between two initiations, to which jitter is added. */
export const REKEY_TIMEOUT_MS = 5_000;
/** §6.1: upper bound of that jitter, which keeps two peers from initiating in step for ever. */
export const REKEY_TIMEOUT_JITTER_MAX_MS = 334;
/** §6.5: an empty packet answers data that nothing else answered for this long. */
export const KEEPALIVE_TIMEOUT_MS = 10_000;
/** §6.5: silence of the peer, after data was sent to it, that calls for a new session. */
export const STALE_AFTER_MS = KEEPALIVE_TIMEOUT_MS + REKEY_TIMEOUT_MS;
/** §6.2: the initiator also makes a new session when it receives in one of this age. */
export const REKEY_AFTER_TIME_RECEIVING_MS = REJECT_AFTER_TIME_MS - KEEPALIVE_TIMEOUT_MS - REKEY_TIMEOUT_MS;
/** §6.6: life of a cookie, and of the secret that cookies are made from. */
export const COOKIE_REFRESH_TIME_MS = 120_000;

/** Shortest interval of persistent keepalives, the unit of `wg`. */
export const PERSISTENT_KEEPALIVE_MIN_MS = 1_000;
/** §5.1: a peer's initiations are not computed on more often than this. */
export const INITIATION_INTERVAL_MIN_MS = 20;
/** How long an initiation that arrives again by another path is answered with the response it got. */
export const DUPLICATE_ANSWER_MS = 10_000;
/** Paths on which one initiation is answered. */
export const DUPLICATE_ANSWERS_MAX = 32;

/** Handshake messages per second above which a device is under load (§5.3): about a tenth of a core. */
export const UNDER_LOAD_PER_SECOND = 100;
/** How long it stays so after the last second with so many. */
export const UNDER_LOAD_HOLD_MS = 1_000;
/** Handshake messages per second that are computed on at all while under load, cookie or not. */
export const HANDSHAKES_UNDER_LOAD_PER_SECOND = 400;
/** Cookie replies per second: sealing one costs far less than a handshake, but not nothing. */
export const COOKIE_REPLIES_PER_SECOND = 2_000;
/** Under load, one source that has proved its address gets so many handshake messages a second … */
export const SOURCE_HANDSHAKES_PER_SECOND = 20;
/** … and so many at once. */
export const SOURCE_HANDSHAKES_BURST = 5;
/** Sources whose rate is remembered. */
export const SOURCES_MAX = 4_096;
