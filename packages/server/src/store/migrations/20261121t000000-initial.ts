import { type Kysely, sql } from "kysely";

/** Users, networks, join keys, nodes, change log, tokens. */
export const initial = {
  async up(db: Kysely<unknown>): Promise<void> {
    await createUsersAndNetworks(db);
    await createJoinKeys(db);
    await createNodes(db);
    await createLogs(db);
  },
};

async function createUsersAndNetworks(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable("users")
    .addColumn("id", "text", (column) => column.primaryKey().notNull())
    .addColumn("name", "text", (column) => column.notNull().unique())
    .addColumn("role", "text", (column) => column.notNull())
    .addColumn("created_at", "bigint", (column) => column.notNull())
    .execute();
  await db.schema
    .createTable("networks")
    .addColumn("id", "text", (column) => column.primaryKey().notNull())
    .addColumn("name", "text", (column) => column.notNull().unique())
    .addColumn("kind", "text", (column) => column.notNull())
    .addColumn("ipv4_range", "text", (column) => column.notNull())
    .addColumn("ipv6_range", "text", (column) => column.notNull())
    .addColumn("mtu_bytes", "integer", (column) => column.notNull())
    .addColumn("version", "bigint", (column) => column.notNull())
    .addColumn("epoch", "text", (column) => column.notNull())
    .addColumn("log_floor", "bigint", (column) => column.notNull())
    .addColumn("address_cursor", "bigint", (column) => column.notNull())
    .addColumn("created_at", "bigint", (column) => column.notNull())
    .execute();
}

async function createJoinKeys(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable("join_keys")
    .addColumn("id", "text", (column) => column.primaryKey().notNull())
    .addColumn("secret_hash", "text", (column) => column.notNull().unique())
    .addColumn("network_id", "text", (column) => column.notNull().references("networks.id").onDelete("cascade"))
    .addColumn("user_id", "text", (column) => column.notNull().references("users.id"))
    .addColumn("reusable", "integer", (column) => column.notNull())
    .addColumn("ephemeral", "integer", (column) => column.notNull())
    .addColumn("tags", "text", (column) => column.notNull())
    .addColumn("created_at", "bigint", (column) => column.notNull())
    .addColumn("expires_at", "bigint")
    .addColumn("revoked_at", "bigint")
    .addColumn("used_at", "bigint")
    .addColumn("used_by_machine", "text")
    .execute();
  await db.schema.createIndex("join_keys_network").on("join_keys").column("network_id").execute();
}

async function createNodes(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable("nodes")
    .addColumn("id", "text", (column) => column.primaryKey().notNull())
    .addColumn("network_id", "text", (column) => column.notNull().references("networks.id").onDelete("cascade"))
    .addColumn("user_id", "text", (column) => column.notNull().references("users.id"))
    // No reference: a key may be cleared away long before the node that joined with it.
    .addColumn("key_id", "text", (column) => column.notNull())
    .addColumn("name", "text", (column) => column.notNull())
    .addColumn("machine_key", "text", (column) => column.notNull())
    .addColumn("record", "text", (column) => column.notNull())
    .addColumn("record_signature", "text", (column) => column.notNull())
    .addColumn("record_sequence", "bigint", (column) => column.notNull())
    .addColumn("ipv4", "text", (column) => column.notNull())
    .addColumn("ipv6", "text", (column) => column.notNull())
    .addColumn("os", "text", (column) => column.notNull())
    .addColumn("agent_version", "text", (column) => column.notNull())
    .addColumn("tags", "text", (column) => column.notNull())
    .addColumn("ephemeral", "integer", (column) => column.notNull())
    .addColumn("created_at", "bigint", (column) => column.notNull())
    .addColumn("last_seen_at", "bigint", (column) => column.notNull())
    .addUniqueConstraint("nodes_name_unique", ["network_id", "name"])
    .addUniqueConstraint("nodes_machine_unique", ["network_id", "machine_key"])
    .addUniqueConstraint("nodes_ipv4_unique", ["network_id", "ipv4"])
    .addUniqueConstraint("nodes_ipv6_unique", ["network_id", "ipv6"])
    .execute();
  await db.schema
    .createTable("released_addresses")
    .addColumn("network_id", "text", (column) => column.notNull().references("networks.id").onDelete("cascade"))
    .addColumn("ipv4", "text", (column) => column.notNull())
    .addColumn("machine_key", "text", (column) => column.notNull())
    .addColumn("released_at", "bigint", (column) => column.notNull())
    .addPrimaryKeyConstraint("released_addresses_key", ["network_id", "ipv4"])
    .execute();
}

async function createLogs(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable("changes")
    .addColumn("network_id", "text", (column) => column.notNull().references("networks.id").onDelete("cascade"))
    .addColumn("version", "bigint", (column) => column.notNull())
    .addColumn("node_id", "text", (column) => column.notNull())
    .addPrimaryKeyConstraint("changes_key", ["network_id", "version"])
    .execute();
  await db.schema
    .createTable("tokens")
    .addColumn("id", "text", (column) => column.primaryKey().notNull())
    .addColumn("name", "text", (column) => column.notNull())
    .addColumn("secret_hash", "text", (column) => column.notNull().unique())
    .addColumn("created_at", "bigint", (column) => column.notNull())
    .addColumn("expires_at", "bigint")
    .addColumn("last_used_at", "bigint")
    .execute();
  await sql`create index nodes_ephemeral on nodes (last_seen_at) where ephemeral = 1`.execute(db);
}
