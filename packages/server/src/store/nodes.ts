import type { Updateable } from "kysely";
import type { Database } from "./sqlite.ts";
import type { MemberRow, NewNodeRow, NodeRow, NodesTable, ReleasedAddressesTable } from "./tables.ts";

function members(db: Database) {
  return db
    .selectFrom("nodes")
    .innerJoin("users", "users.id", "nodes.user_id")
    .innerJoin("networks", "networks.id", "nodes.network_id")
    .selectAll("nodes")
    .select(["users.name as user_name", "networks.name as network_name"]);
}

export function findMember(db: Database, nodeId: string): Promise<MemberRow | undefined> {
  return members(db).where("nodes.id", "=", nodeId).executeTakeFirst();
}

export function listMembers(db: Database, networkId?: string): Promise<MemberRow[]> {
  const query = members(db).orderBy("nodes.created_at").orderBy("nodes.name");
  return (networkId === undefined ? query : query.where("nodes.network_id", "=", networkId)).execute();
}

/** Those of the nodes that still are members. */
export async function listMembersById(
  db: Database,
  networkId: string,
  nodeIds: readonly string[],
): Promise<MemberRow[]> {
  const rows: MemberRow[] = [];
  // SQLite takes 32766 variables in a statement; this stays far below.
  for (let start = 0; start < nodeIds.length; start += 500) {
    const part = nodeIds.slice(start, start + 500);
    rows.push(...(await members(db).where("nodes.network_id", "=", networkId).where("nodes.id", "in", part).execute()));
  }
  return rows;
}

/** By id or by name; a name can be in use in several networks. */
export function findMembersByName(db: Database, nameOrId: string): Promise<MemberRow[]> {
  return members(db)
    .where((where) => where.or([where("nodes.id", "=", nameOrId), where("nodes.name", "=", nameOrId)]))
    .execute();
}

export function findNodeByMachine(db: Database, networkId: string, machineKey: string): Promise<NodeRow | undefined> {
  return db
    .selectFrom("nodes")
    .selectAll()
    .where("network_id", "=", networkId)
    .where("machine_key", "=", machineKey)
    .executeTakeFirst();
}

export async function insertNode(db: Database, row: NewNodeRow): Promise<void> {
  await db.insertInto("nodes").values(row).execute();
}

export async function updateNode(db: Database, nodeId: string, set: Updateable<NodesTable>): Promise<void> {
  await db.updateTable("nodes").set(set).where("id", "=", nodeId).execute();
}

export async function deleteNode(db: Database, nodeId: string): Promise<void> {
  await db.deleteFrom("nodes").where("id", "=", nodeId).execute();
}

export async function countNodes(db: Database, networkId: string): Promise<number> {
  const { count } = await db
    .selectFrom("nodes")
    .select((select) => select.fn.countAll<number>().as("count"))
    .where("network_id", "=", networkId)
    .executeTakeFirstOrThrow();
  return count;
}

/** Names in the network that begin with `prefix`, of other nodes than `exceptNodeId`. */
export async function listNames(
  db: Database,
  networkId: string,
  prefix: string,
  exceptNodeId: string | undefined,
): Promise<Set<string>> {
  let query = db
    .selectFrom("nodes")
    .select("name")
    .where("network_id", "=", networkId)
    // Labels hold no `%` or `_`, so the prefix is no pattern.
    .where("name", "like", `${prefix}%`);
  if (exceptNodeId !== undefined) query = query.where("id", "!=", exceptNodeId);
  return new Set((await query.execute()).map((row) => row.name));
}

export async function listIpv4(db: Database, networkId: string): Promise<string[]> {
  const rows = await db.selectFrom("nodes").select("ipv4").where("network_id", "=", networkId).execute();
  return rows.map((row) => row.ipv4);
}

export function listReleasedAddresses(db: Database, networkId: string): Promise<ReleasedAddressesTable[]> {
  return db.selectFrom("released_addresses").selectAll().where("network_id", "=", networkId).execute();
}

export async function insertReleasedAddress(db: Database, row: ReleasedAddressesTable): Promise<void> {
  await db
    .insertInto("released_addresses")
    .values(row)
    .onConflict((conflict) => conflict.columns(["network_id", "ipv4"]).doUpdateSet(row))
    .execute();
}

export async function deleteReleasedAddress(db: Database, networkId: string, ipv4: string): Promise<void> {
  await db.deleteFrom("released_addresses").where("network_id", "=", networkId).where("ipv4", "=", ipv4).execute();
}

export async function deleteReleasedBefore(db: Database, time: number): Promise<void> {
  await db.deleteFrom("released_addresses").where("released_at", "<", time).execute();
}

export async function setLastSeen(db: Database, nodeIds: readonly string[], time: number): Promise<void> {
  for (let start = 0; start < nodeIds.length; start += 500) {
    const part = nodeIds.slice(start, start + 500);
    await db.updateTable("nodes").set({ last_seen_at: time }).where("id", "in", part).execute();
  }
}

export async function listStaleEphemeral(db: Database, lastSeenBefore: number): Promise<string[]> {
  const rows = await db
    .selectFrom("nodes")
    .select("id")
    .where("ephemeral", "=", 1)
    .where("last_seen_at", "<", lastSeenBefore)
    .execute();
  return rows.map((row) => row.id);
}
