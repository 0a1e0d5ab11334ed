/** Every constant of the path machine, so that they can be read side by side. */

/** Distance of two checks (RFC 8445 §14.2 allows down to 5 ms) after a few that may leave at once. */
export const CHECK_PACING_MS = 20;
export const CHECK_BURST = 5;
/** Pauses between the checks of one path until it answers; then it rests. */
export const CHECK_GAPS_MS: readonly number[] = [200, 300, 500, 1_000, 1_000];
/** A path whose checks are used up has failed when the last one is unanswered for this long. */
export const LAST_CHECK_WAIT_MS = 1_000;
/** A check without an answer for this long counts as lost; a later answer is not expected any more. */
export const CHECK_TIMEOUT_MS = 5_000;
/** Checks of the active path while there is traffic. */
export const HEARTBEAT_MS = 3_000;
/** The active path is trusted this long after its last answer: two heartbeats and a bit. */
export const TRUST_MS = 6_500;
/** Checks of usable paths that carry nothing, so that NAT mappings on the way stay (assumed to live 30 s). */
export const STANDBY_HEARTBEAT_MS = 15_000;
export const STANDBY_TRUST_MS = 30_500;
/** Checks of the active path while it is open whether it loses too much, and of others that may serve instead. */
export const SUSPICION_HEARTBEAT_MS = 400;
/** Checks of a path that loses too much, to see it recover. */
export const LOSSY_HEARTBEAT_MS = 1_000;
/** A check is lost if a later one of its path was answered, after a round trip and this share of it (RFC 9002 §6.1.2). */
export const OVERTAKEN_RATIO = 0.25;
/** While the active path is in question, the others are checked again if their last check is so long ago. */
export const STANDBY_RECHECK_MS = 1_000;
/** Paths beside the active one that are kept warm in mode `best`. */
export const MAX_WARM_STANDBY = 4;
/** So many checks in a row, over so long, without an answer: the path is silent and not trusted any more. */
export const SILENT_CHECKS = 5;
export const SILENT_MS = 1_500;
/** Data that is unanswered for so long is told of at once; that it is answered again, too. */
export const SILENCE_SEEN_MS = 150;
/** Data that is unanswered for so long, or one and a half round trips, has the active path checked at once. */
export const DATA_SILENCE_MS = 200;
/** If checks are not answered either for so long, or three round trips, the path is doubted. */
export const DATA_SILENCE_CONFIRMED_MS = 450;
/** As long as data leave and nobody answers, be it that the peer only receives: checks of the active path. */
export const ONE_WAY_HEARTBEAT_MS = 250;
/** Then it is doubted if they are not answered for so long, or four round trips. */
export const ONE_WAY_CONFIRMED_MS = 800;
/** Data leave, as far as the counters tell, which are looked at every second. */
export const SENDING_MS = 2_000;
/** What a peer says of its path counts for so long, or until ours has answered. */
export const PEER_DOUBT_MS = 2_000;
/** A peer whose path does not answer has the active path checked at most this often. */
export const PEER_DOUBT_GAP_MS = 400;
/** A path that worked has failed when a run's worth of checks, over so long, brought nothing. */
export const FAILED_MS = 4_000;
/** An answer so much newer than the active path's last one makes another path better known. */
export const FRESHER_MS = 5_000;
/** Padded checks that search for a path's MTU: answers are due after this long, or two round trips. */
export const MTU_PATIENCE_MS = 200;
/** The active path's MTU is looked at again: when it was full, when it was less, and after doubtful results. */
export const MTU_FULL_AGAIN_MS = 15_000;
export const MTU_LIMITED_AGAIN_MS = 60_000;
export const MTU_RETRY_MS = 2_000;
/** Data counts as traffic for this long. */
export const TRAFFIC_MS = 45_000;
/** Attempts to find a (better) path while traffic flows: 1, 2, 4 … s apart. */
export const ATTEMPT_BACK_OFF = { firstMs: 1_000, capMs: 60_000 } as const;
/** After a pause in the traffic the last path gets this long to answer, or three round trips, before a call. */
export const WAKE_GRACE_MS = 300;
/** With a direct path slower than `FAST_ENOUGH_MS`, the others are looked at again this often. */
export const UPGRADE_INTERVAL_MS = 60_000;
export const FAST_ENOUGH_MS = 5;
/**
 * Without a server, the path in use is checked every `STANDBY_HEARTBEAT_MS` even without traffic, and sought again when it
 * fails, until it has not answered for this long. The first of these checks comes within `KEPT_SPREAD_MS`.
 */
export const KEPT_MS = 600_000;
export const KEPT_SPREAD_MS = 2_000;
/**
 * Paths that once worked are tried this often beside the attempts, while nothing direct works, or if they were better than
 * what works: these for so long after they answered.
 */
export const REVIVAL_INTERVAL_MS = 5_000;
export const FORMER_MS = 600_000;
/** Calls: a few at once, as what there is to tell comes bit by bit, then this far apart. */
export const OUTGOING_CALL_BURST = 4;
export const CALL_GAP_MS = 250;
/** A peer's wish for another mode counts this long after the last one. */
export const WISH_PAUSE_MS = 1_000;
/** Relays give up what nobody uses: without traffic a relayed path is of no use so long after its last answer. */
export const RELAYED_MEMORY_MS = 240_000;
/** After a call the peer is told of changes of our candidates for this long, traffic or not. */
export const CALLED_LATELY_MS = 10_000;
/** A peer's calls that make us answer and check: this many at once, then one every so often. */
export const CALL_BURST = 8;
export const CALL_REFILL_MS = 1_000;
/**
 * Answers to a peer's checks that come from where it is known to be, and the same for all other addresses together: a second's
 * worth at once, then this many a second.
 */
export const MAX_ANSWERS_PER_SECOND = 100;
/**
 * Checks to places that never answered: for one peer, and to one IP address of all peers, so many at once (runs to 32
 * candidates and more), then one every so often.
 */
export const UNPROVEN_PEER_BURST = 300;
export const UNPROVEN_PEER_REFILL_MS = 250;
export const UNPROVEN_TARGET_BURST = 300;
export const UNPROVEN_TARGET_REFILL_MS = 250;
/** IP addresses whose checks are counted. */
export const MAX_TARGETS = 4_096;
