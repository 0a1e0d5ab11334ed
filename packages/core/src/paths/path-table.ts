/** How the paths look from outside: the engine's table and the snapshot. */
import type { Instant } from "../time.ts";
import type { LinkTraits } from "./candidate.ts";
import type { Path } from "./path.ts";
import { comparePaths } from "./path-choice.ts";
import type { ActivePath, PathSnapshot, PathState, TrafficMode, UsablePath } from "./path-types.ts";

export interface PathTable {
  readonly paths: readonly UsablePath[];
  readonly mode: TrafficMode;
}

const MAX_TABLE_PATHS = 16;

/** The usable paths, the active one first. While it is in doubt all carry the traffic. */
export function makeTable(all: Iterable<Path>, active: Path | undefined, hasTraffic: boolean, now: Instant): PathTable {
  if (active === undefined) return { paths: [], mode: "best" };
  const others = [...all].filter((path) => path !== active && path.isUsable).sort(comparePaths);
  const inDoubt = hasTraffic && !active.isTrusted(now);
  const paths = [active, ...others].slice(0, MAX_TABLE_PATHS).map((path): UsablePath => {
    const weight = inDoubt ? 1 : 0;
    return {
      address: path.address,
      kind: path.kind,
      weight: path === active ? weight + 1 : weight,
      // Nobody has looked while there was no traffic.
      trusted: !hasTraffic || path.isTrusted(now),
      rttMs: path.rttMs,
      mtuBytes: path.mtu.mtuBytes,
      cost: path.cost,
      ...capOf(path.traits),
    };
  });
  return { paths, mode: inDoubt ? "redundant" : "best" };
}

function capOf({ capBytesPerSecond }: LinkTraits): Pick<UsablePath, "capBytesPerSecond"> {
  return capBytesPerSecond === undefined ? {} : { capBytesPerSecond };
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
export function snapshotPaths(all: Iterable<Path>, active: Path | undefined, table: PathTable): PathSnapshot[] {
  const weights = new Map(table.paths.map(({ address, weight }) => [address, weight]));
  return [...all]
    .filter(({ lastCheckAt }) => lastCheckAt !== undefined)
    .sort((a, b) => rank(b, active) - rank(a, active) || comparePaths(a, b))
    .map((path) => ({
      address: path.address,
      peer: path.peer,
      kind: path.kind,
      remoteKind: path.remoteKind,
      state: stateOf(path, active),
      weight: weights.get(path.address) ?? 0,
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

function stateOf(path: Path, active: Path | undefined): PathState {
  if (path === active) return "active";
  if (path.isUsable) return "standby";
  return path.failed && !path.isBeingChecked ? "failed" : "checking";
}
