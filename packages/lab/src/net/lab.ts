import { mkdtempSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cleanupGuard } from "./cleanup.ts";
import { Host, type HostOptions } from "./host.ts";
import { Internet } from "./internet.ts";
import { LabError, whyLabCannotRun } from "./lab-error.ts";
import type { LabProcess } from "./lab-process.ts";
import { Lan, type LanOptions } from "./lan.ts";
import { Link } from "./link.ts";
import type { LinkOptions } from "./link-options.ts";
import { namespaceName, ownerPrefix, sweep, sweepLeftovers, thisOwner } from "./namespace.ts";
import { proveNat } from "./nat-proof.ts";
import { Router, type RouterOptions } from "./router.ts";
import type { LabScope } from "./scope.ts";
import type { Segment } from "./segment.ts";

let labsOfThisProcess = 0;

/**
 * A test internet out of Linux network namespaces.
 *
 * Everything happens inside the namespaces: the machine's own interfaces, routes and firewall stay as they are.
 * Dispose it (`await using`) to remove all of it; see cleanup.ts for the ends that can't dispose.
 */
export class Lab implements AsyncDisposable {
  readonly #scope: LabScope;
  readonly #namespacePrefix: string;
  readonly #guard: ReturnType<typeof cleanupGuard>;
  readonly #processes: Set<LabProcess>;
  #internet: Promise<Internet> | undefined;
  #disposed = false;

  private constructor(scope: LabScope, namespacePrefix: string, processes: Set<LabProcess>) {
    this.#scope = scope;
    this.#namespacePrefix = namespacePrefix;
    this.#processes = processes;
    this.#guard = cleanupGuard(thisOwner());
    this.#guard.labOpened();
  }

  /** `tag` names the lab in namespace names: 1 to 20 letters, digits or underscores. */
  static create(tag: string): Lab {
    const reason = whyLabCannotRun();
    if (reason !== undefined) throw new LabError(reason);
    if (!/^\w{1,20}$/.test(tag)) throw new LabError(`lab tag '${tag}': use 1 to 20 letters, digits or underscores`);
    sweepLeftovers();
    const owner = thisOwner();
    const uniqueTag = `${tag}${++labsOfThisProcess}`;
    const processes = new Set<LabProcess>(); // bounded: running programs only
    const hosts = new Set<string>(); // bounded: hosts of one lab
    let number = 0;
    const scope: LabScope = {
      tempDir: mkdtempSync(join(tmpdir(), `${ownerPrefix(owner)}${uniqueTag}-`)),
      claimNamespace: (host) => {
        if (!/^[\w-]{1,30}$/.test(host)) throw new LabError(`host name '${host}': 1 to 30 letters, digits, '_' or '-'`);
        if (hosts.has(host)) throw new LabError(`the lab already has a host '${host}'`);
        hosts.add(host);
        return namespaceName(owner, uniqueTag, host);
      },
      nextNumber: () => ++number,
      track: (started) => {
        processes.add(started);
        void started.exited.then(() => processes.delete(started));
      },
    };
    return new Lab(scope, namespaceName(owner, uniqueTag, ""), processes);
  }

  /** Folder for files of this lab, removed with it. */
  get tempDir(): string {
    return this.#scope.tempDir;
  }

  /** The lab's public internet; created by the first call. */
  internet(): Promise<Internet> {
    this.#internet ??= Internet.create(this.#scope);
    return this.#internet;
  }

  /** Adds a machine that is plugged into nothing yet. */
  host(name: string, options: HostOptions = {}): Promise<Host> {
    return Host.create(this.#scope, name, options);
  }

  /** Adds a LAN without a way out. */
  lan(name: string, options: LanOptions = {}): Promise<Lan> {
    return Lan.isolated(this.#scope, name, options);
  }

  /**
   * Adds a router with a LAN behind it; `upstream` is the internet or another router's LAN. The first router of a kind
   * of NAT costs a second, in which `stun` must find that kind.
   */
  async router(name: string, upstream: Segment, options: RouterOptions = {}): Promise<Router> {
    const [router] = await Promise.all([
      Router.create(this.#scope, name, upstream, options),
      proveNat(this.#scope, options.nat ?? "none", options.hairpin ?? false),
    ]);
    return router;
  }

  /** Joins two machines by a cable of their own, with no addresses and both ends up. */
  async wire(a: Host, b: Host, options: LinkOptions = {}): Promise<Link> {
    const end = (host: Host) => ({ host, interfaceName: host.nextInterfaceName() });
    const link = await Link.create(end(a), end(b), options);
    await Promise.all([link.a, link.b].map((side) => side.host.ip([`link set ${side.interfaceName} up`])));
    return link;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#disposed) return;
    this.#disposed = true;
    const running = [...this.#processes];
    for (const started of running) started.kill("SIGKILL");
    await Promise.all(running.map((started) => started.exited));
    sweep((name) => name.startsWith(this.#namespacePrefix));
    await rm(this.#scope.tempDir, { recursive: true, force: true });
    this.#guard.labClosed();
  }
}
