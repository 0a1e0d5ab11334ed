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
  /** Round trip times in order of arrival, duplicates included. */
  readonly rttsMs: readonly number[];
  readonly duplicates: number;
}

export function pingArguments(address: string, options: PingOptions): string[] {
  const argv = ["ping", "-n", "-c", String(options.count ?? 1), "-i", String((options.intervalMs ?? 200) / 1e3)];
  argv.push("-W", String((options.timeoutMs ?? 1_000) / 1e3));
  if (options.sizeBytes !== undefined) argv.push("-s", String(options.sizeBytes));
  if (options.dontFragment === true) argv.push("-M", "do");
  if (options.interfaceName !== undefined) argv.push("-I", options.interfaceName);
  return [...argv, address];
}

/** Reads the output of iputils ping. */
export function parsePing(output: string): PingResult {
  const rttsMs = [...output.matchAll(/ time=([\d.]+) ms/g)].map((match) => Number(match[1]));
  const summary = /(\d+) packets transmitted, (\d+) received/.exec(output);
  return {
    sent: Number(summary?.[1] ?? 0),
    received: Number(summary?.[2] ?? 0),
    rttsMs,
    duplicates: [...output.matchAll(/\(DUP!\)/g)].length,
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
