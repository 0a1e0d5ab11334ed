import { VERSION } from "@asterism/core/version";
import { Counter, Gauge, Histogram, Registry } from "prom-client";

/** From a LAN to a mobile network with loss. */
const CONNECT_BUCKETS_SECONDS = [0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1, 2, 5, 10, 30, 60];

/** What the server counts. Nothing in here names a user, a device or an address. Listed in docs/metrics.md. */
export interface ServerMetrics {
  readonly registry: Registry;
  readonly joins: Counter<"result">;
  readonly calls: Counter<"result">;
  readonly messagesSent: Counter<"type">;
  readonly messagesReceived: Counter<"type">;
  readonly streamsEnded: Counter<"reason">;
  readonly reportedPairs: Counter<"result">;
  readonly connections: Counter<"nats" | "kind">;
  readonly firstPing: Histogram<"nats">;
  readonly direct: Histogram<"nats">;
}

export function createServerMetrics(): ServerMetrics {
  const registry = new Registry();
  const counter = <L extends string>(name: string, help: string, ...labelNames: L[]) =>
    new Counter({ name: `asterism_server_${name}_total`, help, labelNames, registers: [registry] });
  const duration = (name: string, help: string) =>
    new Histogram({ name, help, labelNames: ["nats"], buckets: CONNECT_BUCKETS_SECONDS, registers: [registry] });
  addProcessMetrics(registry);
  return {
    registry,
    joins: counter("joins", "Join requests by result: joined or the error's code", "result"),
    calls: counter("calls", "Calls by result: forwarded or why they failed", "result"),
    messagesSent: counter("messages_sent", "Control messages to agents by type", "type"),
    messagesReceived: counter("messages_received", "Control messages of agents by type", "type"),
    streamsEnded: counter("streams_ended", "Control streams that the server ended, by reason", "reason"),
    reportedPairs: counter("reported_pairs", "Pairs in agents' reports: counted, ignored or rate-limited", "result"),
    connections: new Counter({
      name: "asterism_pair_connections_total",
      help: "Pairs that agents reported, by their NATs and how they are connected",
      labelNames: ["nats", "kind"],
      registers: [registry],
    }),
    firstPing: duration("asterism_pair_first_ping_seconds", "From the first packet to the first answer, by NAT pair"),
    direct: duration("asterism_pair_direct_seconds", "From the first packet to the first direct path, by NAT pair"),
  };
}

/** A gauge that is read when somebody looks. */
export function addGauge<L extends string = never>(
  registry: Registry,
  options: {
    readonly name: string;
    readonly help: string;
    readonly labelNames?: readonly L[];
    readonly read: (gauge: Gauge<L>) => void | Promise<void>;
  },
): void {
  const { name, help, labelNames = [], read } = options;
  const gauge: Gauge<L> = new Gauge<L>({
    name,
    help,
    labelNames,
    registers: [registry],
    collect: async () => {
      gauge.reset();
      await read(gauge);
    },
  });
}

/** The standard names of Prometheus for what a process uses. */
function addProcessMetrics(registry: Registry): void {
  addGauge(registry, {
    name: "asterism_server_info",
    help: "Always 1; the label says which version runs",
    labelNames: ["version"],
    read: (gauge) => gauge.set({ version: VERSION }, 1),
  });
  addGauge(registry, {
    name: "process_start_time_seconds",
    help: "When the process was started, in seconds since 1970",
    read: (gauge) => gauge.set(Math.round(performance.timeOrigin / 1000)),
  });
  addGauge(registry, {
    name: "process_resident_memory_bytes",
    help: "Memory of the process",
    read: (gauge) => gauge.set(process.memoryUsage.rss()),
  });
  addGauge(registry, {
    name: "process_cpu_seconds_total",
    help: "Processor time of the process",
    read: (gauge) => {
      const { user, system } = process.cpuUsage();
      gauge.set((user + system) / 1e6);
    },
  });
}
