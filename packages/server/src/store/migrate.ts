import { AsterismError } from "@asterism/core/errors";
import type { Kysely } from "kysely";
import { type Migration, Migrator } from "kysely/migration";
import { initial } from "./migrations/20261121t000000-initial.ts";
import { relays } from "./migrations/20261121t120000-relays.ts";
import { hardNats } from "./migrations/20261121t180000-hard-nats.ts";
import { modes } from "./migrations/20261121t220000-modes.ts";
import type { Tables } from "./tables.ts";

/** All migrations, oldest first. Append only: a migration that was released is never changed. */
export const MIGRATIONS: Readonly<Record<string, Migration>> = {
  "20261121t000000-initial": initial,
  "20261121t120000-relays": relays,
  "20261121t180000-hard-nats": hardNats,
  "20261121t220000-modes": modes,
};

/** Brings the tables to this version's form. A database of a newer version is refused, not touched. */
export async function migrate(db: Kysely<Tables>, migrations = MIGRATIONS): Promise<void> {
  const migrator = new Migrator({ db, provider: { getMigrations: () => Promise.resolve({ ...migrations }) } });
  const applied = (await migrator.getMigrations()).filter((migration) => migration.executedAt !== undefined);
  const unknown = await unknownMigrations(db, migrations);
  if (unknown.length > 0) {
    throw new AsterismError(
      "state-damaged",
      "The database was written by a newer version of Asterism. Start that version, or restore a backup.",
      { details: { unknown } },
    );
  }
  const { error, results } = await migrator.migrateToLatest();
  if (error === undefined) return;
  const failed = results?.find((result) => result.status === "Error")?.migrationName ?? "the first";
  throw new AsterismError("state-damaged", `The database could not be migrated: step ${failed} failed.`, {
    cause: error,
    details: { failed, applied: applied.length },
  });
}

async function unknownMigrations(db: Kysely<Tables>, known: Readonly<Record<string, Migration>>): Promise<string[]> {
  const tables = await db.introspection.getTables({ withInternalKyselyTables: true });
  if (!tables.some((table) => table.name === "kysely_migration")) return [];
  const rows = await db
    // SAFETY: Kysely's own table, which is not among ours.
    .selectFrom("kysely_migration" as never)
    .select("name" as never)
    .execute();
  return rows.map((row) => (row as { name: string }).name).filter((name) => !Object.hasOwn(known, name));
}
