/** Links of one network at most; each has a socket. */
export const MAX_LINKS = 8;

/** Costs of links are whole numbers from 0 to this. */
export const MAX_LINK_COST = 1_000;
