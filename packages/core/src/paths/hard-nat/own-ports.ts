/** What the pattern of our own NAT's ports means for the sockets that are opened behind it. */
import { middlePort, type PortPrediction, type SequentialPattern } from "../../nat/index.ts";
import type { Instant } from "../../time.ts";
import { AIMED_SOCKETS, AIMED_VOLLEYS, BLOCK_SHARE, MAX_ATTEMPT_SOCKETS, MIN_BLOCK_SOCKETS } from "./punch-limits.ts";

/** The counter that gives out the ports of this address; undefined if none is known to. */
export function counterAt(predictions: readonly PortPrediction[], address: string): SequentialPattern | undefined {
  const pattern = predictions.find((prediction) => prediction.address === address)?.pattern;
  return pattern?.kind === "sequential" ? pattern : undefined;
}

/**
 * Where the peer should aim at, volley by volley: of `AIMED_SOCKETS` sockets opened now, and of as many that follow, one
 * most likely has that port.
 */
export function portsToAimAt(counter: SequentialPattern, now: Instant): number[] {
  return Array.from({ length: AIMED_VOLLEYS }, (_, volley) => {
    // The middle of so many mappings is that of the volley: the same number lie before and behind it.
    return middlePort(counter, { now, mappings: (2 * volley + 1) * AIMED_SOCKETS });
  });
}

/** How many sockets one attempt may open behind this address. */
export function maxSocketsAt(predictions: readonly PortPrediction[], address: string): number {
  const pattern = predictions.find((prediction) => prediction.address === address)?.pattern;
  if (pattern?.kind !== "block") return MAX_ATTEMPT_SOCKETS;
  const ports = pattern.ranges.reduce((sum, { first, last }) => sum + last - first + 1, 0);
  return Math.min(MAX_ATTEMPT_SOCKETS, Math.max(MIN_BLOCK_SOCKETS, Math.floor(ports / BLOCK_SHARE)));
}
