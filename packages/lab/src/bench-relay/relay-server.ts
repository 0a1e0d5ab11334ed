import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { LabError } from "../net/lab-error.ts";
import { execute, type LabProcess } from "../net/lab-process.ts";
import { ASTERISM_COMMAND } from "../product/asterism-command.ts";
import { onCores, type Stage } from "./stage.ts";

export const RELAYS = ["asterism", "coturn"] as const;
export type RelayName = (typeof RELAYS)[number];

export const RELAY_SECRET = "a secret of the bench";

/** Both may run at the same time. */
const PORTS: Readonly<Record<RelayName, { port: number; min: number; max: number }>> = {
  asterism: { port: 3478, min: 40_000, max: 49_999 },
  coturn: { port: 4478, min: 50_000, max: 59_999 },
};

/** Peers are in a range that is not public. */
const PEERS = "203.0.113.0/24";

function asterismArguments(stage: Stage): string[] {
  const { port, min, max } = PORTS.asterism;
  return [
    ASTERISM_COMMAND,
    "relay",
    ...["--listen", `${stage.relayAddress}:${port}`, "--secret", RELAY_SECRET, "--allow-peer", PEERS],
    ...["--min-port", String(min), "--max-port", String(max)],
  ];
}

/**
 * coturn at its fastest: nothing logged, no console, no TLS, secrets from the command line, as many relay threads as it
 * has cores.
 */
function coturnArguments(stage: Stage, cores: readonly number[], folder: string): string[] {
  const { port, min, max } = PORTS.coturn;
  return [
    "turnserver",
    "-n",
    "--log-file=/dev/null",
    "--no-stdout-log",
    "--simple-log",
    "--no-cli",
    "--no-tls",
    "--no-dtls",
    "--no-rfc5780",
    "--no-software-attribute",
    "--use-auth-secret",
    `--static-auth-secret=${RELAY_SECRET}`,
    "--realm=asterism",
    `--listening-port=${port}`,
    `--listening-ip=${stage.relayAddress}`,
    `--relay-ip=${stage.relayAddress}`,
    `--min-port=${min}`,
    `--max-port=${max}`,
    `--relay-threads=${cores.length}`,
    `--pidfile=${join(folder, "turnserver.pid")}`,
    `--userdb=${join(folder, "turndb")}`,
  ];
}

/** A relay under test, on the stage's middle machine. */
export class RelayServer implements AsyncDisposable {
  readonly name: RelayName;
  readonly process: LabProcess;

  private constructor(name: RelayName, started: LabProcess) {
    this.name = name;
    this.process = started;
  }

  static async start(name: RelayName, stage: Stage, cores: readonly number[]): Promise<RelayServer> {
    const argv =
      name === "asterism"
        ? asterismArguments(stage)
        : coturnArguments(stage, cores, await stage.relay.folder("coturn"));
    const server = new RelayServer(name, stage.relay.spawn(onCores(cores, argv)));
    await server.#untilListening(stage);
    return server;
  }

  get port(): number {
    return PORTS[this.name].port;
  }

  /** Time that its threads have run so far. */
  cpuNs(): number {
    let total = 0;
    for (const task of readdirSync(`/proc/${this.process.pid}/task`)) {
      total += Number(readFileSync(`/proc/${this.process.pid}/task/${task}/schedstat`, "utf8").split(" ")[0]);
    }
    return total;
  }

  /** Resident size of the whole process. */
  residentBytes(): number {
    const status = readFileSync(`/proc/${this.process.pid}/status`, "utf8");
    return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1] ?? Number.NaN) * 1_024;
  }

  async #untilListening(stage: Stage): Promise<void> {
    const deadline = performance.now() + 20_000;
    for (;;) {
      const { stdout } = await stage.relay.exec(["ss", "-Hnul", `sport = :${this.port}`]);
      if (stdout.trim() !== "") return;
      if (!this.process.running || performance.now() > deadline) {
        throw new LabError(`${this.process.describe()} does not listen`);
      }
      await delay(50);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.process.stop();
  }
}

export async function relayVersion(name: RelayName): Promise<string> {
  if (name === "asterism") {
    // Builds the packet engine if need be.
    const { stdout } = await execute([ASTERISM_COMMAND, "relay", "--help"], { timeoutMs: 300_000 });
    if (!stdout.includes("--listen")) throw new LabError(`${ASTERISM_COMMAND} has no relay`);
    return (await execute([ASTERISM_COMMAND, "--version"])).stdout.trim();
  }
  const found = await execute(["dpkg-query", "--show", "coturn"], { allowFailure: true });
  if (found.code !== 0) throw new LabError("coturn is missing: apt-get install coturn");
  return found.stdout.trim().replace(/^\S+\s+/, "");
}
