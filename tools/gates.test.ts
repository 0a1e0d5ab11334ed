/**
 * Each gate is seen failing on a planted violation: a gate that can pass on anything is worse than none.
 * The planted project is copied out of the repository, together with the real configuration.
 */
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ROOT, runCommand, tool } from "./run/command.ts";

const CONFIGURATION = ["biome.json", ".oxlintrc.json", "tsconfig.base.json", "tools/biome", "knip.json"];

let project = "";

beforeAll(() => {
  project = mkdtempSync(join(tmpdir(), "asterism-gates-"));
  cpSync(join(ROOT, "tools/fixtures/gates"), project, { recursive: true });
  for (const path of CONFIGURATION) cpSync(join(ROOT, path), join(project, path), { recursive: true });
});

afterAll(() => rmSync(project, { recursive: true, force: true }));

async function outputOf(name: string, args: readonly string[]): Promise<string> {
  // oxlint looks for tsgolint beside the project or on PATH.
  const env = { PATH: `${join(ROOT, "node_modules/.bin")}:${process.env["PATH"] ?? ""}` };
  const result = await runCommand({ program: tool(name), args, cwd: project, env });
  expect(result.ok, `${name} passes on planted violations`).toBe(false);
  return result.output;
}

describe("biome", () => {
  let output = "";
  beforeAll(async () => {
    output = await outputOf("biome", ["check", "--vcs-enabled=false", "--max-diagnostics=200", "."]);
  });

  test.each([
    ["packages/agent/src/badly-formatted.ts", "format"],
    ["packages/agent/src/barrel.ts", "lint/performance/noBarrelFile"],
    ["packages/agent/src/barrel.ts", "lint/performance/noReExportAll"],
    ["packages/agent/src/lint.ts", "lint/correctness/noUndeclaredDependencies"],
    ["packages/agent/src/lint.ts", "lint/correctness/useImportExtensions"],
    ["packages/agent/src/lint.ts", "lint/style/noDefaultExport"],
    ["packages/agent/src/lint.ts", "lint/style/noEnum"],
    ["packages/agent/src/lint.ts", "lint/style/noNonNullAssertion"],
    ["packages/agent/src/lint.ts", "lint/style/noParameterProperties"],
    ["packages/agent/src/lint.ts", "lint/style/useNodejsImportProtocol"],
    ["packages/agent/src/lint.ts", "lint/suspicious/noConsole"],
    ["packages/agent/src/lint.ts", "lint/suspicious/noExplicitAny"],
    ["packages/agent/src/one.ts", "lint/suspicious/noImportCycles"],
    ["packages/agent/src/tangled.ts", "lint/complexity/noExcessiveCognitiveComplexity"],
    ["packages/agent/src/wrongName.ts", "lint/style/useFilenamingConvention"],
    ["packages/core/src/net.ts", "plugin"],
  ])("%s: %s", (file, rule) => {
    expect(output).toMatch(new RegExp(`^${file}(?::\\d+:\\d+)? ${rule}\\b`, "m"));
  });

  test("leaves the door of a package alone", () => {
    expect(output).not.toMatch(/^packages\/agent\/src\/index\.ts.*noBarrelFile/m);
  });
});

describe("oxlint", () => {
  let output = "";
  beforeAll(async () => {
    output = await outputOf("oxlint", ["--format=unix"]);
  });

  test.each([
    "typescript(no-floating-promises)",
    "typescript(switch-exhaustiveness-check)",
    "typescript(no-unsafe-return)",
    "typescript(no-unsafe-member-access)",
  ])("%s", (rule) => {
    expect(output).toMatch(new RegExp(`packages/agent/src/typed\\.ts:.*${rule.replace(/[()]/g, "\\$&")}`));
  });
});

describe("tsc on the pure core", () => {
  let output = "";
  beforeAll(async () => {
    output = await outputOf("tsc", ["-p", "packages/core/tsconfig.pure.json", "--pretty", "false"]);
  });

  test.each([
    ["knows no node: module", /net\.ts\(1,\d+\): error TS2\d+: .*node:dgram/],
    ["knows no timer", /net\.ts\(5,\d+\): error TS2304: .*setTimeout/],
    ["takes no index for granted", /net\.ts\(7,\d+\): error TS2322: .*undefined/],
  ])("%s", (_name, pattern) => {
    expect(output).toMatch(pattern);
  });
});

test("knip reports what nothing uses", async () => {
  const output = await outputOf("knip", ["--no-config-hints"]);
  expect(output).toMatch(/packages\/agent\/src\/tangled\.ts/);
});
