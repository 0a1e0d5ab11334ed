import type { Machine } from "../bench/machine.ts";
import { formatSpread, type Spread, spread } from "../bench/report.ts";
import type { RelayMetric } from "./metrics.ts";
import type { RelayName } from "./relay-server.ts";
import type { Memory, Pair } from "./run.ts";

export interface Measured {
  readonly versions: Readonly<Record<RelayName, string>>;
  readonly settings: { readonly rounds: number; readonly milliseconds: number; readonly clients: number };
  readonly metrics: Readonly<Record<string, RelayMetric>>;
  readonly pairs: Readonly<Record<string, readonly Pair[]>>;
  readonly allocations: number;
  readonly memory: Readonly<Record<RelayName, Memory>>;
}

interface Comparison {
  readonly unit: string;
  readonly what: string;
  readonly asterism: Spread;
  readonly coturn: Spread;
  /** asterism / coturn within one round. */
  readonly ratio: Spread;
  readonly cpuNsPerPacket: Readonly<Record<RelayName, number>>;
}

export interface RelayReport {
  readonly throughput: { asterismMbps: number; coturnMbps: number; ratio: number; least: number; most: number };
  readonly packets: { asterismPps: number; coturnPps: number; ratio: number; least: number; most: number };
  /** Megabytes (10^6 bytes) resident, whole processes; `rssMb` is Asterism's with all allocations. */
  readonly memory: { allocations: number; rssMb: number; emptyMb: number; coturnRssMb: number; coturnEmptyMb: number };
  /** Of `throughput`: CPU seconds of the relay's process per gigabit. */
  readonly cpuSecondsPerGbit: { asterism: number; coturn: number };
  readonly metrics: Readonly<Record<string, Comparison>>;
  readonly versions: Measured["versions"];
  readonly settings: Measured["settings"];
  readonly machine: Machine;
}

export function buildRelayReport(measured: Measured, machine: Machine): RelayReport {
  const metrics: Record<string, Comparison> = {};
  for (const [name, metric] of Object.entries(measured.metrics)) {
    metrics[name] = compare(metric, measured.pairs[name] ?? []);
  }
  const { throughput, packets } = metrics;
  if (throughput === undefined || packets === undefined) throw new Error("throughput and packets must be measured");
  const payloadBits = (measured.metrics["throughput"]?.traffic.payloadBytes ?? 0) * 8;
  const perGbit = (nsPerPacket: number): number => rounded(nsPerPacket / payloadBits);
  const { asterism, coturn } = measured.memory;
  return {
    throughput: {
      asterismMbps: throughput.asterism.median,
      coturnMbps: throughput.coturn.median,
      ...ratioOf(throughput),
    },
    packets: { asterismPps: packets.asterism.median, coturnPps: packets.coturn.median, ...ratioOf(packets) },
    memory: {
      allocations: measured.allocations,
      rssMb: megabytes(asterism.afterBytes),
      emptyMb: megabytes(asterism.beforeBytes),
      coturnRssMb: megabytes(coturn.afterBytes),
      coturnEmptyMb: megabytes(coturn.beforeBytes),
    },
    cpuSecondsPerGbit: {
      asterism: perGbit(throughput.cpuNsPerPacket.asterism),
      coturn: perGbit(throughput.cpuNsPerPacket.coturn),
    },
    metrics,
    versions: measured.versions,
    settings: measured.settings,
    machine,
  };
}

function compare({ unit, what }: RelayMetric, pairs: readonly Pair[]): Comparison {
  const of = (name: RelayName): Spread => spread(pairs.map((pair) => pair[name].value));
  const cpu = (name: RelayName): number => spread(pairs.map((pair) => pair[name].cpuNsPerPacket)).median;
  return {
    unit,
    what,
    asterism: of("asterism"),
    coturn: of("coturn"),
    ratio: spread(pairs.map(({ asterism, coturn }) => asterism.value / coturn.value)),
    cpuNsPerPacket: { asterism: cpu("asterism"), coturn: cpu("coturn") },
  };
}

function ratioOf({ ratio }: Comparison): { ratio: number; least: number; most: number } {
  return { ratio: ratio.median, least: ratio.min, most: ratio.max };
}

function megabytes(bytes: number): number {
  return Math.round(bytes / 1e5) / 10;
}

function rounded(value: number): number {
  return Number(value.toPrecision(3));
}

/** A Markdown table: one row per metric. */
export function formatRelayTable(report: RelayReport): string {
  const header = ["metric", "what", "asterism", "coturn", "asterism / coturn", "CPU ns per packet: asterism, coturn"];
  const rows = Object.entries(report.metrics).map(([name, { unit, what, asterism, coturn, ratio, cpuNsPerPacket }]) => [
    `${name} (${unit})`,
    what,
    formatSpread(asterism),
    formatSpread(coturn),
    formatSpread(ratio),
    `${cpuNsPerPacket.asterism.toFixed(0)}, ${cpuNsPerPacket.coturn.toFixed(0)}`,
  ]);
  const { machine, memory, settings, versions } = report;
  return [
    ...[header, header.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`),
    "",
    `Received per second at the far end: median (least–most) of ${settings.rounds} rounds; ratios are taken within a round.`,
    `${settings.clients} clients with a channel each; ${settings.milliseconds} ms per relay and load, the best load counts.`,
    `${memory.allocations} allocations with permission and channel: asterism ${memory.rssMb} MB resident ` +
      `(${memory.emptyMb} without), coturn ${memory.coturnRssMb} MB (${memory.coturnEmptyMb}).`,
    `asterism ${versions.asterism}, coturn ${versions.coturn}`,
    `${machine.cpu}, ${machine.cores} cores, ${machine.memoryGiB} GiB, Linux ${machine.kernel}, ${machine.distribution}, ` +
      `Node ${machine.node}`,
  ].join("\n");
}
