/** `node tools/lock-file/main.ts`: names in package-lock.json every optional dependency that npm has left out. */
import { readFileSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { ROOT } from "../run/command.ts";
import { completeLockFile, type LockFile, missingOptionalPackages } from "./optional-packages.ts";

const file = resolve(ROOT, "package-lock.json");
// SAFETY: npm wrote it.
const lockFile = JSON.parse(readFileSync(file, "utf8")) as LockFile;
const missing = missingOptionalPackages(lockFile);
if (missing.size > 0) writeFileSync(file, `${JSON.stringify(completeLockFile(lockFile), null, 2)}\n`);
console.log(`${missing.size} optional packages added to package-lock.json`);
