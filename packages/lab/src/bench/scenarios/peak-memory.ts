import { usageOf } from "../process-usage.ts";
import { PLAIN, type Scenario } from "../scenario.ts";

/** Largest resident size of an end's process so far: listed last, it covers the load of all the others. */
export const PEAK_MEMORY: Scenario = {
  metrics: { peakMemory: { unit: "MiB", better: "lower" } },
  setting: PLAIN,
  measure(tunnel) {
    if (tunnel.processGroups.length === 0) return Promise.resolve({});
    return Promise.resolve({ peakMemory: usageOf(tunnel.processGroups).peakMemoryBytes / (1 << 20) });
  },
};
