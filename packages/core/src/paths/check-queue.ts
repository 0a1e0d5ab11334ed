import type { Instant } from "../time.ts";
import type { Path } from "./path.ts";

/** Of the paths whose check is due, the active one, then usable ones, then by waiting time and priority. */
export function nextToCheck(paths: Iterable<Path>, now: Instant): Path | undefined {
  let next: Path | undefined;
  for (const path of paths) {
    if (path.nextCheckAt === undefined || path.nextCheckAt > now) continue;
    if (next === undefined || isMoreUrgent(path, next)) next = path;
  }
  return next;
}

function isMoreUrgent(a: Path, b: Path): boolean {
  if (a.role !== b.role && (a.role === "active" || b.role === "active")) return a.role === "active";
  // A relayed path is the surest, and there are few.
  const isUntriedRelay = (path: Path): boolean => path.kind === "relayed" && path.lastCheckAt === undefined;
  if (isUntriedRelay(a) !== isUntriedRelay(b)) return isUntriedRelay(a);
  if (a.isUsable !== b.isUsable) return a.isUsable;
  const aAt = a.nextCheckAt ?? 0;
  const bAt = b.nextCheckAt ?? 0;
  if (aAt !== bAt) return aAt < bAt;
  return a.priority > b.priority || (a.priority === b.priority && a.linkPreference > b.linkPreference);
}
