import { isTestFile, roomOf, type Tree } from "../tree.ts";
import type { Violation } from "../violation.ts";

const SOFT_LIMIT_LINES = 400;
const HARD_LIMIT_LINES = 700;
const CODE = /\.(?:ts|tsx|mts|js|mjs|cc|cpp|c|h|hh|hpp|sh)$/;
const CATCH_ALL = /(?:^|\/)(?:utils?|helpers?|common|misc|shared|stuff)\.[^/]+$/;
const BINARY = /\.(?:png|ico|woff2?|gz|bin|db|pcap|node)$/;

/** Files stay small: a long one hides a second concept. */
export function checkLength(tree: Tree): Violation[] {
  const found: Violation[] = [];
  for (const file of tree.files) {
    if (!CODE.test(file) || file.includes("__generated__/") || file.includes("/third_party/")) continue;
    const lines = tree.read(file).split("\n").length - 1;
    if (lines > HARD_LIMIT_LINES) {
      found.push({ rule: "file-too-long", file, line: 0, message: `${lines} lines; ${HARD_LIMIT_LINES} at most` });
    } else if (lines > SOFT_LIMIT_LINES) {
      found.push({ rule: "file-long", file, line: 0, message: `${lines} lines; aim for ${SOFT_LIMIT_LINES}` });
    }
  }
  return found;
}

/** A file is named by its concept, and `index.ts` is a door that `exports` names. */
export function checkFileNames(tree: Tree): Violation[] {
  const found: Violation[] = [];
  for (const file of tree.modules.keys()) {
    if (CATCH_ALL.test(file)) {
      found.push({ rule: "catch-all-file", file, line: 0, message: "name the file by its concept" });
    }
    const room = roomOf(file);
    if (room === undefined || !/\/index\.tsx?$/.test(file) || isTestFile(file)) continue;
    const doors = Object.values(tree.packages.get(room)?.exports ?? {});
    if (doors.includes(`.${file.slice(`packages/${room}`.length)}`)) continue;
    found.push({ rule: "barrel-file", file, line: 0, message: "index.ts is for doors named in exports only" });
  }
  return found;
}

const REGISTRY_HOSTS = [
  ["registry", "npmjs", "org"],
  ["registry", "yarnpkg", "com"],
  ["npm", "pkg", "github", "com"],
  ["deb", "debian", "org"],
  ["archive", "ubuntu", "com"],
  ["deb", "nodesource", "com"],
  ["pypi", "org"],
  ["index", "crates", "io"],
  ["proxy", "golang", "org"],
].map((labels) => labels.join("."));

/** Home folders and work folders of one machine; system paths such as /run and /usr are the same everywhere. */
const MACHINE_PATH = /(?:^|[\s"'`=:(])(\/(?:home|Users|root|work|workspace|builds)\/[\w.-]+)/;

/** Nothing in the repository depends on, or tells about, the machine it was written on. */
export function checkText(tree: Tree): Violation[] {
  const found: Violation[] = [];
  for (const file of tree.files) {
    if (BINARY.test(file) || file.includes("/corpus/")) continue;
    const source = tree.read(file);
    source.split("\n").forEach((text, index) => {
      const line = index + 1;
      const host = REGISTRY_HOSTS.find((name) => text.includes(name));
      if (host) found.push({ rule: "registry-host", file, line, message: `${host} is the machine's business` });
      const path = MACHINE_PATH.exec(text)?.[1];
      if (path) found.push({ rule: "machine-path", file, line, message: `${path} exists on one machine only` });
    });
  }
  return found;
}
