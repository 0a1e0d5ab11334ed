/**
 * Which external ports a NAT will give to the next sockets behind it.
 *
 * `learnPorts` (port-learner.ts) makes a `PortPattern` of the mappings that STUN servers have seen; `predictPorts` says
 * where the next mappings are likely to be; `PortSequence` (port-sequence.ts) draws one port after the other from that.
 * A pattern is a guess: what it deems unlikely comes late, but never not at all.
 */
import type { Instant } from "../time.ts";

/** Ports that NATs give out; nobody is probed at a lower one. */
export const LOWEST_PORT = 1_024;
export const HIGHEST_PORT = 65_535;
export const PORTS = HIGHEST_PORT - LOWEST_PORT + 1;

/** Both ends included. */
export interface PortRange {
  readonly first: number;
  readonly last: number;
}

export const ALL_PORTS: PortRange = { first: LOWEST_PORT, last: HIGHEST_PORT };

/** How a NAT picks the port of a new mapping (RFC 4787 §4.2), as far as samples show. */
export type PortPattern =
  /** Too few different ports to tell. */
  | { readonly kind: "unknown" }
  /** A new socket's own port outside as well; `ports` are those of the sockets that are meant. */
  | { readonly kind: "preserving"; readonly ports: readonly PortRange[] }
  | SequentialPattern
  /** No order, but within these ranges (likely bounds of a subscriber's port blocks, RFC 6888, RFC 7422). */
  | { readonly kind: "block"; readonly ranges: readonly PortRange[] }
  /** Anywhere. */
  | { readonly kind: "random" };

/** A pattern, and the public address at which it holds. */
export interface PortPrediction {
  /** Null if nothing has been seen. */
  readonly address: string | null;
  readonly pattern: PortPattern;
}

/** Each new mapping `step` further than the one before, whichever host behind the NAT it is for. */
export interface SequentialPattern {
  readonly kind: "sequential";
  /** Not 0; negative if the ports go down. */
  readonly step: number;
  /** The furthest port seen, and when it was given out. */
  readonly last: number;
  readonly at: Instant;
  /** Mappings that other sockets behind the NAT take. */
  readonly othersPerSecond: number;
}

export interface PredictOptions {
  readonly now: Instant;
  /** How many mappings the peer makes from `at` on that would all serve: sockets times destinations. */
  readonly mappings: number;
}

/** Ports that are equally likely, or nearly so: a list in order, the likeliest first, or ranges in no order. */
export type PortGuess =
  | { readonly kind: "list"; readonly ports: readonly number[] }
  | { readonly kind: "ranges"; readonly ranges: readonly PortRange[] };

/** A sequence's window is not longer than this, however long ago the last sample was. */
const MAX_WINDOW = 4_096;
/** Ports of a small block may come in order by chance. */
const NEAR_PORTS = [64, 1_024];

/**
 * Where the next mappings are likely to be: the likeliest guess first, the last one being all ports. Guesses overlap;
 * `PortSequence` draws every port once only.
 */
export function predictPorts(pattern: PortPattern, options: PredictOptions): PortGuess[] {
  const all: PortGuess = { kind: "ranges", ranges: [ALL_PORTS] };
  switch (pattern.kind) {
    case "unknown":
    case "random":
      return [all];
    case "preserving":
      return pattern.ports.length === 0 ? [all] : [{ kind: "ranges", ranges: pattern.ports }, all];
    case "block": {
      const around = pattern.ranges.map(({ first, last }) => widen({ first, last }, last - first + 1));
      return [{ kind: "ranges", ranges: pattern.ranges }, { kind: "ranges", ranges: around }, all];
    }
    case "sequential": {
      const window = sequenceWindow(pattern, options);
      const ports = window.map((offset) => wrapPort(pattern.last + offset * pattern.step));
      const leftOut = between(pattern, window.length);
      const around = NEAR_PORTS.map((byPorts): PortGuess => {
        return { kind: "ranges", ranges: [widen({ first: pattern.last, last: pattern.last }, byPorts)] };
      });
      return [{ kind: "list", ports }, { kind: "list", ports: leftOut }, ...around, all];
    }
  }
}

/**
 * The port in the middle of where `mappings` new ones are expected: if both sides of a pair aim all their sockets at the
 * other's middle, two of them meet although neither knows exactly how far the other's NAT has counted.
 */
export function middlePort(pattern: SequentialPattern, options: PredictOptions): number {
  return wrapPort(pattern.last + Math.round(middleOffset(pattern, options)) * pattern.step);
}

/** How many ports the likely guess holds; all of them where there is none. */
export function likelyPortCount(pattern: PortPattern, options: PredictOptions): number {
  const [likely] = predictPorts(pattern, options);
  if (likely === undefined) return PORTS;
  if (likely.kind === "list") return likely.ports.length;
  return likely.ranges.reduce((sum, { first, last }) => sum + last - first + 1, 0);
}

/** More ports on either side, as far as there are any. */
export function widen({ first, last }: PortRange, byPorts: number): PortRange {
  return { first: Math.max(LOWEST_PORT, first - byPorts), last: Math.min(HIGHEST_PORT, last + byPorts) };
}

/** Brings a port that was counted past the end to the other end. */
export function wrapPort(port: number): number {
  return LOWEST_PORT + ((((port - LOWEST_PORT) % PORTS) + PORTS) % PORTS);
}

function othersSince({ at, othersPerSecond }: SequentialPattern, now: Instant): number {
  return (othersPerSecond * Math.max(0, now - at)) / 1000;
}

function middleOffset(pattern: SequentialPattern, { now, mappings }: PredictOptions): number {
  return Math.min(MAX_WINDOW, othersSince(pattern, now) + (mappings + 1) / 2);
}

/**
 * Steps from the last port on, from the middle outwards. The others' mappings come as chance has it (a Poisson process
 * whose rate is known to within a half at best), so the window grows with time and noise.
 */
function sequenceWindow(pattern: SequentialPattern, options: PredictOptions): number[] {
  const others = othersSince(pattern, options.now);
  const spread = 2 * Math.sqrt(others + 1) + others / 2;
  const furthest = Math.max(1, Math.min(MAX_WINDOW, Math.ceil(others + spread + options.mappings)));
  const middle = middleOffset(pattern, options);
  const offsets = Array.from({ length: furthest }, (_, index) => index + 1);
  return offsets.sort((a, b) => Math.abs(a - middle) - Math.abs(b - middle) || a - b);
}

/** The ports that a step of more than one leaves out, in case the step is misjudged. */
function between({ step, last }: SequentialPattern, windowSteps: number): number[] {
  const length = Math.min(MAX_WINDOW, Math.abs(step) * windowSteps);
  return Array.from({ length }, (_, index) => wrapPort(last + Math.sign(step) * (index + 1)));
}
