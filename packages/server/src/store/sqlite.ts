import { closeSync, openSync } from "node:fs";
import { AsterismError } from "@asterism/core/errors";
import SqliteDatabase from "better-sqlite3";
import { type DialectAdapter, Kysely, SqliteAdapter, SqliteDialect } from "kysely";
import { migrate } from "./migrate.ts";
import type { Tables } from "./tables.ts";

/** What the queries work on: the database itself, or a transaction in it. */
export type Database = Kysely<Tables>;

/**
 * Opens (or makes, mode 0600) the SQLite database and brings it up to date. A transaction that was committed is on the
 * disk: WAL with full synchronisation. A file that is no database is refused and left as it is.
 */
export async function openSqlite(path: string): Promise<Database> {
  // SQLite gives the WAL the mode of the database, so that is set before the first page is written.
  closeSync(openSync(path, "a", 0o600));
  const database = connect(path);
  const db = new Kysely<Tables>({ dialect: new TransactionalSqliteDialect({ database }) });
  try {
    await migrate(db);
  } catch (error) {
    await db.destroy();
    throw error;
  }
  return db;
}

/**
 * SQLite changes tables in transactions; Kysely's own dialect does not make use of it, and would leave half a migration
 * behind when the process is killed in the middle of one.
 */
class TransactionalSqliteDialect extends SqliteDialect {
  override createAdapter(): DialectAdapter {
    return new TransactionalSqliteAdapter();
  }
}

class TransactionalSqliteAdapter extends SqliteAdapter {
  override get supportsTransactionalDdl(): boolean {
    return true;
  }
}

function connect(path: string): SqliteDatabase.Database {
  try {
    const database = new SqliteDatabase(path);
    database.pragma("journal_mode = WAL");
    database.pragma("synchronous = FULL");
    database.pragma("foreign_keys = ON");
    database.pragma("busy_timeout = 5000");
    return database;
  } catch (cause) {
    throw unreadable(path, cause);
  }
}

function unreadable(path: string, cause: unknown): AsterismError {
  return new AsterismError(
    "state-damaged",
    `${path} can't be opened as a database. It was left as it is: restore a backup, or move it away to start anew.`,
    { cause, details: { path } },
  );
}
