import type { Database } from "./sqlite.ts";
import type { RelayRow } from "./tables.ts";

export type NamedRelayRow = RelayRow & { readonly network_name: string };

/** In the order they were added; of one network, or all. */
export function listRelays(db: Database, networkId: string | undefined): Promise<NamedRelayRow[]> {
  const query = db
    .selectFrom("relays")
    .innerJoin("networks", "networks.id", "relays.network_id")
    .selectAll("relays")
    .select("networks.name as network_name")
    .orderBy("relays.created_at")
    .orderBy("relays.id");
  return (networkId === undefined ? query : query.where("relays.network_id", "=", networkId)).execute();
}

export async function listRelayHosts(db: Database): Promise<string[]> {
  const rows = await db.selectFrom("relays").select("host").distinct().execute();
  return rows.map((row) => row.host);
}

export async function insertRelay(db: Database, row: RelayRow): Promise<void> {
  await db.insertInto("relays").values(row).execute();
}

export async function deleteRelay(db: Database, id: string): Promise<void> {
  await db.deleteFrom("relays").where("id", "=", id).execute();
}
