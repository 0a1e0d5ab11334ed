/**
 * What a peer tells in its calls about the ports that its NAT will give out, so that we know where to probe.
 *
 * It is a hint to the order in which ports of one of the peer's candidate addresses are tried: a lie costs the liar
 * its path, and makes us send neither more nor elsewhere.
 */
import { formatIpAddress, parseIpAddress } from "../addresses/index.ts";
import {
  HIGHEST_PORT,
  LOWEST_PORT,
  type NatReport,
  type PortPattern,
  type PortPrediction,
  type PortRange,
} from "../nat/index.ts";
import { addMs, type Instant } from "../time.ts";
import type { RemoteCandidate } from "./candidate.ts";

/** A prediction without the sender's clock. */
export interface OfferedPorts {
  /** Of the mappings; one of the sender's candidates has it, too. */
  readonly address: string;
  /** Its `at`, if it has one, is 0. */
  readonly pattern: KnownPattern;
  /** How long ago the last port was given out, when the call was made. */
  readonly ageMs: number;
}

type KnownPattern = Exclude<PortPattern, { kind: "unknown" }>;

export const MAX_OFFERED_PORTS = 4;
const MAX_RANGES = 8;
const MAX_STEP = 1_024;
const MAX_OTHERS_PER_SECOND = 10_000;
const MAX_AGE_MS = 600_000;
const NO_TIME = 0 as Instant;

/** What is worth telling: only where a NAT gives each destination another port does anybody ask which. */
export function offerPorts(nats: readonly NatReport[], now: Instant): OfferedPorts[] {
  const offers = new Map<string, OfferedPorts>();
  for (const { mapping, type, ports } of nats) {
    const { address, pattern } = ports;
    if (address === null || pattern.kind === "unknown" || mapping === "endpoint-independent" || type === "none")
      continue;
    const isTimed = pattern.kind === "sequential";
    const ageMs = isTimed ? Math.min(MAX_AGE_MS, Math.max(0, Math.round(now - pattern.at))) : 0;
    offers.set(address, { address, pattern: isTimed ? { ...pattern, at: NO_TIME } : pattern, ageMs });
  }
  return [...offers.values()].slice(0, MAX_OFFERED_PORTS);
}

/** What a peer has told in a call that came now, by our clock; only what is about its candidates. */
export function predictionsOf(
  offered: readonly OfferedPorts[],
  candidates: readonly RemoteCandidate[],
  now: Instant,
): PortPrediction[] {
  // A relayed address is the relay's, not the peer's.
  const own = new Set(candidates.flatMap(({ kind, address }) => (kind === "relayed" ? [] : address.address)));
  return offered
    .filter(({ address }) => own.has(address))
    .map(({ address, pattern, ageMs }) => {
      return { address, pattern: pattern.kind === "sequential" ? { ...pattern, at: addMs(now, -ageMs) } : pattern };
    });
}

/** Fields for the JSON of a call. */
export function offeredPortsFields({ address, pattern, ageMs }: OfferedPorts): Record<string, unknown> {
  switch (pattern.kind) {
    case "random":
      return { address, kind: pattern.kind };
    case "preserving":
      return { address, kind: pattern.kind, ranges: pattern.ports.slice(0, MAX_RANGES).map(pairOf) };
    case "block":
      return { address, kind: pattern.kind, ranges: pattern.ranges.slice(0, MAX_RANGES).map(pairOf) };
    case "sequential": {
      const { kind, step, last, othersPerSecond } = pattern;
      return { address, kind, step, last, othersPerSecond: Math.round(othersPerSecond * 100) / 100, ageMs };
    }
  }
}

/** Of the field of a call; what is malformed or of a kind that is not known is left out. */
export function parseOfferedPorts(value: unknown): OfferedPorts[] | undefined {
  if (!Array.isArray(value) || value.length > MAX_OFFERED_PORTS) return undefined;
  return value.flatMap((entry) => parseEntry(entry) ?? []);
}

function parseEntry(entry: unknown): OfferedPorts | undefined {
  if (typeof entry !== "object" || entry === null) return undefined;
  const fields = entry as Record<string, unknown>;
  const ip = typeof fields["address"] === "string" ? parseIpAddress(fields["address"]) : undefined;
  const pattern = parsePattern(fields);
  const { ageMs = 0 } = fields;
  if (ip === undefined || pattern === undefined || !isNumberBetween(ageMs, 0, MAX_AGE_MS)) return undefined;
  return { address: formatIpAddress(ip), pattern, ageMs };
}

function parsePattern({
  kind,
  ranges,
  step,
  last,
  othersPerSecond,
}: Record<string, unknown>): KnownPattern | undefined {
  const parsed = parseRanges(ranges);
  switch (kind) {
    case "random":
      return { kind };
    case "preserving":
      return parsed === undefined ? undefined : { kind, ports: parsed };
    case "block":
      return parsed === undefined || parsed.length === 0 ? undefined : { kind, ranges: parsed };
    case "sequential": {
      const isStep = isNumberBetween(step, -MAX_STEP, MAX_STEP) && Number.isInteger(step) && step !== 0;
      if (!isStep || !isPort(last) || !isNumberBetween(othersPerSecond, 0, MAX_OTHERS_PER_SECOND)) return undefined;
      return { kind, step, last, at: NO_TIME, othersPerSecond };
    }
    default:
      return undefined;
  }
}

function parseRanges(value: unknown): PortRange[] | undefined {
  if (!Array.isArray(value) || value.length > MAX_RANGES) return undefined;
  const ranges: PortRange[] = [];
  for (const entry of value as unknown[]) {
    const [first, last] = Array.isArray(entry) ? (entry as unknown[]) : [];
    if (!isPort(first) || !isPort(last) || last < first) return undefined;
    ranges.push({ first, last });
  }
  return ranges;
}

function pairOf({ first, last }: PortRange): [number, number] {
  return [first, last];
}

function isPort(value: unknown): value is number {
  return isNumberBetween(value, LOWEST_PORT, HIGHEST_PORT) && Number.isInteger(value);
}

function isNumberBetween(value: unknown, min: number, max: number): value is number {
  return typeof value === "number" && value >= min && value <= max;
}
