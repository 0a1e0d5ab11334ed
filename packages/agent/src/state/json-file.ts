import { closeSync, existsSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from "node:fs";
import { dirname } from "node:path";

/** Replaces the file in one step: after a crash there is the old content or the new, never a part. Mode 0600. */
export function writeJsonFile(path: string, value: unknown): void {
  const temporary = `${path}.new`;
  const file = openSync(temporary, "w", 0o600);
  try {
    writeSync(file, `${JSON.stringify(value, null, 2)}\n`);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(temporary, path);
  const folder = openSync(dirname(path), "r");
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

export type JsonFileContent<T> =
  | { readonly kind: "absent" }
  | { readonly kind: "value"; readonly value: T }
  /** The file could not be read as what it should be; it stands untouched under `keptAs`. */
  | { readonly kind: "damaged"; readonly keptAs: string; readonly reason: string };

/**
 * Reads a file that `writeJsonFile` wrote. A damaged one is renamed, never overwritten.
 * `parse` throws with a readable message if the value is not of the right form.
 */
export function readJsonFile<T>(path: string, parse: (value: unknown) => T): JsonFileContent<T> {
  if (!existsSync(path)) return { kind: "absent" };
  try {
    return { kind: "value", value: parse(JSON.parse(readFileSync(path, "utf8"))) };
  } catch (error) {
    const keptAs = unusedName(`${path}.damaged`);
    renameSync(path, keptAs);
    return { kind: "damaged", keptAs, reason: error instanceof Error ? error.message : String(error) };
  }
}

function unusedName(wished: string): string {
  if (!existsSync(wished)) return wished;
  for (let number = 2; ; number++) {
    const name = `${wished}-${number}`;
    if (!existsSync(name)) return name;
  }
}
