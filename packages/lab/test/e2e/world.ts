import { onTestFailed, type TestContext } from "vitest";
import { type AttachOptions, Lab, type LabProcess } from "../../src/index.ts";
import type { Host } from "../../src/net/host.ts";
import type { Internet } from "../../src/net/internet.ts";
import { type AgentOptions, AgentProcess } from "../../src/product/agent-process.ts";
import { warmUp } from "../../src/product/asterism-command.ts";
import { ServerProcess } from "../../src/product/server-process.ts";

export interface WorldOptions {
  /** Of the server's host. */
  readonly uplink?: AttachOptions;
  /** Of a test's own context: tests that run beside others have to name it. */
  readonly onTestFailed?: TestContext["onTestFailed"];
}

/** A lab with a server on a public host; agents are added as a story needs them. Logs are shown when a test fails. */
export class World implements AsyncDisposable {
  readonly lab: Lab;
  readonly internet: Internet;
  readonly serverHost: Host;
  readonly server: ServerProcess;
  readonly #agents: AgentProcess[] = []; // bounded: agents of one test

  private constructor(lab: Lab, internet: Internet, server: ServerProcess, options: WorldOptions) {
    this.lab = lab;
    this.internet = internet;
    this.server = server;
    this.serverHost = server.host;
    (options.onTestFailed ?? onTestFailed)(() => {
      const processes = [this.server.process, ...this.#agents.map((agent) => agent.process)];
      process.stderr.write(processes.map((one) => one.describe()).join("\n"));
    });
  }

  /** `serverArgs`: of `asterism server`, which relays too unless told not to. */
  static async create(tag: string, serverArgs: readonly string[] = [], options: WorldOptions = {}): Promise<World> {
    const lab = Lab.create(tag);
    try {
      const internet = await lab.internet();
      const serverHost = await internet.host("server", options.uplink);
      await warmUp(serverHost);
      return new World(lab, internet, await ServerProcess.start(serverHost, { args: serverArgs }), options);
    } catch (error: unknown) {
      await lab[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Starts an agent that is in no network yet. */
  async agent(host: Host, options: AgentOptions = {}): Promise<AgentProcess> {
    const agent = await AgentProcess.start(host, options);
    this.#agents.push(agent);
    return agent;
  }

  /** Adds public hosts with these names, each with an agent that has joined `default`. */
  async publicMembers(...names: string[]): Promise<AgentProcess[]> {
    const hosts = await Promise.all(names.map((name) => this.internet.host(name)));
    return this.members(...hosts);
  }

  /** Starts agents on the hosts and joins them to `default` under the hosts' names. */
  members(...hosts: Host[]): Promise<AgentProcess[]> {
    return this.membersWith([], ...hosts);
  }

  /** `args`: of `asterism join`. */
  async membersWith(args: readonly string[], ...hosts: Host[]): Promise<AgentProcess[]> {
    const key = await this.server.createKey({ reusable: true });
    return Promise.all(
      hosts.map(async (host) => {
        const agent = await this.agent(host);
        await agent.join(key, { args });
        return agent;
      }),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.lab[Symbol.asyncDispose]();
  }
}

export async function ipv4Of(agent: AgentProcess, network?: string): Promise<string> {
  const { self } = await agent.network(network);
  if (self.ipv4 === null) throw new Error(`${self.name} has no IPv4 address`);
  return self.ipv4;
}

export async function ipv6Of(agent: AgentProcess, network?: string): Promise<string> {
  const { self } = await agent.network(network);
  if (self.ipv6 === null) throw new Error(`${self.name} has no IPv6 address`);
  return self.ipv6;
}

/** Milliseconds until the first answer through the tunnel, by the system's ping sent every 20 ms. */
export async function firstAnswerMs(from: Host, address: string, limitMs = 20_000): Promise<number> {
  const startedAt = performance.now();
  const count = Math.ceil(limitMs / 20);
  const ping = from.spawn(["ping", "-n", "-c", String(count), "-i", "0.02", address]);
  await ping.waitForOutput(/bytes from/, { timeoutMs: limitMs });
  const elapsedMs = performance.now() - startedAt;
  ping.kill("SIGKILL");
  return elapsedMs;
}

/** Starts one TCP connection through the tunnel, by iperf3 with these arguments; it ends with code 0 if nothing broke it. */
export async function startTransfer(
  from: AgentProcess,
  to: AgentProcess,
  args: readonly string[],
): Promise<LabProcess> {
  const listener = to.host.spawn(["iperf3", "-s", "-1", "--forceflush"]);
  await listener.waitForOutput(/Server listening/);
  return from.host.spawn(["iperf3", "-c", await ipv4Of(to), ...args]);
}

/** Shows a measured figure beside its goal in the test run's output. */
export function reportFigure(what: string, value: number, unit: string, goal: string): void {
  process.stdout.write(`  figure: ${what}: ${value.toFixed(value < 10 ? 2 : 0)} ${unit} (goal ${goal})\n`);
}
