/** How the paths look from outside: the engine's table and the snapshot. */
import { MIN_LINK_CAP_BYTES_PER_SECOND } from "../net/index.ts";
import type { Instant } from "../time.ts";
import { type IdleReason, MAX_TABLE_PATHS } from "./carriers.ts";
import { companionOf } from "./companion.ts";
import type { Path } from "./path.ts";
import { comparePaths } from "./path-choice.ts";
import type { ActivePath, PathSnapshot, PathState, UsablePath } from "./path-types.ts";
import type { TrafficMode } from "./traffic-mode.ts";

export interface PathTable {
  readonly paths: readonly UsablePath[];
  readonly mode: TrafficMode;
}

export interface TableOptions {
  readonly active: Path | undefined;
  /** Trusted paths that carry the traffic together; fewer than two is as in mode `best`. */
  readonly carriers: readonly Path[];
  readonly mode: TrafficMode;
  readonly hasTraffic: boolean;
  /** The active path may be dead although it is trusted. */
  readonly isHelpWanted: boolean;
}

/** The usable paths, the active one first. While it may be dead, and none beside it is sure, another one helps out. */
export function makeTable(all: Iterable<Path>, options: TableOptions, now: Instant): PathTable {
  const { active, hasTraffic } = options;
  if (active === undefined) return { paths: [], mode: "best" };
  const others = [...all].filter((path) => path !== active && path.isUsable).sort(comparePaths);
  const isTogether = options.mode !== "best" && options.carriers.length > 1;
  const inDoubt = hasTraffic && (options.isHelpWanted || !active.isTrusted(now)) && !isTogether;
  const helpers = isTogether ? others.filter((path) => options.carriers.includes(path)) : [];
  const companion = inDoubt ? companionOf(active, others, now) : undefined;
  if (companion !== undefined) helpers.push(companion);
  const rest = others.filter((path) => !helpers.includes(path));
  const together = isTogether ? [active, ...helpers] : [];
  const paths = [active, ...helpers, ...rest].slice(0, MAX_TABLE_PATHS).map((path): UsablePath => {
    const weight = helpers.includes(path) ? 1 : 0;
    return {
      address: path.address,
      kind: path.kind,
      weight: path === active ? Math.min(helpers.length, 1) + 1 : weight,
      // Nobody has looked while there was no traffic.
      trusted: !hasTraffic || path.isTrusted(now),
      rttMs: path.rttMs,
      mtuBytes: path.mtu.mtuBytes,
      cost: path.cost,
      ...capOf(path, together),
    };
  });
  const mode = isTogether ? options.mode : "best";
  return { paths, mode: inDoubt ? "redundant" : mode };
}

/** The paths over a link that carry together share its limit. */
function capOf({ link, traits }: Path, together: readonly Path[]): Pick<UsablePath, "capBytesPerSecond"> {
  const { capBytesPerSecond } = traits;
  if (capBytesPerSecond === undefined) return {};
  const sharers = Math.max(1, together.filter((path) => path.link === link).length);
  return { capBytesPerSecond: Math.max(MIN_LINK_CAP_BYTES_PER_SECOND, Math.ceil(capBytesPerSecond / sharers)) };
}

/** True if the engine would not notice a difference. */
export function tableEquals(a: PathTable, b: PathTable): boolean {
  if (a.mode !== b.mode || a.paths.length !== b.paths.length || a.paths[0]?.trusted !== b.paths[0]?.trusted) {
    return false;
  }
  return a.paths.every((path, index) => {
    const other = b.paths[index];
    return (
      other !== undefined &&
      other.address === path.address &&
      other.kind === path.kind &&
      other.weight === path.weight &&
      other.mtuBytes === path.mtuBytes &&
      other.capBytesPerSecond === path.capBytesPerSecond
    );
  });
}

export function activePathOf(path: Path | undefined): ActivePath | null {
  return path === undefined ? null : { address: path.address, kind: path.kind, rttMs: path.rttMs };
}

/** Every path that was ever checked; the active one first, then usable ones, then the rest. */
export function snapshotPaths(
  all: Iterable<Path>,
  active: Path | undefined,
  table: PathTable,
  idle: ReadonlyMap<Path, IdleReason>,
): PathSnapshot[] {
  const weights = new Map(table.paths.map(({ address, weight }) => [address, weight]));
  return [...all]
    .filter(({ lastCheckAt }) => lastCheckAt !== undefined)
    .sort((a, b) => rank(b, active) - rank(a, active) || comparePaths(a, b))
    .map((path) => ({
      address: path.address,
      peer: path.peer,
      kind: path.kind,
      remoteKind: path.remoteKind,
      state: stateOf(path, active, weights.get(path.address) ?? 0),
      weight: weights.get(path.address) ?? 0,
      idleBecause: (weights.get(path.address) ?? 0) > 0 ? null : (idle.get(path) ?? null),
      rttMs: path.statistics.smoothedRttMs ?? null,
      minRttMs: path.statistics.minRttMs ?? null,
      lossRatio: path.statistics.lossRatio,
      mtuBytes: path.mtu.mtuBytes || null,
      isNarrow: path.isNarrow,
      lastAnsweredAt: path.answeredAt ?? null,
      lastHeardAt: path.heardAt ?? null,
      mappedAddress: path.mappedAddress ?? null,
    }));
}

function rank(path: Path, active: Path | undefined): number {
  if (path === active) return 2;
  return path.isUsable ? 1 : 0;
}

function stateOf(path: Path, active: Path | undefined, weight: number): PathState {
  // In doubt all carry the traffic, and none is the one.
  if (path === active || (weight > 0 && path.role === "carrier")) return "active";
  if (path.isUsable) return "standby";
  return path.failed && !path.isBeingChecked ? "failed" : "checking";
}
