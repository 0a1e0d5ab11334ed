/** Which paths are checked beside an attempt, so that a working one is known when it is needed. */
import { addMs, type Instant } from "../time.ts";
import type { Path } from "./path.ts";
import { comparePaths } from "./path-choice.ts";
import type { PathSet } from "./path-set.ts";
import {
  FAST_ENOUGH_MS,
  FORMER_MS,
  MAX_WARM_STANDBY,
  ONE_WAY_HEARTBEAT_MS,
  RELAYED_MEMORY_MS,
  REVIVAL_INTERVAL_MS,
  STANDBY_RECHECK_MS,
  UPGRADE_INTERVAL_MS,
} from "./timings.ts";

/** Paths that once worked and are tried again beside the attempts. */
const MAX_REVIVALS = 4;

export interface RoleOptions {
  readonly active: Path | undefined;
  /** Those that carry traffic, or are to if they answer again: checked like the active one. Of the others a few are kept warm. */
  readonly carriers: ReadonlySet<Path>;
  readonly hasTraffic: boolean;
  /** The active path is to last without traffic, too. */
  readonly isKept: boolean;
  /** Data leave by the active path, and nobody answers. */
  readonly isUnanswered: boolean;
}

/** Says which paths are active, warm or resting, and plans their checks. */
export function assignRoles(set: PathSet, options: RoleOptions, now: Instant): void {
  const { active, carriers, hasTraffic, isKept } = options;
  const others = [...set.all()].filter((path) => path !== active && path.isUsable).sort(comparePaths);
  for (const path of set.all()) path.role = path === active ? "active" : "resting";
  for (const [index, path] of others.entries()) {
    if (carriers.has(path)) path.role = "carrier";
    else if (index < MAX_WARM_STANDBY) path.role = "warm";
  }
  const isTrying = warmAgainstLoss(others, active);
  if (hasTraffic && active?.isSuspect === true) recheck(others, now);
  for (const path of set.all()) {
    const isHiding = carriers.has(path) && path.loss.hidden.isInQuestion;
    path.planHeartbeat(hasTraffic, isKept, isHiding || isInQuestion(path, active, isTrying));
  }
  // Where there is no other path there is nothing to gain.
  if (options.isUnanswered && others.length > 0) active?.advanceHeartbeat(ONE_WAY_HEARTBEAT_MS);
}

/** Keeps what matters warm while a path loses much. Whether it is to be found out what delivers instead. */
function warmAgainstLoss(others: readonly Path[], active: Path | undefined): boolean {
  // The path that would be used again if it lost less.
  const recovering = others.find(({ isLossy }) => isLossy);
  const isTrying = active?.isLossy === true || (active?.overStream === true && recovering !== undefined);
  // What loses on UDP does not harm it.
  const refuge = isTrying ? others.find(({ isUdpFree }) => isUdpFree) : undefined;
  for (const path of [recovering, refuge]) if (path?.role === "resting") path.role = "warm";
  return isTrying;
}

/** It is open how much the path loses, and that matters now. */
function isInQuestion(path: Path, active: Path | undefined, isTrying: boolean): boolean {
  if (path === active) return path.loss.isOnTrial;
  return isTrying && path.role === "warm" && !path.isJudged;
}

/** While the active path is in question, it is good to know which other one works. */
function recheck(others: readonly Path[], now: Instant): void {
  for (const path of others) if (now - (path.lastCheckAt ?? 0) >= STANDBY_RECHECK_MS) path.startRun(now);
}

/** An outage in the middle of the network gives no sign when it ends, and must not cost a whole back-off. */
export function reviveFormerPaths(set: PathSet, isOfUse: (path: Path) => boolean = () => true): void {
  const former = [...set.all()]
    .filter((path) => path.failed && path.answeredAt !== undefined && !path.isBeingChecked && isOfUse(path))
    .sort((a, b) => (b.answeredAt ?? 0) - (a.answeredAt ?? 0))
    .slice(0, MAX_REVIVALS);
  for (const path of former) {
    if (path.lastCheckAt !== undefined) path.startRun(addMs(path.lastCheckAt, REVIVAL_INTERVAL_MS), 1);
  }
}

/** It was better than the path in use, and not long ago: a line that died without a sign comes back without one. */
export function wasBetter(path: Path, active: Path | undefined, now: Instant): boolean {
  if (active === undefined || path.answeredAt === undefined) return false;
  return comparePaths(path, active) < 0 && now - path.answeredAt < FORMER_MS;
}

/** The relays on the way give up what nobody uses: when a relayed path stops counting without traffic. */
export function forgottenAt({ kind, isUsable, answeredAt }: Path): Instant | undefined {
  if (kind === "direct" || !isUsable || answeredAt === undefined) return undefined;
  return addMs(answeredAt, RELAYED_MEMORY_MS);
}

/** While a slow direct path has traffic, now and then one check of each path that does not work. */
export class UpgradeSchedule {
  #nextAt: Instant | undefined;

  get nextAt(): Instant | undefined {
    return this.#nextAt;
  }

  stop(): void {
    this.#nextAt = undefined;
  }

  pursue(set: PathSet, active: Path | undefined, hasTraffic: boolean, now: Instant): void {
    if (!hasTraffic || (active?.rttMs ?? 0) <= FAST_ENOUGH_MS) {
      this.#nextAt = undefined;
      return;
    }
    this.#nextAt ??= addMs(now, UPGRADE_INTERVAL_MS);
    if (now < this.#nextAt) return;
    this.#nextAt = addMs(now, UPGRADE_INTERVAL_MS);
    for (const path of set.all()) {
      if (path.role === "resting" && !path.isBeingChecked) path.startRun(now, 1);
    }
  }
}
