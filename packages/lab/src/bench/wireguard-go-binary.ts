/**
 * Where the two wireguard-go to compare with come from: the distribution's installed package, and the newest one of
 * Debian's backports, which is unpacked into a cache folder and never installed.
 */
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { LabError } from "../net/lab-error.ts";
import { execute } from "../net/lab-process.ts";

const CACHE_DIR = fileURLToPath(new URL("../../../../.cache/wireguard-go", import.meta.url));
const PACKAGE = "wireguard-go";

export interface Binary {
  readonly path: string;
  readonly version: string;
}

/** The package of the running distribution. */
export async function findInstalled(): Promise<Binary> {
  const query = await execute(["dpkg-query", "-s", PACKAGE], { allowFailure: true });
  const version = /^Version: (.*)$/m.exec(query.stdout)?.[1];
  const path = `/usr/bin/${PACKAGE}`;
  if (version === undefined || !existsSync(path)) throw new LabError(`not installed: apt-get install ${PACKAGE}`);
  return { path, version };
}

/** The package of `<codename>-backports`; throws with the reason where it can't be had. */
export async function fetchBackport(): Promise<Binary> {
  const codename = await debianCodename();
  const cached = await findCached(codename);
  if (cached !== undefined) return cached;
  const work = await mkdtemp(join(tmpdir(), "asterism-bench-apt-"));
  try {
    return await download(work, codename);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

async function download(work: string, codename: string): Promise<Binary> {
  const suite = `${codename}-backports`;
  await writeFile(join(work, "sources.list"), await backportsLine(codename, suite));
  await mkdir(join(work, "lists", "partial"), { recursive: true });
  await mkdir(join(work, "cache", "archives", "partial"), { recursive: true });
  const settings = [
    `Dir::Etc::SourceList=${join(work, "sources.list")}`,
    "Dir::Etc::SourceParts=/dev/null",
    `Dir::State::Lists=${join(work, "lists")}`,
    `Dir::Cache=${join(work, "cache")}`,
    "APT::Sandbox::User=root",
    "Acquire::Retries=1",
    "Acquire::http::Timeout=20",
  ].flatMap((setting) => ["-o", setting]);
  await apt([...settings, "update"], work);
  await apt([...settings, "download", `${PACKAGE}/${suite}`], work);
  const file = (await readdir(work)).find((name) => name.startsWith(`${PACKAGE}_`) && name.endsWith(".deb"));
  if (file === undefined) throw new LabError(`${suite} has no ${PACKAGE}`);
  const version = (await execute(["dpkg-deb", "-f", join(work, file), "Version"])).stdout.trim();
  await execute(["dpkg", "-x", join(work, file), join(work, "unpacked")]);
  await mkdir(CACHE_DIR, { recursive: true });
  const path = join(CACHE_DIR, `${codename}_${version}`);
  await execute(["cp", join(work, "unpacked", "usr", "bin", PACKAGE), `${path}.part`]);
  await rename(`${path}.part`, path);
  return { path, version };
}

async function apt(args: readonly string[], cwd: string): Promise<void> {
  const result = await execute(["apt-get", ...args], { cwd, timeoutMs: 90_000, allowFailure: true });
  const complaint = /^[EW]: .*(Failed|Unable|not found|does not have).*$/m.exec(result.stderr)?.[0];
  if (result.code !== 0) throw new LabError(complaint ?? `apt-get failed: ${result.stderr.trim().slice(-300)}`);
}

async function findCached(codename: string): Promise<Binary | undefined> {
  if (!existsSync(CACHE_DIR)) return undefined;
  const names = (await readdir(CACHE_DIR)).filter((name) => name.startsWith(`${codename}_`) && !name.endsWith(".part"));
  const newest = names.sort().at(-1);
  return newest === undefined
    ? undefined
    : { path: join(CACHE_DIR, newest), version: newest.slice(codename.length + 1) };
}

async function debianCodename(): Promise<string> {
  const release = await readFile("/etc/os-release", "utf8");
  const field = (name: string): string => new RegExp(`^${name}="?([^"\\n]*)"?$`, "m").exec(release)?.[1] ?? "";
  if (field("ID") !== "debian") throw new LabError(`only Debian has Debian's backports; this is ${field("ID")}`);
  return field("VERSION_CODENAME");
}

/** Re-uses the archive that the machine's own source for the codename names. */
async function backportsLine(codename: string, suite: string): Promise<string> {
  for (const text of await aptSourceTexts()) {
    for (const stanza of text.split(/\n\s*\n/)) {
      const field = (name: string): string => new RegExp(`^${name}:[ \\t]*(.*)$`, "m").exec(stanza)?.[1]?.trim() ?? "";
      const archive = field("URIs").split(/\s+/)[0];
      if (!field("Suites").split(/\s+/).includes(codename) || archive === undefined || archive === "") continue;
      const key = field("Signed-By");
      return `deb ${key.startsWith("/") ? `[signed-by=${key}] ` : ""}${archive} ${suite} main\n`;
    }
    const line = new RegExp(`^deb\\s+(\\[[^\\]]*\\]\\s+)?(\\S+)\\s+${codename}\\s+.*\\bmain\\b`, "m").exec(text);
    if (line?.[2] !== undefined) return `deb ${line[1] ?? ""}${line[2]} ${suite} main\n`;
  }
  throw new LabError(`no apt source for ${codename} to take the archive's address from`);
}

async function aptSourceTexts(): Promise<string[]> {
  const folder = "/etc/apt/sources.list.d";
  const names = existsSync(folder) ? await readdir(folder) : [];
  const files = names.filter((name) => /\.(sources|list)$/.test(name)).map((name) => join(folder, name));
  if (existsSync("/etc/apt/sources.list")) files.push("/etc/apt/sources.list");
  return Promise.all(files.map((file) => readFile(file, "utf8")));
}
