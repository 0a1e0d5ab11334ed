import { mkdtempSync, readdirSync, rmSync, statSync, truncateSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { exampleMembership } from "../../test/example-membership.ts";
import { keyText, MembershipStore } from "./membership.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "asterism-membership-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

test("memberships come back as they were saved, one file per network that only the owner may read", () => {
  const store = new MembershipStore(folder);
  store.save(exampleMembership("net-1"));
  store.save(exampleMembership("net-2"));
  const { memberships, problems } = new MembershipStore(folder).load();
  expect(memberships).toEqual([exampleMembership("net-1"), exampleMembership("net-2")]);
  expect(problems).toEqual([]);
  expect(statSync(join(folder, "networks", "net-1.json")).mode & 0o777).toBe(0o600);
  expect(statSync(join(folder, "networks")).mode & 0o777).toBe(0o700);
});

test("a damaged file is kept aside and reported; the other networks are not touched by it", () => {
  const store = new MembershipStore(folder);
  store.save(exampleMembership("net-1"));
  store.save(exampleMembership("net-2"));
  truncateSync(join(folder, "networks", "net-1.json"), 100);
  const { memberships, problems } = store.load();
  expect(memberships.map(({ network }) => network.id)).toEqual(["net-2"]);
  expect(problems).toHaveLength(1);
  expect(problems[0]).toContain("net-1.json.damaged");
  expect(readdirSync(join(folder, "networks")).sort()).toEqual(["net-1.json.damaged", "net-2.json"]);
});

test("a key of the wrong size counts as damage, not as a membership", () => {
  const store = new MembershipStore(folder);
  store.save({ ...exampleMembership("net-1"), nodePrivateKey: keyText(new Uint8Array(31)) });
  expect(store.load().problems[0]).toContain("32 bytes");
});

test("a network that was left is forgotten", () => {
  const store = new MembershipStore(folder);
  store.save(exampleMembership("net-1"));
  store.remove("net-1");
  store.remove("net-1");
  expect(store.load()).toEqual({ memberships: [], problems: [] });
});
