import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { nodeCrypto } from "../platform/node-crypto.ts";
import { loadMachineIdentity } from "./machine-identity.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "asterism-identity-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

test("the identity is made once and is the same ever after", () => {
  const first = loadMachineIdentity(folder, nodeCrypto);
  expect(first.problem).toBeNull();
  expect(loadMachineIdentity(folder, nodeCrypto)).toEqual(first);
});

test.each([
  ["cut short", (text: string) => text.slice(0, 40)],
  [
    "with keys that don't fit together",
    (text: string) => text.replace(/"machinePrivateKey": "..../, '"machinePrivateKey": "AAAA'),
  ],
])("a file %s is kept aside, and the problem says where and what to do", (_what, damage) => {
  const first = loadMachineIdentity(folder, nodeCrypto);
  const path = join(folder, "identity.json");
  const damaged = damage(readFileSync(path, "utf8"));
  writeFileSync(path, damaged);
  const second = loadMachineIdentity(folder, nodeCrypto);
  expect(second.machine.publicKey).not.toBe(first.machine.publicKey);
  expect(second.problem).toContain("identity.json.damaged");
  expect(second.problem).toMatch(/restore|join/);
  expect(readFileSync(`${path}.damaged`, "utf8")).toBe(damaged);
  expect(readdirSync(folder).sort()).toEqual(["identity.json", "identity.json.damaged"]);
});
