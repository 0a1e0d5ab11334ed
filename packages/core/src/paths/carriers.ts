/**
 * Which paths carry the traffic together: pure functions.
 *
 * Capacity is a matter of links, not of addresses. So of the paths between one of our links and one of the peer's only
 * the best takes part; a relayed one only if it brings a link that no direct one uses. Paths of a worse class than the
 * best there is stay out: a costly link, a stream beside datagrams, a path that loses much, one that would make every
 * packet smaller. What a path loses beside one that does not can be hidden up to a point: it takes part if it brings
 * another link.
 */
import type { LinkId } from "../net/index.ts";
import type { PathMetrics } from "./path-choice.ts";
import type { TrafficMode } from "./traffic-mode.ts";

/** Rows of the engine's path table. */
export const MAX_TABLE_PATHS = 16;
/** A path of a smaller MTU than this share of the best one's stays out: the smallest limits all packets. */
const MIN_MTU_RATIO = 0.9;

export interface CarrierCandidate extends Pick<PathMetrics, "kind" | "overStream" | "cost" | "isNarrow" | "isLossy"> {
  /** Our link; one that serves a single peer counts as the one that it is like. */
  readonly link: LinkId;
  /** Tells the peer's links apart; 0 is unknown, and may be any of them. */
  readonly peerLink: number;
  /** Largest datagram that passes in one piece, 0 if unknown. */
  readonly mtuBytes: number;
  /** It loses more than can be hidden by sending lost packets again by other paths. */
  readonly isTooLossy: boolean;
}

/** Why a path that works carries nothing. */
export type IdleReason =
  /** One path is enough in mode `best`, two are in `redundant`; in `auto` it would carry. */
  | "standby"
  /** It has not answered lately. */
  | "silent"
  /** Large packets vanish on it. */
  | "narrow"
  | "lossy"
  /** Its links cost more than others that work. */
  | "costly"
  /** It would make all packets smaller. */
  | "small-mtu"
  /** It is relayed by TCP or TLS. */
  | "stream"
  /** A better path leads over the same links. */
  | "same-links"
  /** It is relayed, and its links are used directly. */
  | "relayed"
  /** The engine's table is full. */
  | "table-full";

export interface Carriers<T> {
  /** The best first. */
  readonly carriers: readonly T[];
  readonly idle: ReadonlyMap<T, IdleReason>;
}

/** Of `paths`, which work, the best first. */
export function chooseCarriers<T extends CarrierCandidate>(paths: readonly T[], mode: TrafficMode): Carriers<T> {
  const idle = new Map<T, IdleReason>();
  const pool = dropWorse(paths, mode, idle);
  const hiding = mode === "best" ? [] : hidable(paths, pool, idle);
  const carriers = carriersIn(pool, hiding, mode, idle);
  for (const path of carriers) idle.delete(path);
  for (const path of pool) if (!carriers.includes(path) && !idle.has(path)) idle.set(path, "standby");
  return { carriers, idle };
}

function carriersIn<T extends CarrierCandidate>(
  pool: readonly T[],
  hiding: readonly T[],
  mode: TrafficMode,
  idle: Map<T, IdleReason>,
): readonly T[] {
  if (mode === "redundant") return pairOf([...pool, ...hiding]);
  const together = spread(pool, idle);
  if (mode === "best") return pool.slice(0, 1);
  const further = [...together];
  for (const path of hiding) if (whyNotBeside(path, further) === undefined) further.push(path);
  return further;
}

/** Of the paths that lose much, those that are no worse than the `pool` in anything else, and don't lose too much. */
function hidable<T extends CarrierCandidate>(
  paths: readonly T[],
  pool: readonly T[],
  idle: ReadonlyMap<T, IdleReason>,
): readonly T[] {
  const [best] = pool;
  if (best === undefined) return [];
  const leastBytes = MIN_MTU_RATIO * fullMtuBytes(pool);
  return paths.filter((path) => {
    if (idle.get(path) !== "lossy" || path.isTooLossy) return false;
    if (path.cost > best.cost || path.overStream !== best.overStream) return false;
    return path.mtuBytes === 0 || path.mtuBytes >= leastBytes;
  });
}

