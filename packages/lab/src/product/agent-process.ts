import type { AgentStatus, NetworkStatus, PeerStatus } from "@asterism/core/local-api";
import type { Host } from "../net/host.ts";
import { LabError } from "../net/lab-error.ts";
import type { ExecOptions, ExecResult, LabProcess, ProcessExit } from "../net/lab-process.ts";
import { ASTERISM_COMMAND, asterism } from "./asterism-command.ts";

export interface AgentOptions {
  /** Keeps several agents on one host apart; default `agent`. */
  readonly name?: string;
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly timeoutMs?: number;
}

export interface JoinOptions extends ExecOptions {
  readonly name?: string;
  readonly secret?: string;
  readonly args?: readonly string[];
}

export interface PingReport {
  readonly peer: string;
  readonly sent: number;
  readonly received: number;
  readonly direct: boolean;
  readonly replies: readonly { readonly rttMs: number; readonly path: { readonly kind: string } }[];
}

/** `asterism agent` as a real process on a host of the lab, with a state folder and a socket of its own. */
export class AgentProcess {
  readonly host: Host;
  readonly stateDir: string;
  readonly socket: string;
  readonly #argv: readonly string[];
  readonly #options: AgentOptions;
  #process: LabProcess;

  private constructor(host: Host, folder: string, options: AgentOptions) {
    this.host = host;
    this.stateDir = `${folder}/state`;
    this.socket = `${folder}/agent.sock`;
    this.#argv = [
      ASTERISM_COMMAND,
      "agent",
      "--state",
      this.stateDir,
      "--socket",
      this.socket,
      ...(options.args ?? []),
    ];
    this.#options = options;
    this.#process = this.#spawn();
  }

  /** Starts it and waits until its local API answers. */
  static async start(host: Host, options: AgentOptions = {}): Promise<AgentProcess> {
    const agent = new AgentProcess(host, await host.folder(options.name ?? "agent"), options);
    await agent.#ready();
    return agent;
  }

  get process(): LabProcess {
    return this.#process;
  }

  /** Runs an asterism command against this agent. */
  command(args: readonly string[], options: ExecOptions = {}): Promise<ExecResult> {
    return asterism(this.host, [...args, "--socket", this.socket], options);
  }

  join(key: string, options: JoinOptions = {}): Promise<ExecResult> {
    const args = ["join", key, "--name", options.name ?? this.host.name];
    if (options.secret !== undefined) args.push("--secret", options.secret);
    return this.command([...args, ...(options.args ?? [])], options);
  }

  async status(): Promise<AgentStatus> {
    const { stdout } = await this.command(["status", "--json"]);
    return JSON.parse(stdout) as AgentStatus;
  }

  /** One of its networks; the only one when no name is given. */
  async network(name?: string): Promise<NetworkStatus> {
    const { networks } = await this.status();
    const found = name === undefined ? networks[0] : networks.find((network) => network.name === name);
    if (found === undefined) throw new LabError(`${this.host.name}'s agent is not in network '${name ?? "any"}'`);
    return found;
  }

  async peer(name: string, network?: string): Promise<PeerStatus> {
    const { peers } = await this.network(network);
    const found = peers.find((peer) => peer.name === name);
    if (found === undefined) throw new LabError(`${this.host.name}'s agent knows no peer '${name}'`);
    return found;
  }

  async ping(peer: string, args: readonly string[] = ["-c", "1"], options: ExecOptions = {}): Promise<PingReport> {
    const result = await this.command(["ping", peer, ...args, "--json"], { allowFailure: true, ...options });
    if (result.stdout === "") throw new LabError(`asterism ping ${peer}: ${result.stderr}\n${this.process.describe()}`);
    return JSON.parse(result.stdout) as PingReport;
  }

  /** SIGTERM, and SIGKILL if that doesn't help. */
  stop(graceMs?: number): Promise<ProcessExit> {
    return this.#process.stop(graceMs);
  }

  async kill(): Promise<void> {
    this.#process.kill("SIGKILL");
    await this.#process.exited;
  }

  /** Stops it without its knowledge: packets wait in its sockets. `Host.suspend` stops the network as well. */
  suspend(): void {
    this.#process.kill("SIGSTOP");
  }

  resume(): void {
    this.#process.kill("SIGCONT");
  }

  /** Starts it again on the same state. */
  async startAgain(): Promise<void> {
    this.#process = this.#spawn();
    await this.#ready();
  }

  #spawn(): LabProcess {
    return this.host.spawn(this.#argv, this.#options.env === undefined ? {} : { env: this.#options.env });
  }

  async #ready(): Promise<void> {
    await this.#process.waitForOutput(/^ready\b/m, { timeoutMs: this.#options.timeoutMs ?? 15_000 });
  }
}
