import type { Insertable } from "kysely";
import type { Database } from "./sqlite.ts";
import type { JoinKeyRow, JoinKeysTable, TokenRow } from "./tables.ts";

export type NamedKeyRow = JoinKeyRow & { readonly network_name: string; readonly user_name: string };

function keys(db: Database) {
  return db
    .selectFrom("join_keys")
    .innerJoin("networks", "networks.id", "join_keys.network_id")
    .innerJoin("users", "users.id", "join_keys.user_id")
    .selectAll("join_keys")
    .select(["networks.name as network_name", "users.name as user_name"]);
}

export function findKeyByHash(db: Database, secretHash: string): Promise<NamedKeyRow | undefined> {
  return keys(db).where("join_keys.secret_hash", "=", secretHash).executeTakeFirst();
}

export function findKey(db: Database, id: string): Promise<NamedKeyRow | undefined> {
  return keys(db).where("join_keys.id", "=", id).executeTakeFirst();
}

export function listKeys(db: Database, networkId: string | undefined): Promise<NamedKeyRow[]> {
  const query = keys(db).orderBy("join_keys.created_at").orderBy("join_keys.id");
  return (networkId === undefined ? query : query.where("join_keys.network_id", "=", networkId)).execute();
}

export async function countKeys(db: Database): Promise<number> {
  const { count } = await db
    .selectFrom("join_keys")
    .select((select) => select.fn.countAll<number>().as("count"))
    .executeTakeFirstOrThrow();
  return count;
}

export async function insertKey(db: Database, row: Insertable<JoinKeysTable>): Promise<void> {
  await db.insertInto("join_keys").values(row).execute();
}

export async function markKeyUsed(db: Database, id: string, machineKey: string, now: number): Promise<void> {
  await db.updateTable("join_keys").set({ used_at: now, used_by_machine: machineKey }).where("id", "=", id).execute();
}

export async function revokeKey(db: Database, id: string, now: number): Promise<void> {
  await db.updateTable("join_keys").set({ revoked_at: now }).where("id", "=", id).execute();
}

/** Clears away keys that have been of no use since before `time`. */
export async function deleteKeysDeadSince(db: Database, time: number): Promise<void> {
  await db
    .deleteFrom("join_keys")
    .where((where) =>
      where.or([
        where("expires_at", "<", time),
        where("revoked_at", "<", time),
        where.and([where("reusable", "=", 0), where("used_at", "<", time)]),
      ]),
    )
    .execute();
}

export function findToken(db: Database, id: string): Promise<TokenRow | undefined> {
  return db.selectFrom("tokens").selectAll().where("id", "=", id).executeTakeFirst();
}

export function listTokens(db: Database): Promise<TokenRow[]> {
  return db.selectFrom("tokens").selectAll().orderBy("created_at").orderBy("id").execute();
}

export async function insertToken(db: Database, row: TokenRow): Promise<void> {
  await db.insertInto("tokens").values(row).execute();
}

export async function deleteToken(db: Database, id: string): Promise<void> {
  await db.deleteFrom("tokens").where("id", "=", id).execute();
}

export async function setTokenUsed(db: Database, id: string, now: number): Promise<void> {
  await db.updateTable("tokens").set({ last_used_at: now }).where("id", "=", id).execute();
}
