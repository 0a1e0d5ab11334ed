import type { PairReport } from "@asterism/core/control";
import type { OverlayNetwork } from "../overlay/overlay-network.ts";
import { createAgentMetrics } from "./agent-metrics.ts";
import { MetricsServer } from "./metrics-server.ts";

export interface ServedMetrics {
  countPair(pair: PairReport): void;
  stop(): Promise<void>;
}

/** @throws AsterismError `invalid-input`, `address-in-use`, `permission-denied` */
export async function serveMetrics(address: string, networks: () => readonly OverlayNetwork[]): Promise<ServedMetrics> {
  const metrics = createAgentMetrics(networks);
  const server = await MetricsServer.start(address, metrics.registry);
  return { countPair: (pair) => metrics.countPair(pair), stop: () => server.stop() };
}
