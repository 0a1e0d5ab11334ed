import type { Tree } from "../tree.ts";
import type { Violation } from "../violation.ts";

const NATIVE = "packages/engine/native/";
const CPP = /\.(?:cc|cpp|c|h|hh|hpp)$/;
const INCLUDE = /^\s*#\s*include\s*[<"]([^>"]+)[>"]/;
const NODE_HEADER = /^(?:napi|napi-inl|node_api|js_native_api|node|node_api_types|v8|uv)\.h$|^(?:node|v8|uv)\//;

interface Include {
  readonly header: string;
  readonly line: number;
}

function includes(source: string): Include[] {
  return source.split("\n").flatMap((text, index) => {
    const header = INCLUDE.exec(text)?.[1];
    return header === undefined ? [] : [{ header, line: index + 1 }];
  });
}

/** Node-API stays in `binding/`; the engine itself knows neither Node nor the binding. */
export function checkNativeIncludes(tree: Tree): Violation[] {
  const found: Violation[] = [];
  for (const file of tree.files.filter((name) => CPP.test(name))) {
    if (file.startsWith(`${NATIVE}binding/`)) continue;
    const inEngine = file.startsWith(`${NATIVE}engine/`);
    for (const { header, line } of includes(tree.read(file))) {
      const ofNode = NODE_HEADER.test(header);
      if (inEngine && (ofNode || header.includes("binding/"))) {
        const message = `the engine compiles without Node: ${header} belongs to binding/`;
        found.push({ rule: "node-header-in-engine", file, line, message });
      } else if (ofNode) {
        found.push({ rule: "napi-outside-binding", file, line, message: `${header} outside ${NATIVE}binding/` });
      }
    }
  }
  return found;
}

/** Only the typed face of the engine loads the addon. */
export function checkAddonLoads(tree: Tree): Violation[] {
  const found: Violation[] = [];
  for (const [file, module] of tree.modules) {
    if (file.startsWith("packages/engine/") || !file.startsWith("packages/")) continue;
    for (const { specifier, line } of module.imports) {
      if (!specifier.endsWith(".node")) continue;
      found.push({ rule: "addon-load", file, line, message: "the addon is loaded by @asterism/engine alone" });
    }
    for (const { object, use, line } of module.globals) {
      if (object !== "process" || use !== "dlopen") continue;
      found.push({ rule: "addon-load", file, line, message: "the addon is loaded by @asterism/engine alone" });
    }
  }
  return found;
}
