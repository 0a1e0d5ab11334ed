import { pathAddressKey } from "@asterism/core/net";
import type { PathCounters } from "@asterism/engine";

/** What of the bytes that count fades from one reading of the counters to the next, a second later. */
const FADING = 0.3;

interface PathBytes {
  readonly txBytes: number;
  /** The younger they are, the more they count. */
  readonly recent: number;
}

/** Which share of what is sent to a peer has gone by which of its paths lately. */
export class PathShares {
  readonly #peers = new Map<string, ReadonlyMap<string, PathBytes>>(); // bounded: peers with several paths in use

  /** The engine's counters; about once a second. */
  update(nodeId: string, paths: readonly PathCounters[]): void {
    const before = this.#peers.get(nodeId);
    const isIdle = paths.every((path) => path.txBytes === (before?.get(pathAddressKey(path))?.txBytes ?? 0));
    if (isIdle && before !== undefined) return;
    const after = paths.map((path): [string, PathBytes] => {
      const { txBytes: known = 0, recent = 0 } = before?.get(pathAddressKey(path)) ?? {};
      // A path that left the table and came back is counted anew.
      const sent = path.txBytes - (path.txBytes < known ? 0 : known);
      return [pathAddressKey(path), { txBytes: path.txBytes, recent: (1 - FADING) * recent + sent }];
    });
    this.#peers.set(nodeId, new Map(after));
  }

  forget(nodeId: string): void {
    this.#peers.delete(nodeId);
  }

  /** By path key, adding up to 1; undefined while nothing is known. */
  shares(nodeId: string): ReadonlyMap<string, number> | undefined {
    const paths = [...(this.#peers.get(nodeId) ?? [])];
    const total = paths.reduce((sum, [, { recent }]) => sum + recent, 0);
    return total === 0 ? undefined : new Map(paths.map(([key, { recent }]) => [key, recent / total]));
  }
}
