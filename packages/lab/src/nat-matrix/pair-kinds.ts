/** What stands in front of a machine, by the names of the lab's routers; `public`: nothing. */
export const SITE_KINDS = ["public", "full-cone", "restricted-cone", "port-restricted", "symmetric"] as const;
export type SiteKind = (typeof SITE_KINDS)[number];

/** Whether only guessing ports would get a packet through from both sides. */
export function isHard(a: SiteKind, b: SiteKind): boolean {
  const narrow = (kind: SiteKind): boolean => kind === "symmetric" || kind === "port-restricted";
  return narrow(a) && narrow(b) && (a === "symmetric" || b === "symmetric");
}
