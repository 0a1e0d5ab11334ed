import type { PortPattern } from "./nat-types.ts";

/** Larger steps look like chance. */
const MAX_STEP = 32;
/** Samples that are needed to speak of a block, and the largest range that is one. */
const MIN_BLOCK_SAMPLES = 4;
const MAX_BLOCK_PORTS = 8_192;

/** `ports`: of distinct mappings of one socket, in the order in which they were asked for. */
export function portPattern(localPort: number, ports: readonly number[]): PortPattern {
  const [first] = ports;
  if (first === undefined) return { kind: "unknown" };
  // A second mapping of the same socket can't have the same port again at the same address.
  if (first === localPort) return { kind: "preserving" };
  if (ports.length < 3) return { kind: "unknown" };
  const step = commonStep(ports);
  const last = ports.at(-1) ?? first;
  if (step !== undefined) return { kind: "sequential", step, last };
  const lowest = Math.min(...ports);
  const highest = Math.max(...ports);
  const rangePorts = highest - lowest + 1;
  const isBlock = ports.length >= MIN_BLOCK_SAMPLES && rangePorts <= MAX_BLOCK_PORTS;
  if (!isBlock) return { kind: "random", block: null };
  // The range of n samples covers (n − 1) / (n + 1) of what they are taken from.
  const estimatePorts = (rangePorts * (ports.length + 1)) / (ports.length - 1);
  const likelySizePorts = 2 ** Math.ceil(Math.log2(estimatePorts));
  return { kind: "random", block: { lowest, highest, likelySizePorts } };
}

/**
 * The distance of consecutive mappings. A lost packet changes their order and other hosts take ports in between, so the
 * smallest distance counts, and others may be small multiples of it.
 */
function commonStep(ports: readonly number[]): number | undefined {
  const sorted = [...ports].sort((a, b) => a - b);
  const steps = sorted.slice(1).map((port, index) => port - (sorted[index] ?? 0));
  const step = Math.min(...steps);
  const isRegular = step > 0 && steps.every((distance) => distance <= MAX_STEP && distance % step === 0);
  if (!isRegular) return undefined;
  return (ports.at(-1) ?? 0) >= (ports[0] ?? 0) ? step : -step;
}
