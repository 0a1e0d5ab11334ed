import type { Kysely } from "kysely";

/** How members of a network send to each other unless they are told otherwise. */
export const modes = {
  async up(db: Kysely<unknown>): Promise<void> {
    await db.schema
      .alterTable("networks")
      .addColumn("mode", "text", (column) => column.notNull().defaultTo("best"))
      .execute();
  },
};
