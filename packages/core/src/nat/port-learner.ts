/**
 * Learns how a NAT picks ports from the mappings that servers have seen.
 *
 * Other hosts behind the NAT take ports at the same time, requests are lost or overtake each other, and there are few
 * samples. So each conclusion is drawn only where chance would hardly have made the same samples.
 */
import type { Instant } from "../time.ts";
import {
  HIGHEST_PORT,
  LOWEST_PORT,
  PORTS,
  type PortPattern,
  type PortPrediction,
  type PortRange,
  type SequentialPattern,
  widen,
} from "./port-prediction.ts";

/** A mapping, as a server saw it. */
export interface PortSample {
  /** Of the socket that asked; null if it is not known. */
  readonly localPort: number | null;
  readonly mapped: { readonly address: string; readonly port: number };
  /** When the server was asked. */
  readonly at: Instant;
}

/** Samples without which there is no pattern. */
const MIN_SAMPLES = 3;
/** What lies so close to the one before is its successor; with more samples, whose order is proof, so far. */
const NEAR_PORTS = 32;
const NEAR_PORTS_IN_ORDER = 256;
/** So many samples are hardly ever in order by chance: 2 / 5! */
const ORDER_SAMPLES = 5;
/** If there are hardly more ports than so many per sample between the first and the last, their order does not matter. */
const DENSE_PORTS = 3;
/** One of so many gaps may be a leap, of more ports than a block may have: the counter has come to its end. */
const LEAP_EXCEPTIONS = 5;
const LEAP_PORTS = 1_024;
/**
 * Ports in one range are a block if chance makes such a range in fewer cases than this; in two and three ranges, whose
 * bounds may be chosen in many more ways.
 */
const BLOCK_CHANCES = [0.01, 0.000_2, 0.000_005];
const MIN_BLOCK_PORTS = 64;
/** Shorter spans tell little about a rate. */
const MIN_SPAN_MS = 250;
/** A counter is followed by samples that are no further apart from the newest: before, others have counted on. */
const BURST_MS = 5_000;

/**
 * From samples of sockets on one link and of one IP version. `unseenMappings`: how many mappings we have made besides,
 * which no server has told about.
 */
export function learnPorts(samples: readonly PortSample[], unseenMappings = 0): PortPrediction {
  const inOrder = [...samples].sort((a, b) => a.at - b.at);
  const address = likeliestAddress(inOrder);
  if (address === null) return { address, pattern: { kind: "unknown" } };
  const own = inOrder.filter(({ mapped }) => mapped.address === address);
  return { address, pattern: patternOf(own, unseenMappings) };
}

function patternOf(samples: readonly PortSample[], unseenMappings: number): PortPattern {
  const preserved = preservedPorts(samples);
  if (preserved !== undefined) return { kind: "preserving", ports: preserved };
  const distinct = [...new Map(samples.toReversed().map((sample) => [sample.mapped.port, sample])).values()].reverse();
  if (distinct.length < MIN_SAMPLES) return { kind: "unknown" };
  const newestAt = distinct.at(-1)?.at ?? 0;
  const burst = distinct.filter(({ at }) => newestAt - at <= BURST_MS);
  const sequence = sequenceOf(burst.length >= MIN_SAMPLES ? burst : distinct, distinct, unseenMappings);
  if (sequence !== undefined) return sequence;
  const ranges = blocksOf(distinct.map(({ mapped }) => mapped.port));
  return ranges === undefined ? { kind: "random" } : { kind: "block", ranges };
}

/** A NAT with a pool of addresses mostly gives all mappings of a host the same one (RFC 4787 §4.1, "paired"). */
function likeliestAddress(samples: readonly PortSample[]): string | null {
  const counts = new Map<string, number>();
  for (const { mapped } of samples) counts.set(mapped.address, (counts.get(mapped.address) ?? 0) + 1);
  let likeliest: string | null = null;
  for (const [address, count] of counts) {
    if (likeliest === null || count >= (counts.get(likeliest) ?? 0)) likeliest = address;
  }
  return likeliest;
}

