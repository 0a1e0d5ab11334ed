import { natPairLabel, type PairReport } from "@asterism/core/control";
import type { MeshPeer } from "@asterism/core/mesh";
import { summariseNats } from "@asterism/core/nat";
import { VERSION } from "@asterism/core/version";
import { Counter, Histogram, Registry } from "prom-client";
import type { MeshShell } from "../overlay/mesh-shell.ts";
import type { OverlayNetwork } from "../overlay/overlay-network.ts";
import { pathKind } from "../overlay/path-kind.ts";
import { addCounter, addGauge } from "./collected.ts";
import { addLinkMetrics } from "./link-metrics.ts";

/** As in the server's statistics: from a LAN to a mobile network with loss. */
const CONNECT_BUCKETS_SECONDS = [0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1, 2, 5, 10, 30, 60];

/** What an agent counts. Nothing in here names a device, a user or an address but that of a link. Listed in docs/metrics.md. */
export interface AgentMetrics {
  readonly registry: Registry;
  countPair(pair: PairReport): void;
}

/** `networks` is asked whenever somebody reads the metrics. */
export function createAgentMetrics(networks: () => readonly OverlayNetwork[]): AgentMetrics {
  const registry = new Registry();
  addProcessGauges(registry);
  addNetworkGauges(registry, networks);
  addNatGauges(registry, networks);
  addTrafficCounters(registry, networks);
  addLinkMetrics(registry, networks);
  return { registry, countPair: pairCounters(registry) };
}

function pairCounters(registry: Registry): (pair: PairReport) => void {
  const registers = [registry];
  const duration = (name: string, help: string): Histogram<"nats"> =>
    new Histogram({ name, help, labelNames: ["nats"], buckets: CONNECT_BUCKETS_SECONDS, registers });
  const connections = new Counter({
    name: "asterism_agent_pair_connections_total",
    help: "Pairs that this agent opened, by their NATs and how they are connected",
    labelNames: ["nats", "kind"],
    registers,
  });
  const first = duration("asterism_agent_pair_first_ping_seconds", "From the first packet to the first answer");
  const direct = duration("asterism_agent_pair_direct_seconds", "From the first packet to the first direct path");
  return ({ natA, natB, kind, firstPingMs, directMs }) => {
    const nats = natPairLabel(natA, natB);
    connections.inc({ nats, kind });
    if (firstPingMs !== null) first.observe({ nats }, firstPingMs / 1000);
    if (directMs !== null) direct.observe({ nats }, directMs / 1000);
  };
}

function addNetworkGauges(registry: Registry, networks: () => readonly OverlayNetwork[]): void {
  addGauge(registry, "asterism_agent_networks", "Networks that this agent is in, by state", ["state"], (gauge) => {
    for (const { state } of networks()) gauge.inc({ state });
  });
  addGauge(
    registry,
    "asterism_agent_server_connected",
    "Whether the control stream of the network is up",
    ["network"],
    (gauge) => {
      for (const { membership, control } of networks()) {
        gauge.set({ network: membership.network.name }, control?.connected === true ? 1 : 0);
      }
    },
  );
  addGauge(
    registry,
    "asterism_agent_peers",
    "Peers with a session, by how packets travel to them",
    ["network", "path"],
    (gauge) => {
      forEachShell(networks, (network, shell) => {
        for (const path of ["direct", "relayed", "none"]) gauge.set({ network, path }, 0);
        for (const nodeId of shell.connectedPeers()) {
          const peer = shell.mesh.peers.get(nodeId);
          if (peer !== undefined) gauge.inc({ network, path: pathKind(peer) });
        }
      });
    },
  );
}

