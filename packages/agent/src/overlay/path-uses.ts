import type { PathSpread } from "@asterism/core/local-api";
import { pathAddressKey } from "@asterism/core/net";
import type { PathSnapshot } from "@asterism/core/paths";
import type { PathCounters } from "@asterism/engine";
import type { MeshShell } from "./mesh-shell.ts";
import type { RecentUse } from "./recent-traffic.ts";

/** What goes by one path to a peer. */
export interface PathUse {
  readonly txBytes: number;
  readonly rxBytes: number;
  /** Of what is sent to the peer lately, 0–1; those of all paths that carry add up to 1. */
  readonly share: number;
  /** Null while one path carries everything, or nothing was learnt yet. */
  readonly spread: PathSpread | null;
}

/** By path key: what goes by these paths to a peer. */
export function pathUses(
  shell: Pick<MeshShell, "pathCounters" | "recentTraffic">,
  nodeId: string,
  paths: readonly PathSnapshot[],
): Map<string, PathUse> {
  const counted = new Map(shell.pathCounters(nodeId).map((counters) => [pathAddressKey(counters), counters]));
  const recent = shell.recentTraffic(nodeId);
  // The engine's requests go by paths that carry nothing, too, and the last traffic may have gone by paths that are gone.
  const carriers = paths.filter(({ weight }) => weight > 0);
  const known = carriers.reduce((sum, { address }) => sum + (recent?.get(pathAddressKey(address))?.share ?? 0), 0);
  return new Map(
    paths.map(({ address, weight }) => {
      const key = pathAddressKey(address);
      const counters = counted.get(key);
      const use = recent?.get(key);
      const share = known > 0 ? (use?.share ?? 0) / known : 1 / carriers.length;
      return [
        key,
        {
          txBytes: counters?.txBytes ?? 0,
          rxBytes: counters?.rxBytes ?? 0,
          share: weight > 0 ? share : 0,
          spread: recent === undefined ? null : pathSpread(counters?.spread, use),
        },
      ];
    }),
  );
}

function pathSpread(estimate: PathCounters["spread"], use: RecentUse | undefined): PathSpread | null {
  if (estimate === undefined) return null;
  const { rateBytesPerSecond, rttMs, queueingMs, ...counts } = estimate;
  return {
    rateBitsPerSecond: rateBytesPerSecond === null ? null : Math.round(8 * rateBytesPerSecond),
    rttMs: roundMs(rttMs),
    queueingMs: roundMs(queueingMs),
    ...counts,
    lossRatio: Number((use?.lossRatio ?? 0).toFixed(4)),
  };
}

export function roundMs(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}
