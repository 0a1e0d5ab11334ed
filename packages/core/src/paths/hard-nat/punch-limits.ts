/** Every constant of hole punching, so that they can be read side by side (docs/protocol-paths.md §8). */

/** What one side sends in one attempt: packets with their IP and UDP headers. */
export const MAX_PACKETS_PER_SECOND = 200;
export const MAX_ATTEMPT_BYTES = 100_000;
/** IPv4 and UDP. */
export const HEADER_BYTES = 28;
/** Packets leave in fours; a little below the limit, so that a late timer can be made up for within it. */
export const BATCH_PACKETS = 4;
export const BURST_PACKETS = 8;
export const PACE_PACKETS_PER_SECOND = MAX_PACKETS_PER_SECOND - BURST_PACKETS - 2;
/** Sockets that are open at a time, and in one attempt: the oldest make room for new ones. */
export const MAX_OPEN_SOCKETS = 256;
export const MAX_ATTEMPT_SOCKETS = 640;
/** Of a carrier's block of ports we take a quarter at most: the subscriber has other things to do with them. */
export const BLOCK_SHARE = 4;
export const MIN_BLOCK_SOCKETS = 16;
/** That each end opens to one foretold port of the other: as far as the counters may be off. */
export const AIMED_SOCKETS = 48;
/** One after the other, each to a port of its own: somebody else behind the NAT may have got just the one that is foretold. */
export const AIMED_VOLLEYS = 3;
/** After the last packet: what is under way may still hit. */
export const LINGER_MS = 1_500;
/** From the first hit until a direct path must work. */
export const PROOF_MS = 3_000;
/** How long the ordinary attempt is alone when the NATs of both ends show that it won't do. */
export const ALONE_MS = 1_000;
/** So long before it begins our ports are looked at once more: asking takes a round trip or two. */
export const PORTS_AHEAD_MS = 1_500;
/** Ordinary attempts that must have failed where the NATs don't show it. */
export const ATTEMPTS_BEFORE_GUESS = 4;
/** How long a proposal may take to be answered, and when the next one leaves: each wait longer than the one before. */
export const PROPOSAL_MS = 3_000;
export const UNANSWERED_WAITS_MS: readonly number[] = [0, 7_000, 60_000, 300_000, 3_600_000];
/** A peer's proposals that are looked at: this many at once, then one every so often. */
export const PROPOSAL_BURST = 4;
export const PROPOSAL_REFILL_MS = 1_000;
/** Waits after attempts in a row that did not hit, for each pair of networks. */
export const FAILURE_WAITS_MS: readonly number[] = [60_000, 300_000, 900_000, 3_600_000];
/** Where the roles were guessed, the other way round follows after this. */
export const OTHER_WAY_MS = 2_000;
/** Who has failed goes along with the peer's wish again after this: its wait began and ends at another moment. */
export const ACCEPT_AGAIN_MS = 30_000;
/** A path that dies sooner than this after a hit does not bring the next attempt sooner. */
export const SUCCESS_WAIT_MS = 10_000;
/** How often a turn is asked for while another attempt of this agent runs. */
export const TURN_POLL_MS = 250;
/** Nobody keeps the turn longer. */
export const TURN_MS = 15_000;
/** Sockets of one peer that were hit and are kept. */
export const MAX_ADOPTED = 2;
/** Without an answer for so long the NAT has surely forgotten an adopted socket. */
export const ADOPTED_MEMORY_MS = 300_000;
