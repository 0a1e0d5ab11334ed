/** What stands in front of a machine, by the names of the lab's routers; `public`: nothing. */
export const SITE_KINDS = ["public", "full-cone", "restricted-cone", "port-restricted", "symmetric"] as const;
/** Further ones that are measured only if asked for: symmetric NATs whose ports can be foretold. */
export const FURTHER_KINDS = ["symmetric-sequential", "port-block"] as const;
/** Behind a firewall, and a port-restricted cone: no UDP leaves, or nothing but TCP to port 443. */
export const BLOCKED_KINDS = ["udp-blocked", "https-only"] as const;
export type BlockedKind = (typeof BLOCKED_KINDS)[number];
export type SiteKind = (typeof SITE_KINDS)[number] | (typeof FURTHER_KINDS)[number] | BlockedKind;

export function isBlockedKind(kind: SiteKind): kind is BlockedKind {
  return BLOCKED_KINDS.some((blocked) => blocked === kind);
}

/** Whether UDP is blocked at one end at least: no path is direct. */
export function isBlocked(a: SiteKind, b: SiteKind): boolean {
  return isBlockedKind(a) || isBlockedKind(b);
}

/** Whether only guessing ports would get a packet through from both sides. */
export function isHard(a: SiteKind, b: SiteKind): boolean {
  const narrow = (kind: SiteKind): boolean => isSymmetric(kind) || kind === "port-restricted";
  return narrow(a) && narrow(b) && (isSymmetric(a) || isSymmetric(b));
}

function isSymmetric(kind: SiteKind): boolean {
  return kind === "symmetric" || FURTHER_KINDS.some((further) => further === kind);
}
