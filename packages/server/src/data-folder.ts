import { randomBytes } from "node:crypto";
import { closeSync, openSync } from "node:fs";
import { mkdir, open, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { AsterismError } from "@asterism/core/errors";
import SqliteDatabase from "better-sqlite3";

/** Longest path of a unix socket on Linux (sun_path without its end). */
const MAX_SOCKET_PATH_BYTES = 107;

export interface DataFolder {
  readonly path: string;
  readonly databasePath: string;
  readonly adminSocketPath: string;
  /** Lets another server use the folder. */
  release(): void;
}

/**
 * Makes the folder (mode 0700) if it is missing and takes it for this process alone.
 *
 * The lock is SQLite's: a lock of the kernel that vanishes with the process however it ends.
 * Errors: `permission-denied`, `state-locked`, `invalid-input`.
 */
export async function openDataFolder(path: string): Promise<DataFolder> {
  const adminSocketPath = join(path, "admin.sock");
  if (Buffer.byteLength(adminSocketPath) > MAX_SOCKET_PATH_BYTES) {
    throw new AsterismError(
      "invalid-input",
      `The path of the data folder is too long for the admin socket in it (${MAX_SOCKET_PATH_BYTES} bytes): ${path}`,
    );
  }
  await makeFolder(path);
  const lock = takeLock(path);
  return { path, adminSocketPath, databasePath: join(path, "server.db"), release: () => lock.close() };
}

async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true, mode: 0o700 });
  } catch (cause) {
    throw folderUnusable(path, cause);
  }
}

function takeLock(path: string): SqliteDatabase.Database {
  let lock: SqliteDatabase.Database;
  const lockPath = join(path, "lock");
  try {
    closeSync(openSync(lockPath, "a", 0o600));
    lock = new SqliteDatabase(lockPath, { timeout: 0 });
  } catch (cause) {
    throw folderUnusable(path, cause);
  }
  try {
    lock.exec("PRAGMA journal_mode=MEMORY; PRAGMA locking_mode=EXCLUSIVE; BEGIN EXCLUSIVE");
    return lock;
  } catch (cause) {
    lock.close();
    throw folderLocked(path, cause);
  }
}

function folderUnusable(path: string, cause: unknown): AsterismError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new AsterismError(
    "permission-denied",
    `The data folder ${path} can't be used: ${reason}. Run the server as root, or choose another folder with --data.`,
    { cause, details: { path } },
  );
}

function folderLocked(path: string, cause: unknown): AsterismError {
  return new AsterismError(
    "state-locked",
    `Another server uses the data folder ${path}. Stop it, or give this one a folder of its own with --data.`,
    { cause, details: { path } },
  );
}

/** Writes a file with mode 0600 so that after a crash it is there whole or not at all. */
export async function writeSecretFile(path: string, content: string): Promise<void> {
  const temporary = `${path}.${randomBytes(6).toString("hex")}.tmp`;
  try {
    const file = await open(temporary, "wx", 0o600);
    try {
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  const folder = await open(dirname(path), "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
