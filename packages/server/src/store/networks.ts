import type { Insertable } from "kysely";
import type { Database } from "./sqlite.ts";
import type { NetworkRow, NetworksTable, UserRow } from "./tables.ts";

/** By id or by name; names never look like ids (`net-` and 20 characters). */
export function findNetwork(db: Database, nameOrId: string): Promise<NetworkRow | undefined> {
  return db
    .selectFrom("networks")
    .selectAll()
    .where((where) => where.or([where("id", "=", nameOrId), where("name", "=", nameOrId)]))
    .executeTakeFirst();
}

export function listNetworks(db: Database): Promise<NetworkRow[]> {
  return db.selectFrom("networks").selectAll().orderBy("created_at").orderBy("name").execute();
}

export async function insertNetwork(db: Database, row: Insertable<NetworksTable>): Promise<void> {
  await db.insertInto("networks").values(row).execute();
}

/** Deletes keys, nodes and logs of the network with it. */
export async function deleteNetwork(db: Database, id: string): Promise<void> {
  await db.deleteFrom("networks").where("id", "=", id).execute();
}

export async function setNetworkSettings(
  db: Database,
  id: string,
  { hardNatPunching, mode }: { readonly hardNatPunching: boolean; readonly mode: NetworkRow["mode"] },
): Promise<void> {
  await db
    .updateTable("networks")
    .set({ hard_nat_punching: hardNatPunching ? 1 : 0, mode })
    .where("id", "=", id)
    .execute();
}

export async function setAddressCursor(db: Database, id: string, cursor: number): Promise<void> {
  await db.updateTable("networks").set({ address_cursor: cursor }).where("id", "=", id).execute();
}

export function findUser(db: Database, nameOrId: string): Promise<UserRow | undefined> {
  return db
    .selectFrom("users")
    .selectAll()
    .where((where) => where.or([where("id", "=", nameOrId), where("name", "=", nameOrId)]))
    .executeTakeFirst();
}

export function listUsers(db: Database): Promise<UserRow[]> {
  return db.selectFrom("users").selectAll().orderBy("name").execute();
}

export async function insertUser(db: Database, row: UserRow): Promise<void> {
  await db.insertInto("users").values(row).execute();
}

export async function deleteUser(db: Database, id: string): Promise<void> {
  await db.deleteFrom("users").where("id", "=", id).execute();
}

/** How many devices and keys belong to a user. */
export async function countUserBelongings(db: Database, userId: string): Promise<number> {
  const nodes = await db
    .selectFrom("nodes")
    .select((select) => select.fn.countAll<number>().as("count"))
    .where("user_id", "=", userId)
    .executeTakeFirstOrThrow();
  const keys = await db
    .selectFrom("join_keys")
    .select((select) => select.fn.countAll<number>().as("count"))
    .where("user_id", "=", userId)
    .executeTakeFirstOrThrow();
  return nodes.count + keys.count;
}
