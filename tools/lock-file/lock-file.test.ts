import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { expect, test } from "vitest";
import { ROOT } from "../run/command.ts";
import { completeLockFile, type LockFile, missingOptionalPackages } from "./optional-packages.ts";

const optionalDependencies = {
  "@tool/binding-linux-x64-musl": "1.2.3",
  "@tool/darwin-arm64": "1.2.3",
  "plain-x": "2.0.0",
};
const planted: LockFile = {
  packages: {
    "": {},
    "node_modules/tool": { version: "1.2.3", dev: true, optionalDependencies },
    "node_modules/plain-x": { version: "2.0.0" },
  },
};

test("a gap is found, and told from the name of the package", () => {
  expect(Object.fromEntries(missingOptionalPackages(planted))).toEqual({
    "node_modules/@tool/binding-linux-x64-musl": {
      version: "1.2.3",
      cpu: ["x64"],
      dev: true,
      libc: ["musl"],
      optional: true,
      os: ["linux"],
    },
    "node_modules/@tool/darwin-arm64": { version: "1.2.3", cpu: ["arm64"], dev: true, optional: true, os: ["darwin"] },
  });
});

test("a filled lock file has no gap", () => {
  expect(missingOptionalPackages(completeLockFile(planted)).size).toBe(0);
});

test("package-lock.json has no gap (node tools/lock-file/main.ts fills it)", () => {
  const lockFile = JSON.parse(readFileSync(resolve(ROOT, "package-lock.json"), "utf8")) as LockFile;
  expect(Object.keys(lockFile.packages).length).toBeGreaterThan(50);
  expect([...missingOptionalPackages(lockFile).keys()]).toEqual([]);
});
