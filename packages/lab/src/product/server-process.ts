import type { Host } from "../net/host.ts";
import type { ExecOptions, ExecResult, LabProcess, ProcessExit } from "../net/lab-process.ts";
import { ASTERISM_COMMAND, asterism } from "./asterism-command.ts";

export interface ServerOptions {
  /** Keeps several servers on one host apart. */
  readonly name?: string;
  /** Default 443. */
  readonly port?: number;
  /** Address in the public URL; default the host's IPv4 address. */
  readonly address?: string;
  readonly args?: readonly string[];
  readonly timeoutMs?: number;
}

export interface KeyOptions {
  readonly network?: string;
  readonly reusable?: boolean;
  readonly ephemeral?: boolean;
  /** As the command takes it, e.g. `1h`. */
  readonly expires?: string;
}

/** `asterism server` as a real process on a host of the lab. */
export class ServerProcess {
  readonly host: Host;
  readonly url: string;
  readonly dataDir: string;
  readonly #argv: readonly string[];
  readonly #timeoutMs: number;
  #process: LabProcess;

  private constructor(host: Host, url: string, dataDir: string, argv: readonly string[], options: ServerOptions) {
    this.host = host;
    this.url = url;
    this.dataDir = dataDir;
    this.#argv = argv;
    this.#timeoutMs = options.timeoutMs ?? 20_000;
    this.#process = host.spawn(argv);
  }

  /** Starts it and waits until it accepts members. */
  static async start(host: Host, options: ServerOptions = {}): Promise<ServerProcess> {
    const port = options.port ?? 443;
    const address = options.address ?? host.ipv4;
    const bracketed = address.includes(":") ? `[${address}]` : address;
    const url = `https://${bracketed}${port === 443 ? "" : `:${port}`}`;
    const dataDir = await host.folder(options.name ?? "server");
    const argv = [ASTERISM_COMMAND, "server", "--data", dataDir, "--listen", `[::]:${port}`, "--public-url", url];
    const server = new ServerProcess(host, url, dataDir, [...argv, ...(options.args ?? [])], options);
    await server.#ready();
    return server;
  }

  get process(): LabProcess {
    return this.#process;
  }

  /** Runs `asterism admin …` on the server's host. */
  admin(args: readonly string[], options: ExecOptions = {}): Promise<ExecResult> {
    return asterism(this.host, ["admin", ...args, "--data", this.dataDir], options);
  }

  /** Creates a join key (one-time unless told otherwise) and returns it. */
  async createKey(options: KeyOptions = {}): Promise<string> {
    const args = ["key", "create"];
    if (options.network !== undefined) args.push("--network", options.network);
    if (options.reusable === true) args.push("--reusable");
    if (options.ephemeral === true) args.push("--ephemeral");
    if (options.expires !== undefined) args.push("--expires", options.expires);
    const { stdout } = await this.admin(args);
    return stdout.trim();
  }

  /** SIGTERM, and SIGKILL if that doesn't help. */
  stop(): Promise<ProcessExit> {
    return this.#process.stop();
  }

  async kill(): Promise<void> {
    this.#process.kill("SIGKILL");
    await this.#process.exited;
  }

  /** Starts it again on the same data. */
  async startAgain(): Promise<void> {
    this.#process = this.host.spawn(this.#argv);
    await this.#ready();
  }

  async #ready(): Promise<void> {
    await this.#process.waitForOutput(/^ready: \S+/m, { timeoutMs: this.#timeoutMs });
  }
}
