import type { Kysely } from "kysely";

/** Whether members of a network may guess ports to get through NATs that leave no other way. */
export const hardNats = {
  async up(db: Kysely<unknown>): Promise<void> {
    await db.schema
      .alterTable("networks")
      .addColumn("hard_nat_punching", "integer", (column) => column.notNull().defaultTo(1))
      .execute();
  },
};
