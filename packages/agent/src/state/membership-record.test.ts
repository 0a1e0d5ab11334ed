import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { DeltaMessage, MapMessage, PeerInfo } from "@asterism/core/control";
import { afterEach, beforeEach, expect, test } from "vitest";
import { exampleMembership, exampleRelays } from "../../test/example-membership.ts";
import { type Membership, MembershipStore } from "./membership.ts";
import { MembershipRecord } from "./membership-record.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "asterism-record-"));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

function open(): { store: MembershipStore; record: MembershipRecord; failures: unknown[] } {
  const store = new MembershipStore(folder);
  const failures: unknown[] = [];
  const record = new MembershipRecord({
    membership: exampleMembership("net-1"),
    store,
    learn: () => ({ pins: { "node-b": { machineKey: "k", sequence: 2 } }, endpoints: {} }),
    onSaveFailed: (error) => failures.push(error),
  });
  return { store, record, failures };
}

function peer(nodeId: string): PeerInfo {
  return {
    kind: "stock",
    nodeId,
    name: nodeId,
    fqdn: `${nodeId}.admin.default.internal`,
    ipv4: "100.64.0.9",
    ipv6: "fd00::9",
    user: "admin",
    tags: [],
    ephemeral: false,
    nodeKey: `${"A".repeat(43)}=`,
  };
}

function map(peers: PeerInfo[]): MapMessage {
  const { network, self } = exampleMembership("net-1");
  const selfInfo = { ...self, nodeId: "node-1", user: "admin", tags: [], ephemeral: false };
  return { type: "map", epoch: "e1", version: 5, network, self: selfInfo, peers };
}

const delta: DeltaMessage = {
  type: "delta",
  epoch: "e1",
  fromVersion: 5,
  version: 7,
  upserts: [peer("node-c")],
  removals: ["node-b"],
};

test("a delta that fits changes the map, and a save writes all there is", () => {
  const { store, record } = open();
  record.applyMap(map([peer("node-a"), peer("node-b")]));
  expect(record.applyDelta(delta)).toBe(true);
  record.saveNow();
  const [saved] = store.load().memberships;
  expect(saved?.map?.version).toBe(7);
  expect(saved?.map?.peers.map(({ nodeId }) => nodeId)).toEqual(["node-a", "node-c"]);
  expect(saved?.pins).toEqual({ "node-b": { machineKey: "k", sequence: 2 } });
});

test("the relays are kept, and a file from before them is no damaged one", () => {
  const { store, record } = open();
  record.saveNow();
  expect(store.load()).toMatchObject({ problems: [] });
  expect(store.load().memberships[0]).not.toHaveProperty("relays");
  record.setRelays(exampleRelays("2026-01-01T00:00:00.000Z"));
  record.saveNow();
  expect(store.load().memberships[0]?.relays).toEqual(exampleRelays("2026-01-01T00:00:00.000Z"));
});

test("who is connected is noted at once, and is empty at first", () => {
  const { record } = open();
  expect(record.loadConnected()).toEqual([]);
  record.saveConnected(["node-a", "node-b"]);
  expect(open().record.loadConnected()).toEqual(["node-a", "node-b"]);
});

test.each([
  ["of another epoch", { ...delta, epoch: "e2" }],
  ["that leaves a gap", { ...delta, fromVersion: 6 }],
])("a delta %s makes the map be asked for anew", (_what, unfit) => {
  const { record } = open();
  record.applyMap(map([]));
  expect(record.applyDelta(unfit)).toBe(false);
  expect(record.current.map).toBeNull();
  record.cancelSave();
});

test("a folder that can't be written is reported, and the membership in memory stands", () => {
  const { record, failures } = open();
  rmSync(join(folder, "networks"), { recursive: true });
  record.applyMap(map([peer("node-a")]));
  record.saveNow();
  expect(failures).toHaveLength(1);
  expect(record.current.map?.version).toBe(5);
});

test.each<[string, (record: MembershipRecord) => void, Partial<Membership>]>([
  ["whether it is up", (record) => record.setEnabled(false), { enabled: false }],
  ["its links", (record) => record.setLinks({ use: ["eth0"] }), { links: { use: ["eth0"] } }],
  ["a mode", (record) => record.setMode("node-a", "auto"), { modes: { "node-a": "auto" } }],
])("a decision is on disk before it holds: %s", (_what, decide, decided) => {
  const { store, record } = open();
  decide(record);
  expect(store.load().memberships[0]).toMatchObject(decided);

  const other = open().record;
  const before = other.current;
  rmSync(join(folder, "networks"), { recursive: true });
  expect(() => decide(other)).toThrow();
  expect(other.current).toEqual(before);
});
