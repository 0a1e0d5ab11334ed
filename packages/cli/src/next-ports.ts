import type { NextPorts } from "@asterism/core/local-api";

/** `sequential, +2 after 5004`, `out of 5120–5631`; empty if nothing is known. */
export function formatNextPorts({ kind, step, last, othersPerSecond, ranges }: NextPorts): string {
  const bounds = ranges.map(({ first, last: end }) => (first === end ? `${first}` : `${first}–${end}`)).join(", ");
  switch (kind) {
    case "unknown":
      return "";
    case "sequential": {
      const others = (othersPerSecond ?? 0) > 0 ? `, others take ${othersPerSecond} a second` : "";
      return `sequential, ${(step ?? 1) > 0 ? "+" : "−"}${Math.abs(step ?? 1)} after ${last}${others}`;
    }
    case "block":
      return `out of ${bounds}`;
    default:
      return kind;
  }
}
