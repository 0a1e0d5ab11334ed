/** Every constant of port mapping, so that they can be read side by side. */

/** What is asked for (RFC 6886 §3.3 recommends it); renewed at half of what is granted. */
export const LIFETIME_SECONDS = 7_200;
/** A router that grants more is not believed (RFC 6887 §15 recommends this limit to routers). */
export const MAX_LIFETIME_SECONDS = 86_400;
export const MIN_RENEWAL_MS = 15_000;
/** UPnP can't tell that the router has forgotten a mapping: it is asked for anew this often. */
export const UPNP_RENEWAL_MS = 600_000;
/** The others can, by their epoch: they are asked for that this often. */
export const CHECK_MS = 60_000;

/** A request is sent at 0, 250 and 750 ms, and has failed at 1,750. */
export const TRIES = 3;
export const FIRST_TRY_MS = 250;
/** A deletion is sent at 0, 100 and 300 ms, and is given up at 700. */
export const FIRST_DELETION_MS = 100;
/** Search, description and mapping together. */
export const UPNP_LIMIT_MS = 10_000;

/** After a failure. */
export const RETRY = { firstMs: 60_000, capMs: 3_600_000 };
/** Network changes come in groups; so often at most does one begin a new attempt. */
export const ATTEMPT_GAP_MS = 5_000;
