import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Attachment } from "./attachment.ts";
import { LabError } from "./lab-error.ts";
import { type ExecOptions, type ExecResult, execute, finish, LabProcess, type SpawnOptions } from "./lab-process.ts";
import { type PingOptions, type PingResult, parsePing, pingArguments } from "./ping.ts";
import type { LabScope } from "./scope.ts";

/** Where the kernel has br_netfilter, it would track and translate frames that a bridge only passes on. */
const BRIDGES_ARE_PLAIN = ["iptables", "ip6tables"].map((family) => {
  const path = `/proc/sys/net/bridge/bridge-nf-call-${family}`;
  return `[ ! -e ${path} ] || echo 0 > ${path}`;
});

export interface HostOptions {
  /** Forwards packets between its interfaces, as a router does. */
  readonly forwarding?: boolean;
}

/** Below those that interfaces have at first. */
const PREFERRED_METRIC = 50;

/** Nothing comes in or goes out, connection tracking included, while this table is loaded. */
const OFF_TABLE = "inet lab_off";
const OFF = `
table ${OFF_TABLE} {
  chain in { type filter hook prerouting priority -400; drop; }
  chain out { type filter hook output priority -400; drop; }
}
`;

/** One machine of the lab: a network namespace with its own interfaces, routes and firewall. */
export class Host {
  readonly name: string;
  /** Name under /run/netns. */
  readonly namespace: string;
  readonly scope: LabScope;
  readonly attachments: Attachment[] = []; // bounded: one per interface
  readonly #programs = new Set<LabProcess>(); // bounded: running programs only
  #interfaces = 0;
  /** File that this machine's programs find at /etc/resolv.conf; the real machine's without one. */
  #resolvConf: string | undefined;

  protected constructor(scope: LabScope, name: string) {
    this.scope = scope;
    this.name = name;
    this.namespace = scope.claimNamespace(name);
  }

  static async create(scope: LabScope, name: string, options: HostOptions = {}): Promise<Host> {
    const host = new Host(scope, name);
    await host.boot(options);
    return host;
  }

  protected async boot(options: HostOptions): Promise<void> {
    const forwarding = options.forwarding === true ? 1 : 0;
    const settings: Record<string, number> = {
      "ipv6/conf/all/accept_dad": 0,
      "ipv6/conf/default/accept_dad": 0,
      "ipv6/conf/default/accept_ra": 0,
      "ipv4/conf/all/rp_filter": 0,
      "ipv4/conf/default/rp_filter": 0,
      "ipv4/ip_forward": forwarding,
      "ipv6/conf/all/forwarding": forwarding,
    };
    const writes = Object.entries(settings).map(([path, value]) => `echo ${value} > /proc/sys/net/${path}`);
    const inside = ["set -e", ...writes, ...BRIDGES_ARE_PLAIN, "ip link set lo up"].join("\n");
    await execute(["sh", "-ec", `ip netns add "$0"; exec ip netns exec "$0" sh -ec "$1"`, this.namespace, inside]);
  }

  /** IPv4 address of the first interface that has one. */
  get ipv4(): string {
    return this.#first("IPv4", (attachment) => attachment.ipv4);
  }

  /** IPv6 address of the first interface that has one. */
  get ipv6(): string {
    return this.#first("IPv6", (attachment) => attachment.ipv6);
  }

  /** The attachment of the first interface. */
  get uplink(): Attachment {
    const uplink = this.attachments[0];
    if (uplink === undefined) throw new LabError(`${this.name} is attached to nothing`);
    return uplink;
  }

  nextInterfaceName(): string {
    return `eth${this.#interfaces++}`;
  }

  /** The command line that runs `argv` in this machine. */
  commandLine(argv: readonly string[]): string[] {
    const inside = ["ip", "netns", "exec", this.namespace];
    if (this.#resolvConf === undefined) return [...inside, ...argv];
    // `ip netns exec` gives the program mounts of its own.
    return [...inside, "sh", "-ec", 'mount --bind "$0" /etc/resolv.conf; exec "$@"', this.#resolvConf, ...argv];
  }

  /** Programs that are started from now on ask this name server. */
  async useResolver(address: string): Promise<void> {
    const file = join(await this.folder("etc"), "resolv.conf");
    await writeFile(file, `nameserver ${address}\n`);
    this.#resolvConf = file;
  }

  /** Starts a program; it is killed with the lab at the latest. */
  spawn(argv: readonly string[], options: SpawnOptions = {}): LabProcess {
    const started = LabProcess.start(this.commandLine(argv), options);
    this.scope.track(started);
    this.#programs.add(started);
    void started.exited.then(() => this.#programs.delete(started));
    return started;
  }

  /** Runs a program to its end; throws with its output when it fails (unless `allowFailure`). */
  exec(argv: readonly string[], options: ExecOptions = {}): Promise<ExecResult> {
    return finish(this.spawn(argv, options), options);
  }

  shell(script: string, options: ExecOptions = {}): Promise<ExecResult> {
    return this.exec(["sh", "-ec", script], options);
  }

  /** Runs lines of `ip` commands (without the word `ip`) in one go. */
  async ip(lines: readonly string[]): Promise<void> {
    if (lines.length === 0) return;
    await execute(["ip", "-n", this.namespace, "-batch", "-"], { input: `${lines.join("\n")}\n` });
  }

  /** Loads an nftables ruleset. */
  async nft(ruleset: string): Promise<void> {
    await this.exec(["nft", "-f", "-"], { input: ruleset });
  }

  /** Stops its programs and its network, as when a lid is closed. The clocks go on: a namespace can't stop them. */
  async suspend(): Promise<void> {
    await this.silence();
    for (const program of this.#programs) program.kill("SIGSTOP");
  }

  async resume(): Promise<void> {
    await this.unsilence();
    for (const program of this.#programs) program.kill("SIGCONT");
  }

  /** Drops whatever comes in or would go out, while every interface stays as it is. */
  async silence(): Promise<void> {
    await this.nft(OFF);
  }

  async unsilence(): Promise<void> {
    await this.nft(`delete table ${OFF_TABLE}`);
  }

  /** Makes an interface the one that the default route leads over; the routes of the others stay behind it. */
  async preferUplink(attachment: Attachment): Promise<void> {
    const others = this.attachments.filter((other) => other !== attachment);
    // The others first: a route of the same metric would be replaced.
    for (const other of others) await other.setRouteMetric();
    await attachment.setRouteMetric(PREFERRED_METRIC);
  }

  /** Sends ICMP echo requests; lost answers are in the result, not an error. */
  async ping(address: string, options: PingOptions = {}): Promise<PingResult> {
    const argv = pingArguments(address, options);
    const budgetMs = (options.count ?? 1) * (options.intervalMs ?? 200) + (options.timeoutMs ?? 1_000) + 10_000;
    const { stdout, stderr } = await this.exec(argv, { allowFailure: true, timeoutMs: budgetMs });
    return parsePing(`${stdout}${stderr}`);
  }

  /** A folder for files of this machine's programs, removed with the lab. */
  async folder(name: string): Promise<string> {
    const path = join(this.scope.tempDir, this.name, name);
    await mkdir(path, { recursive: true });
    return path;
  }

  #first(what: string, pick: (attachment: Attachment) => string | undefined): string {
    for (const attachment of this.attachments) {
      const address = pick(attachment);
      if (address !== undefined) return address;
    }
    throw new LabError(`${this.name} has no ${what} address`);
  }
}
