import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import { loadRepository } from "./arch/tree.ts";
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
