import { natPairLabel, type PairReport, type ReportMessage } from "@asterism/core/control";
import type { ServerMetrics } from "./server-metrics.ts";

/**
 * Adds an agent's report to the statistics. Only pairs with peers that `isPeer` knows count, each once; who they were is
 * forgotten here.
 */
export function countReport(metrics: ServerMetrics, report: ReportMessage, isPeer: (nodeId: string) => boolean): void {
  const counted = new Set<string>(); // bounded: MAX_REPORTED_PAIRS
  for (const pair of report.pairs) {
    if (counted.has(pair.peer) || !isPeer(pair.peer)) continue;
    counted.add(pair.peer);
    countPair(metrics, pair);
  }
  metrics.reportedPairs.inc({ result: "counted" }, counted.size);
  metrics.reportedPairs.inc({ result: "ignored" }, report.pairs.length - counted.size);
}

function countPair(metrics: ServerMetrics, { kind, firstPingMs, directMs, natA, natB }: PairReport): void {
  const nats = natPairLabel(natA, natB);
  metrics.connections.inc({ nats, kind });
  if (firstPingMs !== null) metrics.firstPing.observe({ nats }, firstPingMs / 1000);
  if (directMs !== null) metrics.direct.observe({ nats }, directMs / 1000);
}
