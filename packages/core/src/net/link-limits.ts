/** Links of one network at most; each has a socket. */
export const MAX_LINKS = 8;

/** Costs of links are whole numbers from 0 to this. */
export const MAX_LINK_COST = 1_000;
/** The least limit of a link, and of one path: the engine knows no lower rates (native/engine/multipath/path_estimator.cc). */
export const MIN_LINK_CAP_BYTES_PER_SECOND = 8_000;
