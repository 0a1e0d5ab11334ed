import { pathAddressKey } from "@asterism/core/net";
import type { PathCounters } from "@asterism/engine";

/** What of the bytes that count fades from one reading of the counters to the next, a second later. */
const FADING = 0.3;
/** Likewise for losses, which are rarer: about the last 10 s count. */
const LOSS_FADING = 0.1;

interface PathTraffic {
  readonly txBytes: number;
  readonly txPackets: number;
  readonly lostPackets: number;
  /** The younger they are, the more they count. */
  readonly recentBytes: number;
  readonly recentPackets: number;
  readonly recentLosses: number;
}

const NOTHING: PathTraffic = {
  txBytes: 0,
  txPackets: 0,
  lostPackets: 0,
  recentBytes: 0,
  recentPackets: 0,
  recentLosses: 0,
};

export interface RecentUse {
  /** Of the bytes that were sent to the peer lately; those of all paths add up to 1. */
  readonly share: number;
  /** Of the packets that were sent by the path lately, those that got lost; 0–1. */
  readonly lossRatio: number;
}

/** What was sent lately to peers by each of their paths, and what of it got lost. While nothing is sent it stays as it is. */
export class RecentTraffic {
  readonly #peers = new Map<string, ReadonlyMap<string, PathTraffic>>(); // bounded: peers with several paths in use

  /** The engine's counters; about once a second. */
  update(nodeId: string, paths: readonly PathCounters[]): void {
    const before = this.#peers.get(nodeId);
    const isIdle = paths.every((path) => path.txBytes === (before?.get(pathAddressKey(path))?.txBytes ?? 0));
    if (isIdle && before !== undefined) return;
    const after = paths.map((path): [string, PathTraffic] => {
      const key = pathAddressKey(path);
      return [key, before === undefined ? begin(path) : next(before.get(key) ?? NOTHING, path)];
    });
    this.#peers.set(nodeId, new Map(after));
  }

  forget(nodeId: string): void {
    this.#peers.delete(nodeId);
  }

  /** By path key; undefined while nothing is known. */
  of(nodeId: string): ReadonlyMap<string, RecentUse> | undefined {
    const paths = [...(this.#peers.get(nodeId) ?? [])];
    const total = paths.reduce((sum, [, { recentBytes }]) => sum + recentBytes, 0);
    if (total === 0) return undefined;
    return new Map(
      paths.map(([key, { recentBytes, recentPackets, recentLosses }]) => {
        const lossRatio = recentPackets === 0 ? 0 : Math.min(1, recentLosses / recentPackets);
        return [key, { share: recentBytes / total, lossRatio }];
      }),
    );
  }
}

/** What a path has carried so far may be of days ago. */
function begin({ txBytes, txPackets, spread }: PathCounters): PathTraffic {
  return { ...NOTHING, txBytes, txPackets, lostPackets: spread?.lostPackets ?? 0 };
}

function next(before: PathTraffic, { txBytes, txPackets, spread }: PathCounters): PathTraffic {
  // A path that left the table and came back is counted anew.
  const known = txBytes < before.txBytes ? NOTHING : before;
  const lostPackets = spread?.lostPackets ?? known.lostPackets;
  const newLosses = lostPackets < known.lostPackets ? lostPackets : lostPackets - known.lostPackets;
  return {
    txBytes,
    txPackets,
    lostPackets,
    recentBytes: (1 - FADING) * before.recentBytes + txBytes - known.txBytes,
    recentPackets: (1 - LOSS_FADING) * before.recentPackets + txPackets - known.txPackets,
    recentLosses: (1 - LOSS_FADING) * before.recentLosses + newLosses,
  };
}
