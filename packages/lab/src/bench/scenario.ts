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
  /** What was found out about it, for the table: the cipher, say. */
  readonly note?: string;
  /** Ends the data plane in its own way; the lab's end takes the rest down. */
  close(): Promise<void>;
}

/** What a group of scenarios needs to be different from an ordinary run. */
export interface Setting {
  readonly name: string;
  /** Of the cable below the tunnel. */
  readonly offloads: OffloadOptions;
  /** For contenders that have a choice; the others go on with the one they have. */
  readonly cipher?: "chacha20-poly1305";
}

export type Metric = string;

/** One measurement; small enough to be read at a glance, so that adding one is adding a file. */
export interface Scenario {
  /** What it writes, with the unit and which way is better. */
  readonly metrics: Readonly<Record<Metric, { readonly unit: string; readonly better: "higher" | "lower" }>>;
  readonly setting: Setting;
  /** Left out unless `--all`. */
  readonly extended?: boolean;
  measure(tunnel: Tunnel, seconds: number): Promise<Readonly<Record<Metric, number>>>;
}

export const PLAIN: Setting = { name: "plain", offloads: {} };

/** The cipher that every WireGuard speaks, where two agents would rather take AES. */
export const CHACHA: Setting = { name: "ChaCha20-Poly1305", offloads: {}, cipher: "chacha20-poly1305" };

/** Real networks carry single packets: nothing aggregates UDP between the two ends. */
export const WITHOUT_UDP_SEGMENTATION: Setting = {
  name: "veth without UDP segmentation",
  offloads: { udpSegmentation: false },
};
