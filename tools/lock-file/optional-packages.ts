/**
 * `npm ci` refuses a lock file that lacks an optional dependency, also one for another system. npm leaves such entries
 * out when the registry at hand does not carry the package. Whoever then clones can't install, so the gate looks for
 * gaps, and `node tools/lock-file/main.ts` fills them.
 */
export interface LockedPackage {
  readonly version?: string;
  readonly dev?: boolean;
  readonly optional?: boolean;
  readonly os?: readonly string[] | string;
  readonly cpu?: readonly string[] | string;
  readonly libc?: readonly string[] | string;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

export interface LockFile {
  readonly packages: Readonly<Record<string, LockedPackage>>;
}

const SYSTEMS =
  /(?:^|[-/])(android|darwin|freebsd|linux|netbsd|openbsd|openharmony|sunos|win32|aix)-([a-z0-9]+)(?:-([a-z]+))?$/;
const LIBC: Readonly<Record<string, string>> = { gnu: "glibc", musl: "musl" };

/** Optional dependencies that some package names and the lock file does not hold, by their path in it. */
export function missingOptionalPackages({ packages }: LockFile): Map<string, LockedPackage> {
  const missing = new Map<string, LockedPackage>();
  for (const [parent, { optionalDependencies, dev }] of Object.entries(packages)) {
    for (const [name, version] of Object.entries(optionalDependencies ?? {})) {
      const path = `node_modules/${name}`;
      if (path in packages || `${parent}/${path}` in packages) continue;
      missing.set(path, describePackage(name, version, dev === true));
    }
  }
  return missing;
}

/** The entry of a package for one system, told from its name: `binding-linux-x64-musl`. */
function describePackage(name: string, version: string, dev: boolean): LockedPackage {
  const [, os, cpu, abi] = SYSTEMS.exec(name) ?? [];
  if (os === undefined || cpu === undefined) throw new Error(`no system can be told from the name ${name}`);
  if (!/^\d+\.\d+\.\d+$/.test(version)) throw new Error(`${name}@${version} is not an exact version`);
  const libc = LIBC[abi ?? ""];
  return {
    version,
    cpu: [cpu],
    ...(dev ? { dev } : {}),
    ...(libc === undefined ? {} : { libc: [libc] }),
    optional: true,
    os: [os],
  };
}

/** The lock file with the gaps filled, its packages in npm's order. */
export function completeLockFile(lockFile: LockFile): LockFile {
  const packages = { ...lockFile.packages, ...Object.fromEntries(missingOptionalPackages(lockFile)) };
  const sorted = Object.entries(packages).sort(([a], [b]) => a.localeCompare(b, "en"));
  return { ...lockFile, packages: Object.fromEntries(sorted) };
}
