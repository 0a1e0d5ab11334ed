import type { NextPorts } from "../local-api/index.ts";
import type { NatReport, PortPrediction, PortRange } from "../nat/index.ts";

/** What a report tells of the ports that a NAT will give out next. */
export function nextPorts({ address, pattern }: PortPrediction): NextPorts {
  const none = { address, kind: pattern.kind, step: null, last: null, othersPerSecond: null, ranges: [] };
  switch (pattern.kind) {
    case "sequential": {
      const { step, last, othersPerSecond } = pattern;
      return { ...none, step, last, othersPerSecond: Math.round(othersPerSecond * 10) / 10 };
    }
    case "block":
      return { ...none, ranges: pattern.ranges.map(copy) };
    case "preserving":
      return { ...none, ranges: pattern.ports.map(copy) };
    default:
      return none;
  }
}

/** Null where it does not matter: without a NAT, and where one mapping serves all peers. */
export function nextPortsOf({ type, mapping, ports }: NatReport): NextPorts | null {
  return type === "none" || mapping === "endpoint-independent" || ports.address === null ? null : nextPorts(ports);
}

function copy({ first, last }: PortRange): { first: number; last: number } {
  return { first, last };
}
