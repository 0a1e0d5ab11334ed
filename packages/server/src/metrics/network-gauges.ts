import type { ServerContext } from "../context.ts";
import { listNetworks } from "../store/networks.ts";
import { countNodes } from "../store/nodes.ts";
import { listRelays } from "../store/relays.ts";
import type { StreamHub } from "../streams/hub.ts";
import { addGauge } from "./server-metrics.ts";

/** What is there at the moment: members, streams, map versions, relays. Read from the database when somebody looks. */
export function addNetworkGauges(context: ServerContext, hub: StreamHub): void {
  const { db, metrics } = context;
  addGauge(metrics.registry, {
    name: "asterism_server_members",
    help: "Devices that have joined, by network",
    labelNames: ["network"],
    read: async (gauge) => {
      for (const { id, name } of await listNetworks(db)) gauge.set({ network: name }, await countNodes(db, id));
    },
  });
  addGauge(metrics.registry, {
    name: "asterism_server_streams",
    help: "Devices with a control stream, by network",
    labelNames: ["network"],
    read: async (gauge) => {
      for (const { id, name } of await listNetworks(db)) gauge.set({ network: name }, hub.onlineCount(id));
    },
  });
  addGauge(metrics.registry, {
    name: "asterism_server_map_version",
    help: "Version of the network map, by network: rises by one per change",
    labelNames: ["network"],
    read: async (gauge) => {
      for (const { name, version } of await listNetworks(db)) gauge.set({ network: name }, version);
    },
  });
  addGauge(metrics.registry, {
    name: "asterism_server_relays",
    help: "Relays that administrators added, by whether their name can be resolved",
    labelNames: ["state"],
    read: async (gauge) => {
      const rows = await listRelays(db, undefined);
      const usable = rows.filter(({ host }) => context.relayHosts.addressesOf(host).length > 0).length;
      gauge.set({ state: "usable" }, usable);
      gauge.set({ state: "unresolved" }, rows.length - usable);
    },
  });
}
