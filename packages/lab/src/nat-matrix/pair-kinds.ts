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

/**
 * What a pair needs for a direct path: `easy` pairs nothing special, `punched` ones that ports are guessed until one fits,
 * and between two symmetric NATs with random ports there is `none`.
 */
export type PairClass = "easy" | "punched" | "none";

export function pairClass(a: SiteKind, b: SiteKind): PairClass {
  if (isSymmetric(a) && isSymmetric(b)) return "none";
  const isPunched = [a, b].includes("port-restricted") && (isSymmetric(a) || isSymmetric(b));
  return isPunched ? "punched" : "easy";
}

function isSymmetric(kind: SiteKind): boolean {
  return kind === "symmetric" || FURTHER_KINDS.some((further) => further === kind);
}
