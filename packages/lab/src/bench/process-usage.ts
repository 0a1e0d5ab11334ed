import { readdirSync, readFileSync } from "node:fs";

const TICKS_PER_SECOND = 100;

/** What the processes of some process groups have used so far. */
export interface Usage {
  readonly cpuSeconds: number;
  /** Largest resident size that any one of them has had. */
  readonly peakMemoryBytes: number;
}

export function usageOf(processGroups: readonly number[]): Usage {
  const wanted = new Set(processGroups);
  let cpuTicks = 0;
  let peakMemoryBytes = 0;
  for (const pid of readdirSync("/proc")) {
    if (!/^\d+$/.test(pid)) continue;
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
      // Fields 5 (process group), 14 and 15 (user and system time), counted from behind the command name.
      const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      if (!wanted.has(Number(fields[2]))) continue;
      cpuTicks += Number(fields[11]) + Number(fields[12]);
      const peakKb = /^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
      peakMemoryBytes = Math.max(peakMemoryBytes, Number(peakKb ?? 0) * 1_024);
    } catch {
      // The process ended while it was read.
    }
  }
  return { cpuSeconds: cpuTicks / TICKS_PER_SECOND, peakMemoryBytes };
}