/** Drops what is of a worse class than the best there is, and writes down why. */
function dropWorse<T extends CarrierCandidate>(
  paths: readonly T[],
  mode: TrafficMode,
  idle: Map<T, IdleReason>,
): readonly T[] {
  const keep = (pool: readonly T[], reason: IdleReason, isWorse: (path: T) => boolean): readonly T[] => {
    const kept = pool.filter((path) => !isWorse(path));
    if (kept.length === 0) return pool;
    for (const path of pool) if (!kept.includes(path)) idle.set(path, reason);
    return kept;
  };
  const wide = keep(paths, "narrow", ({ isNarrow }) => isNarrow);
  const usable = mode === "best" ? wide : keep(wide, "lossy", ({ isTooLossy }) => isTooLossy);
  const sound = keep(usable, "lossy", ({ isLossy }) => isLossy);
  const leastCost = Math.min(...sound.map(({ cost }) => cost));
  const cheap = keep(sound, "costly", ({ cost }) => cost > leastCost);
  const datagrams = keep(cheap, "stream", ({ overStream }) => overStream);
  const leastBytes = MIN_MTU_RATIO * fullMtuBytes(datagrams);
  return keep(datagrams, "small-mtu", ({ mtuBytes }) => mtuBytes > 0 && mtuBytes < leastBytes);
}

/** Of the best path of which it is known, 0 if of none. */
function fullMtuBytes(paths: readonly CarrierCandidate[]): number {
  return paths.find(({ mtuBytes }) => mtuBytes > 0)?.mtuBytes ?? 0;
}

function spread<T extends CarrierCandidate>(pool: readonly T[], idle: Map<T, IdleReason>): readonly T[] {
  const carriers: T[] = [];
  const direct = pool.filter(({ kind }) => kind === "direct");
  for (const path of [...direct, ...pool.filter(({ kind }) => kind === "relayed")]) {
    const reason = whyNotBeside(path, carriers);
    if (reason === undefined) carriers.push(path);
    else idle.set(path, reason);
  }
  return pool.filter((path) => carriers.includes(path));
}

function whyNotBeside(path: CarrierCandidate, carriers: readonly CarrierCandidate[]): IdleReason | undefined {
  if (carriers.some((carrier) => sharedLinks(path, carrier) === 2)) return "same-links";
  const isOurLinkUsed = carriers.some(({ link }) => link === path.link);
  const isPeerLinkUsed =
    path.peerLink === 0 || carriers.some(({ peerLink }) => isSamePeerLink(peerLink, path.peerLink));
  if (path.kind === "relayed" && isOurLinkUsed && isPeerLinkUsed) return "relayed";
  return carriers.length < MAX_TABLE_PATHS ? undefined : "table-full";
}

/** The best, and the one that has the least in common with it. */
function pairOf<T extends CarrierCandidate>([best, ...others]: readonly T[]): readonly T[] {
  if (best === undefined) return [];
  // A relay between the same two links costs its owner's bandwidth, and fails when they do.
  const useful = others.filter((path) => path.kind === "direct" || sharedLinks(path, best) < 2);
  const second = useful.reduce<T | undefined>(
    (least, path) => (least === undefined || sharedLinks(path, best) < sharedLinks(least, best) ? path : least),
    undefined,
  );
  return second === undefined ? [best] : [best, second];
}

/** Of both ends: 0 to 2. */
export function sharedLinks(a: CarrierCandidate, b: CarrierCandidate): number {
  return Number(a.link === b.link) + Number(isSamePeerLink(a.peerLink, b.peerLink));
}

function isSamePeerLink(a: number, b: number): boolean {
  return a === b || a === 0 || b === 0;
}
