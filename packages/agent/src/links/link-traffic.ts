import { type LinkId, pathAddressKey } from "@asterism/core/net";
import type { PathCounters } from "@asterism/engine";

/** Of the tunnels' packets, by one link. */
export interface LinkCounts {
  readonly txBytes: number;
  readonly rxBytes: number;
  readonly txPackets: number;
  readonly rxPackets: number;
  /** While packets are spread over several paths. */
  readonly lostPackets: number;
  readonly resentPackets: number;
}

export const NO_TRAFFIC: LinkCounts = {
  txBytes: 0,
  rxBytes: 0,
  txPackets: 0,
  rxPackets: 0,
  lostPackets: 0,
  resentPackets: 0,
};

/**
 * What each link has carried since the network is up, by its name: a link that was closed counts on when it is opened
 * again. The engine counts by path, and only while a path is in a peer's table.
 */
export class LinkTraffic {
  readonly #nameOf: (linkId: LinkId) => string | undefined;
  /** Of paths that have left their tables. */
  readonly #past = new Map<string, LinkCounts>(); // bounded: names of links that have been in use

  /** `nameOf`: undefined for sockets that are no link's. */
  constructor(nameOf: (linkId: LinkId) => string | undefined) {
    this.#nameOf = nameOf;
  }

  /** The paths of a peer's table, before another table (with the paths `kept`) takes its place. */
  handleTableChange(before: readonly PathCounters[], kept: readonly Parameters<typeof pathAddressKey>[0][]): void {
    const keys = new Set(kept.map(pathAddressKey));
    this.#addTo(
      this.#past,
      before.filter((path) => !keys.has(pathAddressKey(path))),
    );
  }

  /** By name; `current`: the counters of all peers' tables. */
  totals(current: readonly PathCounters[]): Map<string, LinkCounts> {
    const totals = new Map(this.#past);
    this.#addTo(totals, current);
    return totals;
  }

  #addTo(totals: Map<string, LinkCounts>, paths: readonly PathCounters[]): void {
    for (const path of paths) {
      const name = this.#nameOf(path.linkId);
      if (name !== undefined) totals.set(name, add(totals.get(name) ?? NO_TRAFFIC, path));
    }
  }
}

function add(counts: LinkCounts, { txBytes, rxBytes, txPackets, rxPackets, spread }: PathCounters): LinkCounts {
  return {
    txBytes: counts.txBytes + txBytes,
    rxBytes: counts.rxBytes + rxBytes,
    txPackets: counts.txPackets + txPackets,
    rxPackets: counts.rxPackets + rxPackets,
    lostPackets: counts.lostPackets + (spread?.lostPackets ?? 0),
    resentPackets: counts.resentPackets + (spread?.resentPackets ?? 0),
  };
}
