import type { Host } from "../net/host.ts";
import type { OffloadOptions } from "../net/link-options.ts";

/** Two machines that reach each other through the data plane under test. */
export interface Tunnel {
  readonly a: Host;
  readonly b: Host;
  /** Inner addresses. */
  readonly addressA: string;
  readonly addressB: string;
  readonly ipv6A: string | undefined;
  readonly ipv6B: string | undefined;
  /** Process groups of the data plane, one per end; empty when the kernel does it. */
  readonly processGroups: readonly number[];
  /** Ends the data plane in its own way; the lab's end takes the rest down. */
  close(): Promise<void>;
}

/** The cable below the tunnel. */
export interface Underlay {
  readonly name: string;
  readonly offloads: OffloadOptions;
}

export type Metric = string;

/** One measurement; small enough to be read at a glance, so that adding one is adding a file. */
export interface Scenario {
  /** What it writes, with the unit and which way is better. */
  readonly metrics: Readonly<Record<Metric, { readonly unit: string; readonly better: "higher" | "lower" }>>;
  readonly underlay: Underlay;
  /** Left out unless `--all`. */
  readonly extended?: boolean;
  measure(tunnel: Tunnel, seconds: number): Promise<Readonly<Record<Metric, number>>>;
}

export const PLAIN_UNDERLAY: Underlay = { name: "veth", offloads: {} };

/** Real networks carry single packets: nothing aggregates UDP between the two ends. */
export const UNDERLAY_WITHOUT_SEGMENTATION: Underlay = {
  name: "veth without UDP segmentation",
  offloads: { udpSegmentation: false },
};
