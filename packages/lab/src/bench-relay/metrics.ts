import type { Traffic } from "./relay-load.ts";
import type { Segmentation } from "./stage.ts";

export interface RelayMetric {
  readonly unit: "Mbit/s" | "packets/s";
  readonly what: string;
  readonly traffic: Traffic;
  readonly segmentation: Segmentation;
  /** Datagrams of one client that may be on the way (0: any number); the fastest of them counts. */
  readonly windows: readonly number[];
}

/** A full WireGuard packet on an underlay of 1,500 bytes, and an acknowledgement or a word of a call. */
const LARGE_BYTES = 1_400;
const SMALL_BYTES = 100;

/** How agents send: as much as one segmented message takes, one system call. */
const LARGE_BATCH = { payloadBytes: LARGE_BYTES, batch: 46, how: "gso" } as const;
const SMALL_BATCH = { payloadBytes: SMALL_BYTES, batch: 64, how: "gso" } as const;

function windowsOf({ batch }: { readonly batch: number }): number[] {
  return [2 * batch, 8 * batch, 0];
}

function metric(unit: RelayMetric["unit"], what: string, segmentation: Segmentation, traffic: Traffic): RelayMetric {
  return { unit, what, segmentation, traffic, windows: windowsOf(traffic) };
}

export const METRICS = {
  throughput: metric("Mbit/s", "1,400 bytes in batches, client to peer", "whole", { way: "up", ...LARGE_BATCH }),
  throughputDown: metric("Mbit/s", "the same, peer to client", "whole", { way: "down", ...LARGE_BATCH }),
  throughputAcross: metric("Mbit/s", "the same, client to client, relayed twice", "whole", {
    way: "across",
    ...LARGE_BATCH,
  }),
  throughputSingle: metric("Mbit/s", "as throughput, packet by packet on both cables", "single", {
    way: "up",
    ...LARGE_BATCH,
  }),
  packets: metric("packets/s", "100 bytes, packet by packet to the relay", "single-in", { way: "up", ...SMALL_BATCH }),
  packetsSingle: metric("packets/s", "the same, packet by packet on both cables", "single", {
    way: "up",
    ...SMALL_BATCH,
  }),
  packetsWhole: metric("packets/s", "the same, batches whole on both cables", "whole", { way: "up", ...SMALL_BATCH }),
} as const satisfies Record<string, RelayMetric>;

/** Clients over TCP: a sanity figure. Without a limit it would measure the sockets' buffers. */
export const STREAMS: RelayMetric = {
  unit: "Mbit/s",
  what: "1,400 bytes over TCP, client to peer",
  segmentation: "whole",
  traffic: { way: "up", payloadBytes: LARGE_BYTES, batch: 16, how: "single" },
  windows: [32, 128],
};
