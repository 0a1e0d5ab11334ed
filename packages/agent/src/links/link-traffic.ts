import { type LinkId, pathAddressKey } from "@asterism/core/net";
import type { PathCounters } from "@asterism/engine";

export interface LinkBytes {
  readonly txBytes: number;
  readonly rxBytes: number;
}

const NOTHING: LinkBytes = { txBytes: 0, rxBytes: 0 };

/** What each link has carried. The engine counts by path, and only while a path is in a peer's table. */
export class LinkTraffic {
  /** Of paths that have left their tables. */
  readonly #past = new Map<LinkId, LinkBytes>(); // bounded: links of this run, forgotten when closed

  /** The paths of a peer's table, before another table (with the paths `kept`) takes its place. */
  handleTableChange(before: readonly PathCounters[], kept: readonly Parameters<typeof pathAddressKey>[0][]): void {
    const keys = new Set(kept.map(pathAddressKey));
    for (const path of before) {
      if (!keys.has(pathAddressKey(path))) this.#past.set(path.linkId, sum(this.#past.get(path.linkId), path));
    }
  }

  forget(linkId: LinkId): void {
    this.#past.delete(linkId);
  }

  /** By link; `current`: the counters of all peers' tables. */
  totals(current: readonly PathCounters[]): Map<LinkId, LinkBytes> {
    const totals = new Map(this.#past);
    for (const path of current) totals.set(path.linkId, sum(totals.get(path.linkId), path));
    return totals;
  }
}

function sum(a: LinkBytes = NOTHING, b: LinkBytes = NOTHING): LinkBytes {
  return { txBytes: a.txBytes + b.txBytes, rxBytes: a.rxBytes + b.rxBytes };
}