/** The first mapping of a socket decides: a second one can't have the same port at the same address. */
function preservedPorts(samples: readonly PortSample[]): PortRange[] | undefined {
  const first = new Map<number, number>();
  for (const { localPort, mapped } of samples) {
    if (localPort !== null && !first.has(localPort)) first.set(localPort, mapped.port);
  }
  const preserved = [...first].filter(([local, mapped]) => local === mapped).map(([local]) => local);
  if (preserved.length === 0 || preserved.length * 2 < first.size) return undefined;
  return preserved.map((port) => ({ first: port, last: port }));
}

/** `known`: those from before as well, as a counter keeps its step. */
function sequenceOf(
  samples: readonly PortSample[],
  known: readonly PortSample[],
  unseenMappings: number,
): SequentialPattern | undefined {
  for (const sign of [1, -1] as const) {
    const gaps = regularGaps(samples, sign) ?? regularGaps(inPortOrder(samples, sign), sign);
    if (gaps === undefined) continue;
    // Others' mappings may hide it in a few gaps.
    const step = [...gaps, ...gapsOf(known, sign).filter(isNear)].reduce(greatestCommonDivisor, 0);
    const counted = gaps.reduce((sum, ports) => sum + ports / step, 0);
    const others = Math.max(0, counted - gaps.length - unseenMappings);
    const { port, at } = furthest(samples, sign);
    const spanMs = at - (samples[0]?.at ?? at);
    const othersPerSecond = (others * 1000) / Math.max(MIN_SPAN_MS, spanMs);
    return { kind: "sequential", step: sign * step, last: port, at, othersPerSecond };
  }
  return undefined;
}

/** Distances from each to the next, if a counter has made them, without those that are none of its; else undefined. */
function regularGaps(samples: readonly PortSample[], sign: 1 | -1): number[] | undefined {
  const gaps = gapsOf(samples, sign);
  const far = samples.length >= ORDER_SAMPLES ? NEAR_PORTS_IN_ORDER : NEAR_PORTS;
  if (gaps.length >= MIN_SAMPLES - 1 && gaps.every((ports) => ports > 0 && ports <= far)) return gaps;
  const near = gaps.filter(isNear);
  const leaps = gaps.filter((ports) => Math.abs(ports) > LEAP_PORTS);
  const isRegular = near.length + leaps.length === gaps.length && leaps.length * LEAP_EXCEPTIONS <= gaps.length;
  return isRegular && near.length >= MIN_SAMPLES - 1 ? near : undefined;
}

/** A distance that a counter most likely has made, as it is so small. */
function isNear(ports: number): boolean {
  return ports > 0 && ports <= NEAR_PORTS;
}

function gapsOf(samples: readonly PortSample[], sign: 1 | -1): number[] {
  return samples.slice(1).map(({ mapped }, index) => {
    return sign * cyclicDistance(samples[index]?.mapped.port ?? mapped.port, mapped.port);
  });
}

/** By port where they lie so close together that only a counter makes them; else nothing. */
function inPortOrder(samples: readonly PortSample[], sign: 1 | -1): PortSample[] {
  const [first] = samples;
  if (first === undefined) return [];
  const ahead = ({ mapped }: PortSample): number => sign * cyclicDistance(first.mapped.port, mapped.port);
  const sorted = [...samples].sort((a, b) => ahead(a) - ahead(b));
  const range = ahead(sorted.at(-1) ?? first) - ahead(sorted[0] ?? first);
  const isForward = samples.filter((sample) => ahead(sample) > 0).length * 2 > samples.length;
  return isForward && range < DENSE_PORTS * samples.length ? sorted : [];
}

/** The newest sample, unless one of the few before it has been counted further and the order was mixed up. */
function furthest(samples: readonly PortSample[], sign: 1 | -1): { readonly port: number; readonly at: Instant } {
  const [newest, ...before] = samples.toReversed();
  if (newest === undefined) throw new RangeError("no samples");
  let port = newest.mapped.port;
  for (const { mapped } of before.slice(0, 3)) {
    const ahead = sign * cyclicDistance(port, mapped.port);
    if (ahead > 0 && ahead <= NEAR_PORTS) port = mapped.port;
  }
  return { port, at: newest.at };
}

