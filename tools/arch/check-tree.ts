import { checkCorePurity } from "./rules/core-purity.ts";
import { checkFileNames, checkLength, checkText } from "./rules/files.ts";
import { checkAddonLoads, checkNativeIncludes } from "./rules/native.ts";
import { checkCoreImports, checkDeclaredPackages } from "./rules/packages.ts";
import { checkDeclaredRooms, checkDoors, checkImportedRooms, checkRoomCycles } from "./rules/rooms.ts";
import { checkServerLayers } from "./rules/server-layers.ts";
import type { Tree } from "./tree.ts";
import type { Violation } from "./violation.ts";

const CHECKS: readonly ((tree: Tree) => Violation[])[] = [
  checkDeclaredRooms,
  checkImportedRooms,
  checkRoomCycles,
  checkDoors,
  checkDeclaredPackages,
  checkCoreImports,
  checkCorePurity,
  checkServerLayers,
  checkNativeIncludes,
  checkAddonLoads,
  checkFileNames,
  checkLength,
  checkText,
];

/** Every violation of every rule, in the order of files. */
export function checkTree(tree: Tree): Violation[] {
  return CHECKS.flatMap((check) => check(tree)).sort((a, b) => a.file.localeCompare(b.file) || a.line - b.line);
}
