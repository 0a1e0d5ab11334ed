import { readdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, test } from "vitest";
import { checkTree } from "./check-tree.ts";
import { ROOMS } from "./rooms.ts";
import { loadFolder, type Tree } from "./tree.ts";
import { RULES, type RuleId } from "./violation.ts";

const FIXTURES = resolve(import.meta.dirname, "../fixtures/arch");
const rules = Object.keys(RULES) as RuleId[];

/** Rules that can't be broken without breaking others too. */
const ALSO_BROKEN: Partial<Record<RuleId, readonly RuleId[]>> = {
  "room-import": ["undeclared-package"],
  "room-cycle": ["room-import", "undeclared-package"],
  "addon-load": ["deep-import"],
};

/** `file:line` of every line that is marked as a planted violation. */
function plantedPlaces(tree: Tree): string[] {
  return tree.files.flatMap((file) =>
    tree
      .read(file)
      .split("\n")
      .flatMap((text, index) => (/\bplanted\b/.test(text) ? [`${file}:${index + 1}`] : [])),
  );
}

describe("planted violations", () => {
  test.each(rules)("%s is caught", (rule) => {
    const tree = loadFolder(join(FIXTURES, rule));
    const found = checkTree(tree);
    const own = found.filter((violation) => violation.rule === rule);
    expect(own.length).toBeGreaterThan(0);

    const places = own.filter(({ line }) => line > 0).map(({ file, line }) => `${file}:${line}`);
    expect([...new Set(places)].sort()).toEqual(plantedPlaces(tree).sort());

    const others = new Set(found.map((violation) => violation.rule).filter((other) => other !== rule));
    expect([...others].filter((other) => !ALSO_BROKEN[rule]?.includes(other))).toEqual([]);
  });

  test("every fixture belongs to a rule", () => {
    expect(readdirSync(FIXTURES).sort()).toEqual(["clean", ...rules].sort());
  });

  test("a tree that comes close to every rule and breaks none passes", () => {
    expect(checkTree(loadFolder(join(FIXTURES, "clean")))).toEqual([]);
  });
});

describe("the table of rooms", () => {
  test("names only rooms that it has, with a reason each", () => {
    for (const { mayImport } of Object.values(ROOMS)) {
      for (const [room, reason] of Object.entries(mayImport)) {
        expect(Object.keys(ROOMS)).toContain(room);
        expect(reason.length).toBeGreaterThan(10);
      }
    }
  });

  test("has no circle", () => {
    const below = (room: string, path: readonly string[]): void => {
      expect(path).not.toContain(room);
      for (const next of Object.keys(ROOMS[room]?.mayImport ?? {})) below(next, [...path, room]);
    };
    for (const room of Object.keys(ROOMS)) below(room, []);
  });
});
