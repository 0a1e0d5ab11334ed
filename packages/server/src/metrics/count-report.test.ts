import type { PairReport } from "@asterism/core/control";
import { expect, it } from "vitest";
import { countReport } from "./count-report.ts";
import { createServerMetrics } from "./server-metrics.ts";

const pair = (peer: string, fields: Partial<PairReport> = {}): PairReport => ({
  peer,
  kind: "direct",
  firstPingMs: 40,
  directMs: 250,
  natA: "symmetric",
  natB: "full cone",
  ...fields,
});

async function textAfter(...pairs: PairReport[]): Promise<string> {
  const metrics = createServerMetrics();
  countReport(metrics, { type: "report", pairs }, (nodeId) => nodeId.startsWith("node-"));
  return await metrics.registry.metrics();
}

it("both orders of two NATs are one pair", async () => {
  const text = await textAfter(pair("node-a"), pair("node-b", { natA: "full cone", natB: "symmetric" }));
  expect(text).toContain('asterism_pair_connections_total{nats="full cone – symmetric",kind="direct"} 2');
  expect(text).toContain('asterism_pair_direct_seconds_bucket{le="0.3",nats="full cone – symmetric"} 2');
  expect(text).toContain('asterism_pair_direct_seconds_bucket{le="0.2",nats="full cone – symmetric"} 0');
  expect(text).toContain('asterism_pair_first_ping_seconds_sum{nats="full cone – symmetric"} 0.08');
});

it("what did not happen has no time", async () => {
  const text = await textAfter(pair("node-a", { kind: "relayed", firstPingMs: null, directMs: null }));
  expect(text).toContain('kind="relayed"} 1');
  expect(text).not.toContain("asterism_pair_direct_seconds_count{");
  expect(text).not.toContain("asterism_pair_first_ping_seconds_count{");
});

it("each peer counts once, strangers not at all, and nobody is named", async () => {
  const text = await textAfter(pair("node-a"), pair("node-a"), pair("stranger"));
  expect(text).toContain('asterism_server_reported_pairs_total{result="counted"} 1');
  expect(text).toContain('asterism_server_reported_pairs_total{result="ignored"} 2');
  expect(text).not.toMatch(/node-a|stranger/);
});

it("invented NATs make no new time series", async () => {
  const many = Array.from({ length: 50 }, (_, index) => pair(`node-${index}`, { natA: `nat ${index}` }));
  const text = await textAfter(...many);
  expect(text.match(/^asterism_pair_connections_total\{.*$/gm)).toEqual([
    'asterism_pair_connections_total{nats="full cone – other",kind="direct"} 50',
  ]);
});
