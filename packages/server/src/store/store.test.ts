import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import SqliteDatabase from "better-sqlite3";
import { sql } from "kysely";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { compactChanges, listChangedNodes, recordChange } from "./changes.ts";
import { MIGRATIONS, migrate } from "./migrate.ts";
import { findNetwork, insertNetwork } from "./networks.ts";
import { openSqlite } from "./sqlite.ts";
import type { NetworkRow } from "./tables.ts";

let folder: string;
let count = 0;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "asterism-store-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));
const freshPath = () => join(folder, `${++count}.db`);

const network: NetworkRow = {
  id: "net-a",
  name: "a",
  kind: "ip",
  ipv4_range: "10.0.0.0/16",
  ipv6_range: "fd00::/64",
  mtu_bytes: 1420,
  hard_nat_punching: 1,
  mode: "best",
  version: 0,
  epoch: "e",
  log_floor: 0,
  address_cursor: 0,
  created_at: 1,
};

describe("database", () => {
  it("is made by all migrations in order, and opening it again changes nothing", async () => {
    const path = freshPath();
    const db = await openSqlite(path);
    await insertNetwork(db, network);
    await db.destroy();
    const again = await openSqlite(path);
    expect(await findNetwork(again, "a")).toEqual(network);
    const applied = await sql<{ name: string }>`select name from kysely_migration order by name`.execute(again);
    expect(applied.rows.map((row) => row.name)).toEqual(Object.keys(MIGRATIONS).toSorted());
    await again.destroy();
  });

  it("syncs every commit and keeps references whole", async () => {
    const db = await openSqlite(freshPath());
    const pragma = async (name: string) =>
      (await sql<Record<string, unknown>>`pragma ${sql.raw(name)}`.execute(db)).rows[0];
    expect(await pragma("journal_mode")).toEqual({ journal_mode: "wal" });
    expect(await pragma("synchronous")).toEqual({ synchronous: 2 });
    expect(await pragma("foreign_keys")).toEqual({ foreign_keys: 1 });
    await expect(
      db.insertInto("changes").values({ network_id: "none", version: 1, node_id: "x" }).execute(),
    ).rejects.toThrow(/FOREIGN KEY/);
    await db.destroy();
  });

  it("of a newer version is refused and left alone", async () => {
    const path = freshPath();
    const newer = {
      ...MIGRATIONS,
      "29990101t000000-later": {
        up: (db: Parameters<typeof migrate>[0]) => db.schema.createTable("later").addColumn("a", "text").execute(),
      },
    };
    const db = await openSqlite(path);
    await migrate(db, newer as never);
    await db.destroy();
    await expect(openSqlite(path)).rejects.toMatchObject({
      code: "state-damaged",
      details: { unknown: ["29990101t000000-later"] },
    });
    const raw = new SqliteDatabase(path, { readonly: true });
    expect(raw.prepare("select count(*) as n from later").get()).toEqual({ n: 0 });
    raw.close();
  });

  it("rolls a migration back that fails half-way", async () => {
    const path = freshPath();
    const db = await openSqlite(path);
    const failing = {
      ...MIGRATIONS,
      "29990101t000000-fails": {
        up: async (transaction: Parameters<typeof migrate>[0]) => {
          await transaction.schema.createTable("half").addColumn("a", "text").execute();
          throw new Error("half-way");
        },
      },
    };
    await expect(migrate(db, failing as never)).rejects.toMatchObject({ code: "state-damaged" });
    const tables = await db.introspection.getTables();
    expect(tables.map((table) => table.name)).not.toContain("half");
    await db.destroy();
    await (await openSqlite(path)).destroy();
  });
});

describe("change log", () => {
  it("counts versions up by one and tells each changed node once", async () => {
    const db = await openSqlite(freshPath());
    await insertNetwork(db, network);
    const versions: number[] = [];
    for (const node of ["x", "y", "x", "z"]) versions.push(await recordChange(db, network.id, node));
    expect(versions).toEqual([1, 2, 3, 4]);
    expect((await listChangedNodes(db, network.id, 0)).toSorted()).toEqual(["x", "y", "z"]);
    expect((await listChangedNodes(db, network.id, 2)).toSorted()).toEqual(["x", "z"]);
    expect(await listChangedNodes(db, network.id, 4)).toEqual([]);
    await db.destroy();
  });

  it("is cut to the newest changes, and says from where it reaches", async () => {
    const db = await openSqlite(freshPath());
    await insertNetwork(db, network);
    for (let index = 0; index < 10; index++) await recordChange(db, network.id, `n${index}`);
    await compactChanges(db, 4);
    expect(await findNetwork(db, network.id)).toMatchObject({ version: 10, log_floor: 6 });
    expect(await listChangedNodes(db, network.id, 6)).toHaveLength(4);
    await compactChanges(db, 4);
    expect(await findNetwork(db, network.id)).toMatchObject({ log_floor: 6 });
    await db.destroy();
  });
});
