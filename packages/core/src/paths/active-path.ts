import type { Instant } from "../time.ts";
import { isAnyLossy } from "./loss-avoidance.ts";
import type { Path } from "./path.ts";
import { choosePath, comparePaths } from "./path-choice.ts";
import type { PathSet } from "./path-set.ts";
import { activePathOf } from "./path-table.ts";
import type { PathChangeRecord } from "./path-types.ts";
import { FRESHER_MS } from "./timings.ts";

/** The path that carries the traffic, and when another one takes its place. */
export class ActivePath {
  #path: Path | undefined;
  /** Since when the path before this one had been in question, when it was left. */
  #leftInDoubtSince: Instant | undefined;

  get path(): Path | undefined {
    return this.#path;
  }

  /** Since when it is in question; undefined if it is not. */
  get doubtedSince(): Instant | undefined {
    return this.#path && doubtedSince(this.#path);
  }

  /** The same, also of a direct path that was left for another one that nobody is content with. */
  get troubledSince(): Instant | undefined {
    return this.doubtedSince ?? this.#leftInDoubtSince;
  }

  /** A direct path works, for packets of every size: nothing more to look for but a faster one. */
  isSettled(now: Instant): boolean {
    return this.#path?.kind === "direct" && !this.#path.isNarrow && this.#path.isTrusted(now);
  }

  /** Chooses anew. The change, if there is one. */
  choose(set: PathSet, now: Instant): PathChangeRecord | undefined {
    const current = this.#path;
    if (this.isSettled(now)) this.#leftInDoubtSince = undefined;
    const isGone = current !== undefined && set.getByKey(current.key) !== current;
    const usable = [...set.all()].filter((path) => path.isUsable);
    const sure = surest(usable.filter((path) => path.isTrusted(now)));
    if (current !== undefined && !isGone && mayStayActive(current, sure, now)) return undefined;
    const choice = choosePath(sure, current, isAnyLossy(set.all(), now));
    if (choice !== undefined) {
      if (choice.path === current) return undefined;
      return this.#change(choice.path, isGone ? "its link is gone" : (choice.why ?? ""), now);
    }
    if (current !== undefined && !isGone && current.isUsable) return undefined;
    const next = usable.sort(comparePaths)[0];
    if (next === undefined && current === undefined) return undefined;
    return this.#change(next, isGone ? "its link is gone" : "it does not answer any more", now);
  }

  #change(path: Path | undefined, why: string, now: Instant): PathChangeRecord {
    const from = activePathOf(this.#path);
    if (this.#path?.kind === "direct") this.#leftInDoubtSince = this.doubtedSince;
    this.#path = path;
    return { at: now, from, to: activePathOf(path), why };
  }
}

/**
 * A path that is merely stale, as after a pause in the traffic, keeps its place until two checks bring nothing, unless
 * another one is known to work much more recently.
 */
function mayStayActive(current: Path, trusted: readonly Path[], now: Instant): boolean {
  if (!current.isUsable || current.isTrusted(now) || current.isSuspect || isOvertaken(current, trusted)) return false;
  const knownFrom = (current.answeredAt ?? 0) + FRESHER_MS;
  return !trusted.some(({ answeredAt }) => answeredAt !== undefined && answeredAt > knownFrom);
}

function doubtedSince(path: Path): Instant | undefined {
  return path.doubtedAt ?? (path.isSuspect ? path.unansweredSince : undefined);
}

/** Since it came into question another path of its kind has answered, and it has not. */
function isOvertaken(path: Path, trusted: readonly Path[]): boolean {
  const since = doubtedSince(path);
  if (since === undefined) return false;
  return trusted.some((other) => other !== path && other.kind === path.kind && (other.answeredAt ?? 0) > since);
}

/**
 * Those that no other one has overtaken. What kills one path often kills others, as those of one relay: to go from one
 * to the next would only be to come back.
 */
function surest(trusted: readonly Path[]): readonly Path[] {
  return trusted.filter((path) => !isOvertaken(path, trusted));
}
