import type { RelayStatus } from "@asterism/relay";
import { Counter, type Registry } from "prom-client";
import { addGauge } from "./server-metrics.ts";

/** What the relay inside the server does, read when somebody looks. Listed in docs/metrics.md. */
export function addRelayMetrics(registry: Registry, status: () => RelayStatus): void {
  addGauge(registry, {
    name: "asterism_relay_allocations",
    help: "Relayed addresses that clients hold",
    read: (gauge) => gauge.set(status().allocations),
  });
  addGauge(registry, {
    name: "asterism_relay_connections",
    help: "Connections over TCP and TLS",
    read: (gauge) => gauge.set(status().connections),
  });
  addCounter(registry, "asterism_relay_requests_total", "STUN and TURN requests", [], () => [
    [{}, status().requests.requests],
  ]);
  addCounter(registry, "asterism_relay_answers_total", "Answers to them, errors included", [], () => [
    [{}, status().requests.answers],
  ]);
  addCounter(registry, "asterism_relay_errors_total", "Error answers by code", ["code"], () =>
    Object.entries(status().requests.errors).map(([code, count]) => [{ code }, count]),
  );
  addCounter(registry, "asterism_relay_drops_total", "What was dropped, by kind and reason", ["kind", "reason"], () => {
    const { requests, dataDrops, streamDrops } = status();
    return Object.entries({ request: requests.drops, data: dataDrops, stream: streamDrops }).flatMap(([kind, drops]) =>
      Object.entries(drops).map(([reason, count]) => [{ kind, reason }, count ?? 0] as const),
    );
  });
}

/** A counter that somebody else counts. */
function addCounter<L extends string>(
  registry: Registry,
  name: string,
  help: string,
  labelNames: readonly L[],
  read: () => readonly (readonly [Partial<Record<L, string>>, number])[],
): void {
  const counter: Counter<L> = new Counter<L>({
    name,
    help,
    labelNames,
    registers: [registry],
    collect: () => {
      counter.reset();
      for (const [labels, count] of read()) counter.inc(labels, count);
    },
  });
}
