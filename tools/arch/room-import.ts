import type { Import } from "./module.ts";
import { SCOPE } from "./rooms.ts";
import { isTestFile, roomOf, type Tree } from "./tree.ts";

/** One import, and where it stands. */
export interface RoomImport extends Import {
  readonly file: string;
  /** The room of the file; undefined for tools and configuration. */
  readonly room: string | undefined;
  /** The room that the specifier names or reaches into; undefined for third parties and built-in modules. */
  readonly target: string | undefined;
  readonly inTest: boolean;
}

export function* eachImport(tree: Tree): Generator<RoomImport> {
  for (const [file, module] of tree.modules) {
    const room = roomOf(file);
    const inTest = isTestFile(file);
    for (const item of module.imports) {
      yield { ...item, file, room, target: targetRoom(file, item.specifier), inTest };
    }
  }
}

/** `core` for `@asterism/core/net`. */
export function roomOfPackage(specifier: string): string | undefined {
  return specifier.startsWith(SCOPE) ? specifier.slice(SCOPE.length).split("/", 1)[0] : undefined;
}

/** Path of what a relative specifier names, relative to the root of the tree. */
export function resolveRelative(file: string, specifier: string): string {
  return new URL(specifier, `file:///${file}`).pathname.slice(1);
}

function targetRoom(file: string, specifier: string): string | undefined {
  return specifier.startsWith(".") ? roomOf(resolveRelative(file, specifier)) : roomOfPackage(specifier);
}

export function isBuiltIn(specifier: string): boolean {
  return specifier.startsWith("node:");
}

/** `@noble/hashes` for `@noble/hashes/blake2.js`; undefined for relative paths and `node:`. */
export function packageOf(specifier: string): string | undefined {
  if (specifier.startsWith(".") || specifier.startsWith("/") || isBuiltIn(specifier)) return undefined;
  const labels = specifier.startsWith("@") ? 2 : 1;
  return specifier.split("/").slice(0, labels).join("/");
}
