/** Every constant of the path machine, so that they can be read side by side. Compared with others': peers.md §5. */

/** Distance of two checks that are not answers to something (RFC 8445 §14.2 allows down to 5 ms). */
export const CHECK_PACING_MS = 20;
/** Pauses between the checks of one path within an attempt; then it rests. */
export const CHECK_GAPS_MS: readonly number[] = [200, 300, 500, 1_000, 1_000];
/** A check without an answer for this long is lost. */
export const CHECK_TIMEOUT_MS = 5_000;
/** Checks of the active path while there is traffic. */
export const HEARTBEAT_MS = 3_000;
/** A path is trusted this long after its last answer: two heartbeats and a bit. */
export const TRUST_MS = 6_500;
/** Checks of usable paths that carry nothing, so that NAT mappings on the way stay (assumed to live 30 s). */
export const STANDBY_HEARTBEAT_MS = 15_000;
/** Data counts as traffic for this long. */
export const TRAFFIC_MS = 45_000;
/** Attempts to find a (better) path while traffic flows: 1, 2, 4 … s apart. */
export const ATTEMPT_BACK_OFF = { firstMs: 1_000, capMs: 60_000 } as const;
/** With a direct path slower than `FAST_ENOUGH_MS`, the others are looked at again this often. */
export const UPGRADE_INTERVAL_MS = 60_000;
export const FAST_ENOUGH_MS = 5;
