import { eachImport, isBuiltIn, packageOf, type RoomImport } from "../room-import.ts";
import { CORE_PACKAGES, SCOPE, TEST_ROOM } from "../rooms.ts";
import { runTimeDependencies, type Tree } from "../tree.ts";
import type { Violation } from "../violation.ts";

/** A package is imported only where the room's own package.json names it; tests may also use the root's tools. */
export function checkDeclaredPackages(tree: Tree): Violation[] {
  const found: Violation[] = [];
  for (const item of eachImport(tree)) {
    const name = packageOf(item.specifier);
    if (name === undefined || packagesFor(tree, item).has(name)) continue;
    const owner = item.room === undefined ? "" : `packages/${item.room}/`;
    const message = `${name} is not a dependency in ${owner}package.json`;
    found.push({ rule: "undeclared-package", file: item.file, line: item.line, message });
  }
  return found;
}

function packagesFor(tree: Tree, { room, inTest }: RoomImport): ReadonlySet<string> {
  const root = tree.packages.get("");
  const own = room === undefined ? root : tree.packages.get(room);
  const names = [...runTimeDependencies(own), own?.name ?? ""];
  if (inTest || room === undefined || room === TEST_ROOM) {
    names.push(...Object.keys({ ...own?.devDependencies, ...root?.devDependencies }));
  }
  if (room === undefined) names.push(...[...tree.packages.keys()].map((other) => `${SCOPE}${other}`));
  return new Set(names);
}

/** The pure room loads nothing of the platform, and third-party code only from its list. */
export function checkCoreImports(tree: Tree): Violation[] {
  const found: Violation[] = [];
  for (const { file, line, specifier, room, inTest } of eachImport(tree)) {
    if (room !== "core" || inTest) continue;
    const name = packageOf(specifier);
    if (isBuiltIn(specifier)) {
      found.push({ rule: "core-foreign-import", file, line, message: `the core is pure: ${specifier} is an effect` });
    } else if (name !== undefined && !(name in CORE_PACKAGES) && !name.startsWith(SCOPE)) {
      found.push({ rule: "core-foreign-import", file, line, message: `${name} is not in the list of pure packages` });
    }
  }
  return found;
}