/** Ranges of the blocks that the ports are likely taken from, lowest first; undefined if they may be from anywhere. */
function blocksOf(ports: readonly number[]): PortRange[] | undefined {
  const sorted = [...ports].sort((a, b) => a - b);
  for (const [index, limit] of BLOCK_CHANCES.entries()) {
    const clusters = splitAtWidestGaps(sorted, index + 1);
    if (chanceOf(clusters, sorted.length) >= limit) continue;
    const estimates = clusters.map(likelySizePorts);
    const largest = Math.max(...estimates);
    return mergeRanges(clusters.map((cluster, number) => likelyBlock(cluster, estimates[number] || largest)));
  }
  return undefined;
}

function splitAtWidestGaps(sorted: readonly number[], parts: number): number[][] {
  const gaps = sorted.slice(1).map((port, index) => ({ at: index + 1, ports: port - (sorted[index] ?? port) }));
  const cuts = gaps
    .sort((a, b) => b.ports - a.ports)
    .slice(0, parts - 1)
    .map(({ at }) => at)
    .sort((a, b) => a - b);
  const bounds = [0, ...cuts, sorted.length];
  return bounds.slice(1).map((end, index) => sorted.slice(bounds[index], end));
}

/** How likely ports that are drawn from all lie at least as close together: n r^(n−1) for n of them in a share r of all. */
function chanceOf(clusters: readonly (readonly number[])[], samples: number): number {
  let chance = 1;
  let rest = samples;
  for (const cluster of clusters) {
    const share = rangePorts(cluster) / PORTS;
    chance *= binomial(rest, cluster.length) * cluster.length * share ** (cluster.length - 1);
    rest -= cluster.length;
  }
  return chance;
}

/** Of n samples the range covers (n − 1) / (n + 1) of what they are taken from; 0 for a single one. */
function likelySizePorts(cluster: readonly number[]): number {
  if (cluster.length < 2) return 0;
  return Math.max(MIN_BLOCK_PORTS, (rangePorts(cluster) * (cluster.length + 1)) / (cluster.length - 1));
}

/**
 * Carriers cut the ports into blocks of one size from 0 or 1024 on, mostly a power of two: such a block, if one of a fitting
 * size holds all samples, else a range that reaches beyond them on both sides.
 */
function likelyBlock(cluster: readonly number[], sizePorts: number): PortRange {
  const first = Math.max(LOWEST_PORT, Math.min(...cluster));
  const last = Math.max(first, ...cluster);
  for (let size = MIN_BLOCK_PORTS; size <= 2 * sizePorts; size *= 2) {
    if (size < 0.8 * sizePorts) continue;
    for (const base of [0, LOWEST_PORT]) {
      const start = base + Math.floor((first - base) / size) * size;
      if (last < start + size && start >= LOWEST_PORT)
        return { first: start, last: Math.min(HIGHEST_PORT, start + size - 1) };
    }
  }
  return widen({ first, last }, Math.ceil(0.75 * (sizePorts - (last - first + 1))));
}

function mergeRanges(ranges: readonly PortRange[]): PortRange[] {
  const merged: PortRange[] = [];
  for (const range of [...ranges].sort((a, b) => a.first - b.first)) {
    const before = merged.at(-1);
    if (before === undefined || range.first > before.last + 1) merged.push(range);
    else merged[merged.length - 1] = { first: before.first, last: Math.max(before.last, range.last) };
  }
  return merged;
}

function rangePorts(cluster: readonly number[]): number {
  return Math.max(...cluster) - Math.min(...cluster) + 1;
}

/** From one port forward to another, the shorter way round. */
function cyclicDistance(from: number, to: number): number {
  const ahead = (((to - from) % PORTS) + PORTS) % PORTS;
  return ahead > PORTS / 2 ? ahead - PORTS : ahead;
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}

function binomial(n: number, k: number): number {
  let result = 1;
  for (let i = 1; i <= k; i++) result *= (n - k + i) / i;
  return result;
}
