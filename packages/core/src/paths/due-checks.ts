import type { Instant } from "../time.ts";
import type { CheckBudget } from "./check-budget.ts";
import type { CheckExchange } from "./check-exchange.ts";
import { nextToCheck } from "./check-queue.ts";
import type { EarliestDeadline } from "./earliest-deadline.ts";
import type { PathSet } from "./path-set.ts";
import { forgottenAt } from "./path-upkeep.ts";

/** Sends the checks of all paths that are due, as far as pace and budget allow it, and the probes of their MTU. */
export function sendDueChecks(set: PathSet, checks: CheckExchange, budget: CheckBudget, now: Instant): void {
  for (let path = nextToCheck(set.all(), now); path !== undefined; path = nextToCheck(set.all(), now)) {
    if (checks.mayCheckFrom(now) > now) return;
    const postponedTo = budget.take(path, now);
    if (postponedTo !== undefined) path.postponeCheck(postponedTo);
    else if (checks.sendCheck(path, now)) path.handleCheckSent(now);
  }
  for (const path of set.all()) {
    for (let size = path.mtu.peek(); size !== undefined; size = path.mtu.peek()) {
      if (!checks.sendProbe(path, size, now)) return;
      path.mtu.handleSent(path.rttMs, now);
    }
  }
}

/** When something is due because of a path: a check, a probe, or that it has brought nothing. */
export function considerPaths(
  deadlines: EarliestDeadline,
  set: PathSet,
  checks: CheckExchange,
  hasTraffic: boolean,
  now: Instant,
): void {
  const pacedFrom = checks.mayCheckFrom(now);
  for (const path of set.all()) {
    if (path.nextCheckAt !== undefined) deadlines.consider(Math.max(path.nextCheckAt, pacedFrom) as Instant, "check");
    deadlines.consider(path.expiresAt(), "path-failure");
    if (path.mtu.peek() !== undefined) deadlines.consider(pacedFrom, "mtu");
    else deadlines.consider(path.mtuDueAt(hasTraffic, now), "mtu");
    if (!hasTraffic) deadlines.consider(forgottenAt(path), "path-failure");
  }
}
