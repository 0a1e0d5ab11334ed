import { closeSync, openSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { AsterismError } from "@asterism/core/errors";

/** Keeps held locks from the garbage collector, which would close the database and so give the folder away. */
const held = new Set<StateLock>(); // bounded: one per state folder in use

/**
 * Exclusive use of a state folder for as long as this process lives.
 *
 * The lock is SQLite's: an fcntl lock of the kernel that vanishes with the process however it ends, so there is no
 * stale lock to clean up, and it holds across network namespaces. The database has no content.
 */
export class StateLock {
  readonly #database: DatabaseSync;

  private constructor(database: DatabaseSync) {
    this.#database = database;
  }

  /** @throws AsterismError `state-locked` if another agent holds the folder. */
  static acquire(stateDir: string): StateLock {
    const path = join(stateDir, "lock");
    closeSync(openSync(path, "a", 0o600));
    const database = new DatabaseSync(path);
    try {
      database.exec("PRAGMA journal_mode=MEMORY; PRAGMA locking_mode=EXCLUSIVE; BEGIN EXCLUSIVE");
    } catch (cause) {
      database.close();
      throw new AsterismError(
        "state-locked",
        `another agent uses the state folder ${stateDir}. Stop it, or start this one with another --state and --socket.`,
        { cause },
      );
    }
    const lock = new StateLock(database);
    held.add(lock);
    return lock;
  }

  release(): void {
    held.delete(this);
    this.#database.close();
  }
}
