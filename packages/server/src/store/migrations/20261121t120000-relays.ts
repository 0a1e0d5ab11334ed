import type { Kysely } from "kysely";

/** Relays that an administrator added to a network. */
export const relays = {
  async up(db: Kysely<unknown>): Promise<void> {
    await db.schema
      .createTable("relays")
      .addColumn("id", "text", (column) => column.primaryKey().notNull())
      .addColumn("network_id", "text", (column) => column.notNull().references("networks.id").onDelete("cascade"))
      .addColumn("host", "text", (column) => column.notNull())
      .addColumn("udp_port", "integer")
      .addColumn("tcp_port", "integer")
      .addColumn("tls_port", "integer")
      .addColumn("secret", "text")
      .addColumn("username", "text")
      .addColumn("password", "text")
      .addColumn("created_at", "bigint", (column) => column.notNull())
      .execute();
    await db.schema.createIndex("relays_network").on("relays").column("network_id").execute();
  },
};
