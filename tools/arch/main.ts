/**
 * The architecture gate: `node tools/arch/main.ts`.
 * Exit code 1 if a rule is broken, or if there was nothing to look at.
 */
import { resolve } from "node:path";
import { checkTree } from "./check-tree.ts";
import { loadRepository } from "./tree.ts";
import { RULES, type Violation } from "./violation.ts";

const tree = loadRepository(resolve(import.meta.dirname, "../.."));
const violations = checkTree(tree);
const isError = (violation: Violation): boolean => RULES[violation.rule] === "error";
for (const violation of violations) {
  const place = violation.line === 0 ? violation.file : `${violation.file}:${violation.line}`;
  console.log(`${isError(violation) ? "error" : "warning"}  ${violation.rule}  ${place}  ${violation.message}`);
}
const errors = violations.filter(isError).length;
const rooms = [...tree.packages.keys()].filter((room) => room !== "").length;
console.log(`${tree.modules.size} modules in ${rooms} rooms, ${Object.keys(RULES).length} rules: ${errors} errors`);
process.exitCode = errors > 0 || tree.modules.size === 0 ? 1 : 0;
