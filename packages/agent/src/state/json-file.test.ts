import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { readJsonFile, writeJsonFile } from "./json-file.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "asterism-json-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

const asNumber = (value: unknown): number => {
  if (typeof value !== "number") throw new Error("not a number");
  return value;
};

test("a value comes back, and only the owner may read the file", () => {
  const path = join(folder, "x.json");
  writeJsonFile(path, 7);
  expect(readJsonFile(path, asNumber)).toEqual({ kind: "value", value: 7 });
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(readdirSync(folder)).toEqual(["x.json"]);
});

test("a file that is not there is absent", () => {
  expect(readJsonFile(join(folder, "x.json"), asNumber)).toEqual({ kind: "absent" });
});

test.each([
  ["cut short", '{"a": '],
  ["empty", ""],
  ["of the wrong form", '"text"'],
])("a file that is %s is kept aside as it is, each time under a name of its own", (_what, content) => {
  const path = join(folder, "x.json");
  for (const expected of [`${path}.damaged`, `${path}.damaged-2`]) {
    writeFileSync(path, content);
    expect(readJsonFile(path, asNumber)).toMatchObject({ kind: "damaged", keptAs: expected });
    expect(readFileSync(expected, "utf8")).toBe(content);
  }
  expect(readJsonFile(path, asNumber)).toEqual({ kind: "absent" });
});
