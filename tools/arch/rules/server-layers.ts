import { eachImport, resolveRelative } from "../room-import.ts";
import type { Tree } from "../tree.ts";
import type { Violation } from "../violation.ts";

const SERVER = "packages/server/src/";

/** Per layer of the server, what it may not load, and why. Types may come from anywhere: they do nothing. */
const FORBIDDEN: Readonly<Record<string, readonly { readonly what: RegExp; readonly why: string }[]>> = {
  domain: [
    { what: /^packages\/server\/src\/(?:http|store)\//, why: "the domain is pure rules; http and store come to it" },
    {
      what: /^(?:node:|fastify|kysely|better-sqlite3|ws|pino)/,
      why: "the domain is pure rules: values in, values out",
    },
  ],
  store: [{ what: /^packages\/server\/src\/http\/|^(?:fastify|ws)/, why: "the store knows SQL, not HTTP" }],
};

/** `http/` → `domain/` (pure) → values → `store/`. */
export function checkServerLayers(tree: Tree): Violation[] {
  const found: Violation[] = [];
  for (const { file, line, specifier, typeOnly, inTest } of eachImport(tree)) {
    const layer = file.startsWith(SERVER) ? file.slice(SERVER.length).split("/", 1)[0] : undefined;
    if (layer === undefined || inTest || typeOnly) continue;
    const target = specifier.startsWith(".") ? resolveRelative(file, specifier) : specifier;
    const broken = FORBIDDEN[layer]?.find(({ what }) => what.test(target));
    if (broken)
      found.push({ rule: "server-layers", file, line, message: `${layer} loads ${specifier}: ${broken.why}` });
  }
  return found;
}
