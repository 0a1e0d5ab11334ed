import { type Argument, type Expression, type PrivateIdentifier, parseSync, Visitor } from "oxc-parser";

/** A place in a module that loads another one. */
export interface Import {
  readonly specifier: string;
  readonly line: number;
  /** Nothing of it is left when Node strips the types. */
  readonly typeOnly: boolean;
}

/** A use of a global: `Date.now`, `new Date()`, `setTimeout`, `process`. */
export interface GlobalUse {
  /** The object of a member, the callee of a call or `new`, when it is a bare name. */
  readonly object: string;
  /** The member's name, `()` for a call, `new()` for construction without arguments, `new` with. */
  readonly use: string;
  readonly line: number;
}

export interface Module {
  readonly imports: readonly Import[];
  /** Uses of bare names that the module neither imports nor declares. */
  readonly globals: readonly GlobalUse[];
}

/** Parses TypeScript or JavaScript; throws on a syntax error, because an unread module would pass every rule. */
export function parseModule(file: string, source: string): Module {
  const result = parseSync(file, source);
  const fault = result.errors.find((error) => error.severity === "Error");
  if (fault !== undefined) throw new Error(`${file} can't be parsed: ${fault.message}`);

  const lineOf = (offset: number): number => source.slice(0, offset).split("\n").length;
  const imports: Import[] = result.module.staticImports.map((entry) => ({
    specifier: entry.moduleRequest.value,
    line: lineOf(entry.start),
    typeOnly: entry.entries.length > 0 && entry.entries.every(({ isType }) => isType),
  }));
  for (const { entries, start } of result.module.staticExports) {
    const request = entries.find((entry) => entry.moduleRequest)?.moduleRequest;
    if (!request) continue;
    imports.push({ specifier: request.value, line: lineOf(start), typeOnly: entries.every(({ isType }) => isType) });
  }

  const declared = new Set<string>();
  const uses: { object: string; use: string; offset: number }[] = [];
  const addImport = (source: Expression | Argument | undefined, offset: number, typeOnly = false): void => {
    if (source?.type !== "Literal" || typeof source.value !== "string") return;
    imports.push({ specifier: source.value, line: lineOf(offset), typeOnly });
  };
  const declare = (node: { type: string; name?: unknown } | null): void => {
    if (node?.type === "Identifier" && typeof node.name === "string") declared.add(node.name);
  };

  new Visitor({
    ImportExpression: (node) => addImport(node.source, node.start),
    TSImportType: (node) => addImport(node.source, node.start, true),
    CallExpression: ({ callee, arguments: [first], start }) => {
      if (callee.type !== "Identifier") return;
      if (callee.name === "require") addImport(first, start);
      uses.push({ object: callee.name, use: "()", offset: start });
    },
    NewExpression: ({ callee, arguments: passed, start }) => {
      if (callee.type !== "Identifier") return;
      uses.push({ object: callee.name, use: passed.length === 0 ? "new()" : "new", offset: start });
    },
    MemberExpression: ({ object, property, start }) => {
      if (object.type !== "Identifier") return;
      uses.push({ object: object.name, use: memberName(property), offset: start });
    },
    ImportSpecifier: (node) => declare(node.local),
    ImportDefaultSpecifier: (node) => declare(node.local),
    ImportNamespaceSpecifier: (node) => declare(node.local),
    VariableDeclarator: (node) => declare(node.id),
    ClassDeclaration: (node) => declare(node.id),
    FunctionDeclaration: (node) => {
      declare(node.id);
      node.params.forEach(declare);
    },
    FunctionExpression: (node) => node.params.forEach(declare),
    ArrowFunctionExpression: (node) => node.params.forEach(declare),
  }).visit(result.program);

  const globals = uses
    .filter(({ object }) => !declared.has(object) && GLOBALS.has(object))
    .map(({ object, use, offset }) => ({ object, use, line: lineOf(offset) }));
  return { imports, globals };
}

/** The member's name, in `Math.random` as in `Math["random"]`; `[]` when it is computed. */
function memberName(property: Expression | PrivateIdentifier): string {
  if (property.type === "Identifier") return property.name;
  return property.type === "Literal" && typeof property.value === "string" ? property.value : "[]";
}

/** The globals that some rule is about; all other names are left out of `Module.globals`. */
export const GLOBALS: ReadonlySet<string> = new Set([
  "Date",
  "Math",
  "performance",
  "crypto",
  "setTimeout",
  "setInterval",
  "setImmediate",
  "queueMicrotask",
  "clearTimeout",
  "clearInterval",
  "process",
  "Buffer",
  "console",
  "fetch",
  "WebSocket",
  "globalThis",
  "structuredClone",
]);
