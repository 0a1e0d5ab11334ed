import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { loadBinding } from "./binding.ts";

const folder = mkdtempSync(join(tmpdir(), "engine-binding-"));
afterAll(() => rmSync(folder, { recursive: true }));

test("a missing module says how to build it", () => {
  expect(() => loadBinding(join(folder, "none.node"))).toThrow(
    expect.objectContaining({
      code: "engine-missing",
      reason: "not-built",
      message: expect.stringContaining("npm run build"),
    }),
  );
});

test("a module of another version is not used", () => {
  const path = join(folder, "other.cjs");
  writeFileSync(path, "module.exports = { abiVersion: 999, layout: { version: 1 } };");
  expect(() => loadBinding(path)).toThrow(expect.objectContaining({ code: "engine-missing", reason: "wrong-version" }));
});
