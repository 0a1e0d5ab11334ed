export interface PingOptions {
  readonly count?: number;
  readonly intervalMs?: number;
  /** How long to wait for the last answer. */
  readonly timeoutMs?: number;
  readonly sizeBytes?: number;
  /** Forbid fragmentation, to find a path's MTU. */
  readonly dontFragment?: boolean;
  readonly interfaceName?: string;
}

export interface PingResult {
  readonly sent: number;
  readonly received: number;
  /** Round trip times in order of arrival; those of repeated answers are not among them. */
  readonly rttsMs: readonly number[];
}

/** For fping: ping itself ends two round trips after its last request, whatever it is told, once one answer has come. */
export function pingArguments(address: string, options: PingOptions): string[] {
  const argv = ["fping", "-c", String(options.count ?? 1), "-p", String(options.intervalMs ?? 200), "-i", "1"];
  argv.push("-t", String(options.timeoutMs ?? 1_000));
  if (options.sizeBytes !== undefined) argv.push("-b", String(options.sizeBytes));
  if (options.dontFragment === true) argv.push("-M");
  if (options.interfaceName !== undefined) argv.push("-I", options.interfaceName);
  return [...argv, address];
}

/** Reads what fping prints on both outputs together. */
export function parsePing(output: string): PingResult {
  const rttsMs = [...output.matchAll(/ bytes, ([\d.]+) ms/g)].map((match) => Number(match[1]));
  const summary = /xmt\/rcv\/%loss = (\d+)\/(\d+)\//.exec(output);
  return {
    sent: Number(summary?.[1] ?? 0),
    received: Number(summary?.[2] ?? 0),
    rttsMs,
  };
}

/** The value below which `share` of the values lie (nearest rank); NaN without values. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const rank = Math.min(sorted.length - 1, Math.max(0, Math.ceil(share * sorted.length) - 1));
  return sorted[rank] ?? Number.NaN;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}
