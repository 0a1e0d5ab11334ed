import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { compactChanges, recordChange } from "../store/changes.ts";
import { insertNetwork } from "../store/networks.ts";
import { type Database, openSqlite } from "../store/sqlite.ts";
import { readDifference, readMap } from "./network-map.ts";

let folder: string;
let db: Database;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "asterism-map-"));
  db = await openSqlite(join(folder, "server.db"));
  await insertNetwork(db, {
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
  });
  for (let index = 0; index < 10; index++) await recordChange(db, "net-a", `node-${index % 4}`);
  await compactChanges(db, 4);
});
afterAll(async () => {
  await db.destroy();
  await rm(folder, { recursive: true, force: true });
});

describe("differences between map versions", () => {
  it.each([
    ["the newest version", "e", 10, []],
    ["the oldest that the log reaches", "e", 6, ["node-0", "node-1", "node-2", "node-3"]],
    ["one in between", "e", 8, ["node-0", "node-1"]],
  ])("are made from %s", async (_, epoch, version, removals) => {
    const difference = await readDifference(db, "net-a", { epoch, version });
    expect(difference).toMatchObject({ epoch: "e", fromVersion: version, version: 10, changed: [] });
    expect(difference?.removals.toSorted()).toEqual(removals);
  });

  it.each([
    ["before the log", "e", 5],
    ["from the future", "e", 11],
    ["of another epoch", "f", 8],
  ])("are not made from a version %s", async (_, epoch, version) => {
    expect(await readDifference(db, "net-a", { epoch, version })).toBeUndefined();
  });

  it("are not made for a network that is gone, nor a map for a node that is", async () => {
    expect(await readDifference(db, "net-gone", { epoch: "e", version: 0 })).toBeUndefined();
    await expect(readMap(db, "node-gone")).rejects.toMatchObject({ code: "device-removed" });
  });
});
