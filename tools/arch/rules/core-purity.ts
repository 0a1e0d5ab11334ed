import type { GlobalUse } from "../module.ts";
import { isTestFile, type Tree } from "../tree.ts";
import type { RuleId, Violation } from "../violation.ts";

const TIMERS = new Set([
  "setTimeout",
  "setInterval",
  "setImmediate",
  "queueMicrotask",
  "clearTimeout",
  "clearInterval",
]);
const EFFECTS = new Set(["process", "Buffer", "console", "fetch", "WebSocket", "crypto", "globalThis"]);

function ruleOf({ object, use }: GlobalUse): RuleId | undefined {
  if (object === "Date" && (use === "now" || use === "new()" || use === "()")) return "core-clock";
  if (object === "performance") return "core-clock";
  if (object === "Math" && use === "random") return "core-randomness";
  if (TIMERS.has(object)) return "core-timer";
  return EFFECTS.has(object) ? "core-global" : undefined;
}

const ADVICE: Partial<Record<RuleId, string>> = {
  "core-clock": "take `now: Instant` (or `WallTime`) as an argument",
  "core-randomness": "take `random: RandomBytes` as an argument",
  "core-timer": "give the deadline to the caller by `pollTimeout()`",
  "core-global": "return a value or an event; the caller does the effect",
};

/** The pure room reads no clock, no randomness and no platform. Its tests may. */
export function checkCorePurity(tree: Tree): Violation[] {
  const found: Violation[] = [];
  for (const [file, module] of tree.modules) {
    if (!file.startsWith("packages/core/src/") || isTestFile(file)) continue;
    for (const global of module.globals) {
      const rule = ruleOf(global);
      if (rule === undefined) continue;
      const use = /^\W/.test(global.use) ? "" : `.${global.use}`;
      found.push({ rule, file, line: global.line, message: `${global.object}${use}: ${ADVICE[rule] ?? ""}` });
    }
  }
  return found;
}
