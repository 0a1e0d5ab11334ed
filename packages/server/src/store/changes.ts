import type { Database } from "./sqlite.ts";

/** Changes of one network that are kept for agents that come back; older ones get the whole map. */
const KEPT_CHANGES = 10_000;

/** Writes down that a node changed (or went), and gives the map version that this makes. */
export async function recordChange(db: Database, networkId: string, nodeId: string): Promise<number> {
  const { version } = await db
    .updateTable("networks")
    .set((set) => ({ version: set("version", "+", 1) }))
    .where("id", "=", networkId)
    .returning("version")
    .executeTakeFirstOrThrow();
  await db.insertInto("changes").values({ network_id: networkId, version, node_id: nodeId }).execute();
  return version;
}

/** Writes down that the network itself changed: under its own id, as that of no node. */
export async function recordNetworkChange(db: Database, networkId: string): Promise<number> {
  return await recordChange(db, networkId, networkId);
}

/** Ids of the nodes, and of the network itself, that changed after `fromVersion`, each once. */
export async function listChangedNodes(db: Database, networkId: string, fromVersion: number): Promise<string[]> {
  const rows = await db
    .selectFrom("changes")
    .select("node_id")
    .distinct()
    .where("network_id", "=", networkId)
    .where("version", ">", fromVersion)
    .execute();
  return rows.map((row) => row.node_id);
}

/** Forgets changes beyond the kept number and moves the floor up in the same transaction. */
export async function compactChanges(db: Database, kept = KEPT_CHANGES): Promise<void> {
  const networks = await db.selectFrom("networks").select(["id", "version", "log_floor"]).execute();
  for (const network of networks) {
    const floor = network.version - kept;
    if (floor <= network.log_floor) continue;
    await db.deleteFrom("changes").where("network_id", "=", network.id).where("version", "<=", floor).execute();
    await db.updateTable("networks").set({ log_floor: floor }).where("id", "=", network.id).execute();
  }
}
