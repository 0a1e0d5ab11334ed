/** What one link between two machines of the lab does to packets. Directions are named from the first machine's view. */

/** One direction, or both alike. Ratios are 0…1. */
export interface LinkFaults {
  /** 0 or absent: as fast as the machine goes. */
  readonly rateMbit?: number;
  readonly delayMs?: number;
  /** Added to the delay, uniformly from 0 to this; packets keep their order. */
  readonly jitterMs?: number;
  readonly lossRatio?: number;
  /** Mean number of packets lost in a row (Gilbert model); 1: independent losses. */
  readonly lossBurstPackets?: number;
  /** Share of packets held back by `reorderMs` (default 5) beyond the delay. */
  readonly reorderRatio?: number;
  readonly reorderMs?: number;
  readonly duplicateRatio?: number;
  /** Share of packets with one flipped bit. */
  readonly corruptRatio?: number;
  /** Tail-drop queue in front of the rate, in time at that rate. Default 50. */
  readonly queueMs?: number;
}

export interface LinkOptions extends LinkFaults {
  readonly mtuBytes?: number;
  /** Overrides for the direction away from the first machine. */
  readonly up?: LinkFaults;
  /** Overrides for the direction towards the first machine. */
  readonly down?: LinkFaults;
  /** Seed of the link's faults; the same seed and packets give the same faults. */
  readonly seed?: number;
  /** `box` forces the user-space link box even where the kernel's veth would do. */
  readonly kind?: "auto" | "box";
  readonly offloads?: OffloadOptions;
}

/** Offloads of both veth ends; absent: the kernel's default. Needs ethtool. */
export interface OffloadOptions {
  /** UDP segmentation in the "card" (`tx-udp-segmentation`): off shows what a path without aggregation costs. */
  readonly udpSegmentation?: boolean;
  /** Aggregation of received UDP that is forwarded (`rx-udp-gro-forwarding`). */
  readonly udpGroForwarding?: boolean;
  readonly tcpSegmentation?: boolean;
  readonly receiveAggregation?: boolean;
}

export const DEFAULT_QUEUE_MS = 50;

export function faultsOf(options: LinkOptions, direction: "up" | "down"): LinkFaults {
  return { ...options, ...options[direction] };
}

/** Whether the kernel's veth and tbf can't do it and the user-space link box is needed. */
export function needsLinkBox(options: LinkOptions): boolean {
  if (options.kind === "box") return true;
  return (["up", "down"] as const).some((direction) => {
    const faults = faultsOf(options, direction);
    const asked = [
      faults.delayMs,
      faults.jitterMs,
      faults.lossRatio,
      faults.reorderRatio,
      faults.duplicateRatio,
      faults.corruptRatio,
    ];
    return asked.some((value) => value !== undefined && value > 0);
  });
}

/** Arguments of a `set` command of the link box. Absent fields become "no fault". */
export function linkBoxSettings(faults: LinkFaults): string {
  const rateBps = (faults.rateMbit ?? 0) * 1e6;
  const queueBytes = (rateBps / 8) * ((faults.queueMs ?? DEFAULT_QUEUE_MS) / 1e3);
  const settings: Record<string, number> = {
    rate_bps: rateBps,
    queue_bytes: Math.round(queueBytes),
    delay_us: (faults.delayMs ?? 0) * 1e3,
    jitter_us: (faults.jitterMs ?? 0) * 1e3,
    loss: faults.lossRatio ?? 0,
    loss_burst: faults.lossBurstPackets ?? 1,
    reorder: faults.reorderRatio ?? 0,
    reorder_us: (faults.reorderMs ?? 5) * 1e3,
    duplicate: faults.duplicateRatio ?? 0,
    corrupt: faults.corruptRatio ?? 0,
  };
  return Object.entries(settings)
    .map(([key, value]) => `${key}=${value}`)
    .join(" ");
}

/** Arguments of `tc qdisc replace dev X root …` for a rate, with the queue that `queueMs` asks for. */
export function tbfArguments(faults: LinkFaults): string {
  const rateMbit = faults.rateMbit ?? 0;
  // The bucket holds 4 ms, but never less than a few packets: smaller ones starve on timer resolution.
  const burstBytes = Math.max(16_384, Math.round((rateMbit * 1e6) / 8 / 250));
  return `tbf rate ${Math.round(rateMbit * 1_000)}kbit burst ${burstBytes} latency ${faults.queueMs ?? DEFAULT_QUEUE_MS}ms`;
}

export function ethtoolFeatures(offloads: OffloadOptions): string[] {
  const features: readonly (readonly [string, boolean | undefined])[] = [
    ["tx-udp-segmentation", offloads.udpSegmentation],
    ["rx-udp-gro-forwarding", offloads.udpGroForwarding],
    ["tso", offloads.tcpSegmentation],
    ["gro", offloads.receiveAggregation],
  ];
  return features.flatMap(([name, on]) => (on === undefined ? [] : [name, on ? "on" : "off"]));
}
