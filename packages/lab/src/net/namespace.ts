/**
 * Names of the lab's namespaces, and what removes the ones whose owner is gone.
 *
 * A name is `astlab-<pid>-<start>-<tag>-<host>`: the owner's pid and its start time (field 22 of /proc/pid/stat, base
 * 36), so that a reused pid is never taken for a living owner. The names are the only registry there is.
 */
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync, readlinkSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const PREFIX = "astlab";
const NETNS_DIR = "/run/netns";

export interface Owner {
  readonly pid: number;
  /** Clock ticks since boot, base 36. */
  readonly start: string;
}

export function thisOwner(): Owner {
  const start = startOf(process.pid);
  if (start === undefined) throw new Error("cannot read /proc/self/stat: is /proc mounted?");
  return { pid: process.pid, start };
}

/** What every namespace and temporary folder of the owner begins with. */
export function ownerPrefix(owner: Owner): string {
  return `${PREFIX}-${owner.pid}-${owner.start}-`;
}

export function namespaceName(owner: Owner, tag: string, host: string): string {
  return `${ownerPrefix(owner)}${tag}-${host}`;
}

/** The owner that a namespace's or temporary folder's name tells, or `undefined` for one that isn't the lab's. */
export function parseOwner(name: string): Owner | undefined {
  const match = /^astlab-(\d{1,10})-([0-9a-z]{1,16})-/.exec(name);
  if (match?.[1] === undefined || match[2] === undefined) return undefined;
  return { pid: Number(match[1]), start: match[2] };
}

export function isAlive(owner: Owner): boolean {
  return startOf(owner.pid) === owner.start;
}

export interface Swept {
  readonly namespaces: readonly string[];
  readonly processes: number;
}

/**
 * Kills what runs in the namespaces that `belongs` picks, removes them, and the temporary folders alike.
 * Synchronous, because it also runs while the process is ending.
 */
export function sweep(belongs: (name: string) => boolean): Swept {
  const names = entries(NETNS_DIR).filter((name) => name.startsWith(`${PREFIX}-`) && belongs(name));
  let killed = 0;
  for (const pid of pidsInside(names)) {
    try {
      process.kill(pid, "SIGKILL");
      killed++;
    } catch {
      // ESRCH: it ended on its own.
    }
  }
  if (names.length > 0) {
    const batch = names.map((name) => `netns del ${name}\n`).join("");
    spawnSync("ip", ["-force", "-batch", "-"], { input: batch, stdio: ["pipe", "ignore", "ignore"] });
  }
  for (const name of entries(tmpdir())) {
    if (name.startsWith(`${PREFIX}-`) && belongs(name)) rmSync(join(tmpdir(), name), { recursive: true, force: true });
  }
  return { namespaces: names, processes: killed };
}

/** Removes what labs left whose process no longer runs. */
export function sweepLeftovers(): Swept {
  return sweep((name) => {
    const owner = parseOwner(name);
    return owner !== undefined && !isAlive(owner);
  });
}

/** The lab's namespaces that exist at this moment, of any owner. */
export function labNamespaces(): string[] {
  return entries(NETNS_DIR).filter((name) => parseOwner(name) !== undefined);
}

function startOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The command name may hold spaces and parentheses: fields count from behind its last parenthesis.
    const field = stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
    return field === undefined ? undefined : Number(field).toString(36);
  } catch {
    return undefined;
  }
}

function pidsInside(names: readonly string[]): number[] {
  const inodes = new Set<string>();
  for (const name of names) {
    try {
      inodes.add(`net:[${statSync(join(NETNS_DIR, name)).ino}]`);
    } catch {
      // Removed by someone else meanwhile.
    }
  }
  if (inodes.size === 0) return [];
  const pids: number[] = [];
  for (const entry of entries("/proc")) {
    if (!/^\d+$/.test(entry)) continue;
    try {
      if (inodes.has(readlinkSync(`/proc/${entry}/ns/net`))) pids.push(Number(entry));
    } catch {
      // Ended meanwhile, or a kernel thread.
    }
  }
  return pids;
}

function entries(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
