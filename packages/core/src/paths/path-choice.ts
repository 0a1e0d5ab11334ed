/**
 * Which path carries the traffic: pure functions on measured values.
 *
 * Paths that carry full packets before narrow ones, cheap links before costly ones, direct before relayed, relayed over
 * UDP before relayed by a stream (TCP, TLS) at either end. Then the round-trip time, with hysteresis: the active path
 * stays until another is faster by 10 ms and by 20 %. Among paths that are about equally fast (half of that) IPv6 is
 * preferred, then the nearer address (loopback, link-local, private), then the preferred link; among relayed ones that of
 * fewer relays comes before all that. The choice depends on nothing else, so with steady measurements it never changes
 * twice.
 *
 * A path that loses too much (`LossWatch`) comes behind all that do not: even a stream serves better. It is left only for
 * one that has shown that it delivers.
 */
import { MAX_LINK_COST } from "../net/index.ts";
import type { PathKind } from "./path-types.ts";

export interface PathMetrics {
  /** Tells paths apart, and orders those that are equal in everything else. */
  readonly key: string;
  readonly kind: PathKind;
  /** Relays on the way. */
  readonly relays: number;
  /** Relayed, and one of the ends reaches its relay by a stream: what one lost packet holds up waits. */
  readonly overStream: boolean;
  /** Of the links of both ends together; 0 is usual. */
  readonly cost: number;
  /** Small packets pass, and large ones vanish. */
  readonly isNarrow: boolean;
  /** It loses so much that others come first. */
  readonly isLossy: boolean;
  /** Its last checks were answered. */
  readonly isProven: boolean;
  /** Of the last checks, 0–1. */
  readonly loss: { readonly ratio: number };
  /** Smoothed. */
  readonly rttMs: number;
  /** Of the remote address. */
  readonly family: 4 | 6;
  /** `localityRank` of the remote address. */
  readonly locality: number;
  /** 0–65535, larger is better. */
  readonly linkPreference: number;
}

export interface PathChoice<T> {
  readonly path: T;
  /** Why it is not the current one; null if it is. */
  readonly why: string | null;
}

const HYSTERESIS_MS = 10;
const HYSTERESIS_RATIO = 0.2;
/** How many different costs there are: that of our link and that of the peer's add up. */
const COSTS = 2 * MAX_LINK_COST + 1;

/**
 * The best of `trusted`, undefined if there is none. `current` counts only if it is among them. `isAnyLossy`: some path
 * loses much, be it among them or not; what makes one path lose may make others lose as well.
 */
export function choosePath<T extends PathMetrics>(
  trusted: readonly T[],
  current: T | undefined,
  isAnyLossy = trusted.some((path) => path.isLossy),
): PathChoice<T> | undefined {
  const sure = trusted.filter((path) => !isAnyLossy || path.isLossy || path.isProven || path.key === current?.key);
  const bestClass = Math.min(...sure.map(classOf));
  const eligible = sure.filter((path) => classOf(path) === bestClass);
  const fastest = eligible.reduce<T | undefined>(
    (best, path) => (best === undefined || path.rttMs < best.rttMs ? path : best),
    undefined,
  );
  if (fastest === undefined) return undefined;
  const equallyFast = eligible.filter((path) => !isSlower(path.rttMs, fastest.rttMs, 0.5));
  const preferred = equallyFast.reduce((best, path) => (comparePreference(path, best) < 0 ? path : best), fastest);
  if (current === undefined || !eligible.some(({ key }) => key === current.key)) {
    return { path: preferred, why: whyNew(preferred, current, trusted) };
  }
  if (isSlower(current.rttMs, fastest.rttMs, 1)) {
    return { path: preferred, why: `faster: ${roundMs(preferred.rttMs)} instead of ${roundMs(current.rttMs)}` };
  }
  const why = whyPreferred(preferred, current);
  return why === undefined ? { path: current, why: null } : { path: preferred, why };
}

/** Sorts paths for display and for carrying traffic together: as `choosePath` would choose without a current one. */
export function comparePaths(a: PathMetrics, b: PathMetrics): number {
  if (classOf(a) !== classOf(b)) return classOf(a) - classOf(b);
  if (isSlower(a.rttMs, b.rttMs, 0.5)) return 1;
  if (isSlower(b.rttMs, a.rttMs, 0.5)) return -1;
  return comparePreference(a, b);
}

/** Paths of a smaller class are better, however slow. */
function classOf({ kind, overStream, isLossy, isNarrow, cost }: PathMetrics): number {
  const relayed = overStream ? 2 : 1;
  const fault = (isNarrow ? 2 : 0) + (isLossy ? 1 : 0);
  return 3 * (COSTS * fault + cost) + (kind === "direct" ? 0 : relayed);
}

/** True if `rttMs` is worse than `otherMs` by `share` of the hysteresis, both absolutely and relatively. */
function isSlower(rttMs: number, otherMs: number, share: number): boolean {
  return rttMs - otherMs >= HYSTERESIS_MS * share && otherMs <= rttMs * (1 - HYSTERESIS_RATIO * share);
}

/** Negative if `a` is preferred. */
function comparePreference(a: PathMetrics, b: PathMetrics): number {
  return (
    a.relays - b.relays ||
    b.family - a.family ||
    b.locality - a.locality ||
    b.linkPreference - a.linkPreference ||
    a.rttMs - b.rttMs ||
    (a.key < b.key ? -1 : 1)
  );
}

/** Why `path` should replace the current one although it is not faster; undefined if it should not. */
function whyPreferred(path: PathMetrics, current: PathMetrics): string | undefined {
  const relays = current.relays - path.relays;
  if (relays !== 0) return relays > 0 ? "one relay instead of two at about the same speed" : undefined;
  const family = path.family - current.family;
  if (family !== 0) return family > 0 ? "IPv6 is preferred at about the same speed" : undefined;
  const locality = path.locality - current.locality;
  if (locality !== 0) return locality > 0 ? "the nearer address is preferred at about the same speed" : undefined;
  if (path.linkPreference > current.linkPreference) return "its link is preferred at about the same speed";
  return undefined;
}

function whyNew(path: PathMetrics, current: PathMetrics | undefined, trusted: readonly PathMetrics[]): string {
  if (current === undefined) return "the first path that answered";
  if (!trusted.some(({ key }) => key === current.key)) return "the former path does not answer";
  if (current.isNarrow && !path.isNarrow) return "large packets vanish on the former path";
  if (current.isLossy && !path.isLossy) {
    return `the former path loses ${Math.round(100 * current.loss.ratio)} % of the checks`;
  }
  if (current.cost > path.cost) return "its link costs less";
  return path.kind === "direct" ? "direct instead of relayed" : "relayed over UDP instead of a stream";
}

function roundMs(ms: number): string {
  return `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`;
}
