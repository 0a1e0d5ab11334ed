/** Every constant of gathering, so that they can be read side by side. */

/** A NAT mapping may be gone after 30 s (assumed, as for paths): what STUN told is asked for anew before that. */
export const REFLEXIVE_FRESH_MS = 25_000;
/** Paths that come into question have it asked at once, but not more often than this. */
export const REFLEXIVE_GAP_MS = 1_000;
/** Addresses that STUN told this much earlier than the newest ones are not offered. */
export const REFLEXIVE_STALE_MS = 60_000;
/** While no STUN server answers, what peers tell of our addresses counts for so long. */
export const PEERS_VIEW_MS = 60_000;
/** Signs of another network come in groups; the NATs are examined once for each. */
export const DISCOVERY_GAP_MS = 500;
/** Somebody talks without a direct path: repeated at least as often while it lasts. */
export const NEED_MS = 65_000;
/** Allocations that nobody has needed for so long are given back. */
export const RELAY_IDLE_MS = 300_000;
/** With several relays the nearest is the one that answers first; if none does, the first one is tried after this. */
export const RELAY_CHOICE_MS = 250;
/** After a change of relays the former one is kept for so long. */
export const RELAY_RETIRE_MS = 60_000;
/** Another relay is nearer if its round trip is shorter by both. */
export const RELAY_HYSTERESIS_MS = 10;
export const RELAY_HYSTERESIS_RATIO = 0.2;
/** A relay that answers nothing for so long is left for another one that has answered meanwhile. */
export const RELAY_PATIENCE_MS = 700;
/** Who has needed a relay for so long, without a pause of more than the second, keeps a second one ready. */
export const RELAY_STANDBY_MS = 3_000;
export const NEED_PAUSE_MS = 5_000;
/** The relay in use, and one that is on its way out or in. */
export const MAX_RELAYS_AT_ONCE = 2;
/** STUN servers that are asked regularly, on each link and IP version. */
export const STUN_SERVERS_ASKED = 2;
/** Reflexive addresses that are offered for each link and IP version. */
export const MAX_REFLEXIVE = 2;
/** A relayed path that falls silent makes us ask the relay whether it still knows us, so often at most. */
export const RELAY_DOUBT_GAP_MS = 3_000;

/** A relay that answers nothing over UDP for so long is tried by a stream beside it. */
export const UDP_PATIENCE_MS = 1_000;
/** When the relay has carried over UDP again for so long, the stream is given up; twice as long if that was rash. */
export const STREAM_RETIRE_MS = 10_000;
export const MAX_STREAM_RETIRE_MS = 300_000;
/** It was rash if the stream is needed again within so many times that. */
export const RASH_RETIRE_FACTOR = 10;
/** Addresses of one relay are tried by stream so much apart (RFC 8305 §5 recommends it), and so many of them. */
export const STREAM_ATTEMPT_GAP_MS = 250;
export const MAX_STREAM_ATTEMPTS = 6;

/** With UDP blocked relays are measured by streams: so often at most while one is needed, and so long each time. */
export const STREAM_PROBE_AGAIN_MS = 300_000;
export const STREAM_PROBE_LIMIT_MS = 5_000;

/** Binding requests: at 0, 100, 300, 700, 1,500 ms, and failed at 2,300. */
export const BINDING_RTO_MS = 100;
export const BINDING_REQUESTS = 5;
export const BINDING_LAST_WAIT_FACTOR = 8;
