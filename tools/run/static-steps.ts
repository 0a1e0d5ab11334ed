import { type Command, tool } from "./command.ts";

export interface StaticStep {
  readonly name: string;
  readonly command: Command;
}

/** What is checked without running the product. Each gate has a test that sees it fail (tools/gates.test.ts). */
export const STATIC_STEPS: readonly StaticStep[] = [
  {
    name: "format and lint (biome)",
    command: { program: tool("biome"), args: ["check", "--error-on-warnings", "--max-diagnostics=100", "."] },
  },
  { name: "typed lint (oxlint)", command: { program: tool("oxlint"), args: ["--deny-warnings"] } },
  {
    name: "types of the pure core",
    command: { program: tool("tsc"), args: ["-p", "packages/core/tsconfig.pure.json"] },
  },
  { name: "types of everything", command: { program: tool("tsc"), args: ["-p", "tsconfig.json"] } },
  { name: "unused code (knip)", command: { program: tool("knip"), args: ["--no-config-hints"] } },
  { name: "architecture", command: { program: process.execPath, args: ["tools/arch/main.ts"] } },
];
