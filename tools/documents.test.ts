import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import { ROOMS, SCOPE, TEST_ROOM } from "./arch/rooms.ts";
import { loadRepository, runTimeDependencies } from "./arch/tree.ts";
import { ROOT } from "./run/command.ts";

const LINK = /\]\(([^)\s]+)\)/g;
const documents = loadRepository(ROOT).files.filter((file) => file.endsWith(".md"));

/** Links that lead nowhere inside the repository. */
function brokenLinks(file: string, text: string): string[] {
  return [...text.matchAll(LINK)]
    .map((match) => match[1] ?? "")
    .filter((target) => !/^(?:[a-z]+:|#)/.test(target))
    .filter((target) => !existsSync(join(ROOT, dirname(file), target.replace(/#.*/, ""))));
}

describe("links between documents", () => {
  test("a link that leads nowhere is found", () => {
    const text = "[a](absent.md) [b](README.md#x) [c](https://example.com) [d](#here)";
    expect(brokenLinks("README.md", text)).toEqual(["absent.md"]);
  });

  test.each(documents)("%s", (file) => {
    expect(brokenLinks(file, readFileSync(join(ROOT, file), "utf8"))).toEqual([]);
  });
});

describe("docs/dependencies.md", () => {
  const tree = loadRepository(ROOT);
  const rows = new Map(
    [...tree.read("docs/dependencies.md").matchAll(/^\| ([^|]+) \| ([^|]+) \|/gm)].flatMap(
      ([, names = "", users = ""]) => names.split(", ").map((name) => [name, users.split(", ")] as const),
    ),
  );

  test.each([...tree.packages].filter(([room]) => room !== "" && room !== TEST_ROOM))(
    "gives a reason for each run-time dependency of %s",
    (room, json) => {
      const dependencies = runTimeDependencies(json).filter((name) => !name.startsWith(SCOPE));
      expect(dependencies.filter((name) => rows.get(name)?.includes(room) !== true)).toEqual([]);
    },
  );
});

test("CONTRIBUTING.md shows the table of rooms as it is enforced", () => {
  const text = readFileSync(join(ROOT, "CONTRIBUTING.md"), "utf8");
  for (const [room, { mayImport }] of Object.entries(ROOMS)) {
    if (room === TEST_ROOM) continue;
    const row = new RegExp(`^\\| ${room} \\| (.*) \\|$`, "m").exec(text)?.[1] ?? "";
    const named = Object.keys(ROOMS).filter((other) => new RegExp(`\\b${other}\\b`).test(row));
    expect(named.sort(), room).toEqual(Object.keys(mayImport).sort());
  }
});
