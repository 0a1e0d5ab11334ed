/** What the pattern of our own NAT's ports means for the sockets that are opened behind it. */
import { middlePort, type PortPrediction, type SequentialPattern } from "../../nat/index.ts";
import type { Instant } from "../../time.ts";
import { AIMED_SOCKETS, BLOCK_SHARE, MAX_ATTEMPT_SOCKETS, MIN_BLOCK_SOCKETS } from "./punch-limits.ts";

/** The counter that gives out the ports of this address; undefined if none is known to. */
export function counterAt(predictions: readonly PortPrediction[], address: string): SequentialPattern | undefined {
  const pattern = predictions.find((prediction) => prediction.address === address)?.pattern;
  return pattern?.kind === "sequential" ? pattern : undefined;
}

/** Where the peer should aim at, as one of `AIMED_SOCKETS` sockets opened now will surely have that port. */
export function portToAimAt(counter: SequentialPattern, now: Instant): number {
  return middlePort(counter, { now, mappings: AIMED_SOCKETS });
}

/** How many sockets one attempt may open behind this address. */
export function maxSocketsAt(predictions: readonly PortPrediction[], address: string): number {
  const pattern = predictions.find((prediction) => prediction.address === address)?.pattern;
  if (pattern?.kind !== "block") return MAX_ATTEMPT_SOCKETS;
  const ports = pattern.ranges.reduce((sum, { first, last }) => sum + last - first + 1, 0);
  return Math.min(MAX_ATTEMPT_SOCKETS, Math.max(MIN_BLOCK_SOCKETS, Math.floor(ports / BLOCK_SHARE)));
}