function addNatGauges(registry: Registry, networks: () => readonly OverlayNetwork[]): void {
  addGauge(
    registry,
    "asterism_agent_nat",
    "Always 1; the labels say what is known of the NAT in front of this machine",
    ["network", "ip_version", "type"],
    (gauge) => {
      forEachShell(networks, (network, { mesh }) => {
        for (const { family, type } of summariseNats(mesh.gathering().nats)) {
          gauge.set({ network, ip_version: String(family), type }, 1);
        }
      });
    },
  );
  addGauge(
    registry,
    "asterism_agent_relay_allocations",
    "Relayed addresses that relays hold for this machine",
    ["network"],
    (gauge) => {
      forEachShell(networks, (network, { mesh }) => {
        const { candidates } = mesh.gathering();
        gauge.set({ network }, candidates.filter(({ kind }) => kind === "relayed").length);
      });
    },
  );
}

function addTrafficCounters(registry: Registry, networks: () => readonly OverlayNetwork[]): void {
  addCounter(
    registry,
    "asterism_agent_packets_total",
    "Data packets through the tunnels to present peers",
    ["network", "direction", "path"],
    (counter) => {
      forEachPeer(networks, (network, peer, shell) => {
        const counters = shell.counters(peer.peer.nodeId);
        if (counters === undefined) return;
        const { txPackets, rxPackets, txRelayedPackets, rxRelayedPackets } = counters;
        counter.inc({ network, direction: "out", path: "direct" }, txPackets - txRelayedPackets);
        counter.inc({ network, direction: "out", path: "relayed" }, txRelayedPackets);
        counter.inc({ network, direction: "in", path: "direct" }, rxPackets - rxRelayedPackets);
        counter.inc({ network, direction: "in", path: "relayed" }, rxRelayedPackets);
      });
    },
  );
  addCounter(
    registry,
    "asterism_agent_bytes_total",
    "Bytes on the paths that are in the tables of present peers",
    ["network", "direction", "path"],
    (counter) => {
      forEachPeer(networks, (network, peer, shell) => {
        for (const used of shell.pathCounters(peer.peer.nodeId)) {
          const path = peer.isRelayed(used) ? "relayed" : "direct";
          counter.inc({ network, direction: "out", path }, used.txBytes);
          counter.inc({ network, direction: "in", path }, used.rxBytes);
        }
      });
    },
  );
  addCounter(
    registry,
    "asterism_agent_drops_total",
    "Packets and messages that were thrown away, by reason",
    ["network", "reason"],
    (counter) => {
      forEachShell(networks, (network, { device, mesh }) => {
        for (const drops of [device.readDrops(), mesh.drops]) {
          for (const [reason, count] of Object.entries(drops)) if (count > 0) counter.inc({ network, reason }, count);
        }
      });
    },
  );
}

function addProcessGauges(registry: Registry): void {
  addGauge(registry, "asterism_agent_info", "Always 1; the label says which version runs", ["version"], (gauge) =>
    gauge.set({ version: VERSION }, 1),
  );
  addGauge(registry, "process_start_time_seconds", "When the process was started, in seconds since 1970", [], (gauge) =>
    gauge.set(Math.round(performance.timeOrigin / 1000)),
  );
  addGauge(registry, "process_resident_memory_bytes", "Memory of the process", [], (gauge) =>
    gauge.set(process.memoryUsage.rss()),
  );
  addGauge(registry, "process_cpu_seconds_total", "Processor time of the process", [], (gauge) => {
    const { user, system } = process.cpuUsage();
    gauge.set((user + system) / 1e6);
  });
}

function forEachShell(
  networks: () => readonly OverlayNetwork[],
  read: (network: string, shell: MeshShell) => void,
): void {
  for (const { membership, shell } of networks()) if (shell !== undefined) read(membership.network.name, shell);
}

function forEachPeer(
  networks: () => readonly OverlayNetwork[],
  read: (network: string, peer: MeshPeer, shell: MeshShell) => void,
): void {
  forEachShell(networks, (network, shell) => {
    for (const peer of shell.mesh.peers.values()) read(network, peer, shell);
  });
}
