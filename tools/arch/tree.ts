import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, relative, sep } from "node:path";
import { type Module, parseModule } from "./module.ts";

export interface PackageJson {
  readonly name?: string;
  readonly exports?: Readonly<Record<string, unknown>>;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
}

/** The files that a set of rules looks at: the repository, or a fixture of the same layout. */
export interface Tree {
  /** Paths relative to the root, with `/`. */
  readonly files: readonly string[];
  /** Parsed TypeScript and JavaScript files, by path. */
  readonly modules: ReadonlyMap<string, Module>;
  /** package.json of each room, by room name; `""` is the root's. */
  readonly packages: ReadonlyMap<string, PackageJson>;
  read(file: string): string;
}

const SOURCE = /\.(?:ts|tsx|mts|js|mjs)$/;

/** Files known to git or new and not ignored, without the planted violations. */
function repositoryFiles(root: string): string[] {
  // The checkout may belong to another user than the one who tests, such as root in CI.
  const args = ["-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"];
  const output = execFileSync("git", args, { cwd: root, encoding: "utf8", maxBuffer: 64 << 20 });
  return output
    .split("\0")
    .filter((file) => file !== "" && !file.startsWith("tools/fixtures/") && existsSync(join(root, file)));
}

function folderFiles(root: string): string[] {
  return readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(root, join(entry.parentPath, entry.name)).split(sep).join("/"));
}

export function loadRepository(root: string): Tree {
  return loadTree(root, repositoryFiles(root));
}

export function loadFolder(root: string): Tree {
  return loadTree(root, folderFiles(root));
}

function loadTree(root: string, files: readonly string[]): Tree {
  const read = (file: string): string => readFileSync(join(root, file), "utf8");
  const modules = new Map<string, Module>();
  const packages = new Map<string, PackageJson>();
  for (const file of files) {
    if (SOURCE.test(file)) modules.set(file, parseModule(file, read(file)));
    const room = file === "package.json" ? "" : /^packages\/([^/]+)\/package\.json$/.exec(file)?.[1];
    if (room !== undefined) packages.set(room, JSON.parse(read(file)) as PackageJson);
  }
  return { files, modules, packages, read };
}

export function runTimeDependencies(json: PackageJson | undefined): string[] {
  return Object.keys({ ...json?.dependencies, ...json?.optionalDependencies, ...json?.peerDependencies });
}

/** `core` for `packages/core/src/x.ts`, undefined outside the rooms. */
export function roomOf(file: string): string | undefined {
  return /^packages\/([^/]+)\//.exec(file)?.[1];
}

export function isTestFile(file: string): boolean {
  return /\.test\.tsx?$/.test(file) || /^packages\/[^/]+\/test\//.test(file) || file.endsWith(".config.ts");
}
