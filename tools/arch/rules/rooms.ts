import { eachImport, type RoomImport, resolveRelative, roomOfPackage } from "../room-import.ts";
import { ROOMS, SCOPE, TEST_ROOM } from "../rooms.ts";
import { type PackageJson, runTimeDependencies, type Tree } from "../tree.ts";
import type { Violation } from "../violation.ts";

/** Each room is in the table, and its package.json names only rooms that the table allows. */
export function checkDeclaredRooms(tree: Tree): Violation[] {
  return [...tree.packages].flatMap(([room, json]) => (room === "" ? [] : checkDeclaredRoom(room, json)));
}

function checkDeclaredRoom(room: string, json: PackageJson): Violation[] {
  const at = { file: `packages/${room}/package.json`, line: 0 };
  const allowed = ROOMS[room]?.mayImport;
  if (allowed === undefined) {
    const message = `the room "${room}" is not in tools/arch/rooms.ts; say there what it may import, and why`;
    return [{ rule: "unknown-room", ...at, message }];
  }
  return runTimeDependencies(json)
    .map(roomOfPackage)
    .filter((other) => other !== undefined && !(other in allowed))
    .map((other) =>
      other === TEST_ROOM
        ? { rule: "lab-at-run-time", ...at, message: "the lab belongs into devDependencies, for tests only" }
        : { rule: "room-dependency", ...at, message: `"${room}" may not depend on "${other}"` },
    );
}

/** What the source of a room imports from other rooms. */
export function checkImportedRooms(tree: Tree): Violation[] {
  const found: Violation[] = [];
  for (const { file, line, specifier, room, target, inTest } of eachImport(tree)) {
    const allowed = room === undefined ? undefined : ROOMS[room]?.mayImport;
    if (allowed === undefined || target === undefined || target === room || target in allowed) continue;
    if (target !== TEST_ROOM) {
      found.push({ rule: "room-import", file, line, message: `"${room}" may not import "${target}" (${specifier})` });
    } else if (!inTest) {
      found.push({ rule: "lab-at-run-time", file, line, message: `only tests may import the lab (${specifier})` });
    }
  }
  return found;
}

/**
 * No door but those that `exports` names, and no relative path out of the room. Tests may share what lies in the
 * `test/` folder of a room that they may import.
 */
export function checkDoors(tree: Tree): Violation[] {
  const found: Violation[] = [];
  for (const { file, line, specifier, room, target, inTest } of eachImport(tree)) {
    if (target === undefined) continue;
    if (specifier.startsWith(".")) {
      const shared = inTest && resolveRelative(file, specifier).startsWith(`packages/${target}/test/`);
      if (target === room || shared) continue;
      found.push({ rule: "deep-import", file, line, message: `${specifier} reaches into the room "${target}"` });
    } else {
      const door = `.${specifier.slice(SCOPE.length + target.length)}`;
      const doors = tree.packages.get(target)?.exports;
      if (doors === undefined || door in doors) continue;
      found.push({ rule: "deep-import", file, line, message: `"${target}" has no door ${door} in its exports` });
    }
  }
  return found;
}

/** Rooms as they import each other in fact form no circle. */
export function checkRoomCycles(tree: Tree): Violation[] {
  const edges = new Map<string, Map<string, RoomImport>>();
  for (const item of eachImport(tree)) {
    const { room, target, inTest } = item;
    if (inTest || room === undefined || target === undefined || target === room) continue;
    const out = edges.get(room) ?? new Map<string, RoomImport>();
    edges.set(room, out);
    if (!out.has(target)) out.set(target, item);
  }
  const reaches = (from: string, to: string, seen = new Set<string>()): boolean => {
    if (from === to) return true;
    if (seen.has(from)) return false;
    seen.add(from);
    return [...(edges.get(from)?.keys() ?? [])].some((next) => reaches(next, to, seen));
  };
  return [...edges.values()]
    .flatMap((out) => [...out.values()])
    .filter(({ room, target }) => reaches(target ?? "", room ?? ""))
    .map(({ file, line, room, target }) => ({
      rule: "room-cycle",
      file,
      line,
      message: `"${room}" imports "${target}", which leads back to "${room}"`,
    }));
}
