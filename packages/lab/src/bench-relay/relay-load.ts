import { randomBytes } from "node:crypto";
import { createInterface } from "node:readline";
import { encodeHex, parseHex } from "@asterism/core/bytes";
import type { UdpAddress } from "@asterism/core/net";
import type { Instant, WallTime } from "@asterism/core/time";
import { makeTurnCredentials, TurnClient } from "@asterism/core/turn";
import { LabError } from "../net/lab-error.ts";
import { LabProcess } from "../net/lab-process.ts";
import { nativeProgram } from "../net/native-program.ts";
import { RELAY_SECRET, type RelayServer } from "./relay-server.ts";
import { onCores, type Stage } from "./stage.ts";

export interface LoadOptions {
  readonly clients: number;
  readonly cores: readonly number[];
  /** Clients reach the relay over TCP. */
  readonly tcp?: boolean;
  /** Clients get a second channel, to the client next to them. */
  readonly across?: boolean;
}

export interface Traffic {
  readonly way: "up" | "down" | "across";
  readonly payloadBytes: number;
  /** Datagrams per system call of the sender. */
  readonly batch: number;
  /** Whether a batch travels as one segmented message or as so many datagrams. */
  readonly how: "gso" | "single";
}

export interface Counted {
  readonly packetsPerSecond: number;
  readonly megabitsPerSecond: number;
  /** All that arrived, before and after what the rates are of. */
  readonly packets: number;
}

/** Clients of one user; relays limit how many a user may have. */
const CLIENTS_PER_USER = 32;
const CREDENTIALS_TTL_MS = 3_600_000;
/** Clients that set up at the same time. */
const STARTING_AT_ONCE = 32;
const SET_UP_MS = 30_000;
const TIMER_MS = 20;

interface Client {
  readonly machine: TurnClient;
  relayed: UdpAddress | undefined;
  /** Channels that are still to be bound. */
  missing: number;
}

/** Clients with an allocation and a channel each, and the program that sends for them and counts what arrives. */
export class RelayLoad implements AsyncDisposable {
  readonly #process: LabProcess;
  readonly #clients: readonly Client[];
  readonly #peers: readonly UdpAddress[];
  readonly #relay: UdpAddress;
  #onDone: ((line: string) => void) | undefined;

  private constructor(
    started: LabProcess,
    clients: readonly Client[],
    relay: UdpAddress,
    peers: readonly UdpAddress[],
  ) {
    this.#process = started;
    this.#clients = clients;
    this.#relay = relay;
    this.#peers = peers;
    createInterface({ input: started.stdoutStream }).on("line", (line) => this.#handleLine(line));
  }

  static async open(stage: Stage, server: RelayServer, options: LoadOptions): Promise<RelayLoad> {
    const relay = { address: stage.relayAddress, port: server.port };
    const argv = [
      await nativeProgram("relayload"),
      ...["--client-ns", stage.clients.namespace, "--peer-ns", stage.peers.namespace],
      ...["--client-addresses", stage.clientAddresses.join(","), "--peer", stage.peerAddress],
      ...["--relay", `${relay.address}:${relay.port}`, "--clients", String(options.clients)],
      ...["--threads", String(options.cores.length), ...(options.tcp === true ? ["--tcp"] : [])],
    ];
    const started = LabProcess.start(onCores(options.cores, argv), { keepStdin: true });
    try {
      const [, ports = ""] = await started.waitForOutput(/^ready ([\d ]+)$/m);
      const peers = ports.split(" ").map((port) => ({ address: stage.peerAddress, port: Number(port) }));
      const clients = peers.map((_, index) => ({
        machine: openClient(relay, index, options),
        relayed: undefined,
        missing: 0,
      }));
      const load = new RelayLoad(started, clients, relay, peers);
      await load.#setUp(options.across === true);
      return load;
    } catch (error: unknown) {
      started.kill("SIGKILL");
      throw error;
    }
  }

  /** What arrived in the time, with so many datagrams of a client on the way at most (0: any number). */
  async run(traffic: Traffic, window: number, durationMs: number): Promise<Counted> {
    const { way, payloadBytes, batch, how } = traffic;
    const answer = this.#nextAnswer(durationMs + 20_000);
    this.#process.write(`run ${way} ${payloadBytes} ${batch} ${how} ${window} ${durationMs}\n`);
    const line = await answer;
    const match = /^done sent=\d+ received=(\d+) ns=(\d+) arrived=(\d+)$/.exec(line);
    if (match === null) throw new LabError(`the load answered '${line}'`);
    const packetsPerSecond = (Number(match[1]) * 1e9) / Number(match[2]);
    return {
      packetsPerSecond,
      megabitsPerSecond: (packetsPerSecond * payloadBytes * 8) / 1e6,
      packets: Number(match[3]),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#process.kill("SIGKILL");
    await this.#process.exited;
  }

  #nextAnswer(timeoutMs: number): Promise<string> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new LabError(`${this.#process.describe()} is stuck`)), timeoutMs);
      void this.#process.exited.then(() => reject(new LabError(this.#process.describe())));
      this.#onDone = (line) => {
        clearTimeout(timer);
        resolve(line);
      };
    });
  }

  /** Allocations first, because a client's channel may lead to another one's allocation. */
  async #setUp(across: boolean): Promise<void> {
    const deadline = performance.now() + SET_UP_MS;
    const timer = setInterval(() => this.#forEach((client) => client.machine.handleTimeout(readClock())), TIMER_MS);
    try {
      const isStarting = ({ machine, relayed }: Client): boolean => machine.snapshot().state !== "idle" && !relayed;
      for (;;) {
        const room = STARTING_AT_ONCE - this.#clients.filter(isStarting).length;
        const idle = this.#clients.filter(({ machine }) => machine.snapshot().state === "idle").slice(0, room);
        for (const client of idle) client.machine.start(readClock());
        this.#forEach(() => undefined);
        if (this.#clients.every(({ relayed }) => relayed !== undefined)) break;
        await this.#pause(deadline);
      }
      for (const [index, client] of this.#clients.entries()) this.#bind(client, index, across);
      this.#forEach(() => undefined);
      while (this.#clients.some(({ missing }) => missing > 0)) await this.#pause(deadline);
    } finally {
      clearInterval(timer);
    }
  }

  async #pause(deadline: number): Promise<void> {
    if (performance.now() > deadline) {
      const states = this.#clients.map(({ machine }) => JSON.stringify(machine.snapshot().lastFailure));
      throw new LabError(`not all clients got their channels: ${[...new Set(states)].join(" ")}`);
    }
    await new Promise((resolve) => setTimeout(resolve, TIMER_MS / 4));
  }

  #bind(client: Client, index: number, across: boolean): void {
    const neighbour = this.#clients[index ^ 1]?.relayed;
    const peers = [this.#peers[index], ...(across ? [neighbour] : [])].filter((peer) => peer !== undefined);
    client.missing = peers.length;
    for (const peer of peers) client.machine.bindChannel(peer, readClock());
    if (client.relayed !== undefined) {
      this.#process.write(`relayed ${index} ${client.relayed.address} ${client.relayed.port}\n`);
    }
  }

  #handleLine(line: string): void {
    const match = /^from (\d+) ([0-9a-f]+)$/.exec(line);
    if (match === null) {
      this.#onDone?.(line);
      return;
    }
    const client = this.#clients[Number(match[1])];
    const bytes = parseHex(match[2] ?? "");
    if (client === undefined || bytes === undefined) return;
    const from = { linkId: 0, remote: this.#relay, channel: null };
    client.machine.handleDatagram(bytes, from, readClock());
    client.machine.handleStream(bytes, readClock());
    this.#drain(client, Number(match[1]));
  }

  #forEach(action: (client: Client) => void): void {
    for (const [index, client] of this.#clients.entries()) {
      action(client);
      this.#drain(client, index);
    }
  }

  #drain(client: Client, index: number): void {
    const { machine } = client;
    for (let event = machine.pollEvent(); event !== undefined; event = machine.pollEvent()) {
      if (event.kind === "connect") machine.handleStreamOpen(readClock());
      else if (event.kind === "allocated") client.relayed = event.relayedAddresses[0];
      else if (event.kind === "channel-bound") client.missing--;
    }
    for (let transmit = machine.pollTransmit(); transmit !== undefined; transmit = machine.pollTransmit()) {
      this.#process.write(`send ${index} ${encodeHex(transmit.bytes)}\n`);
    }
  }
}

function openClient(server: UdpAddress, index: number, { tcp }: LoadOptions): TurnClient {
  const expiresAt = (Date.now() + CREDENTIALS_TTL_MS) as WallTime;
  return new TurnClient({
    transport: tcp === true ? "stream" : "udp",
    server,
    linkId: 0,
    credentials: makeTurnCredentials(RELAY_SECRET, `user${Math.floor(index / CLIENTS_PER_USER)}`, expiresAt),
    random: (sizeBytes) => new Uint8Array(randomBytes(sizeBytes)),
  });
}

function readClock(): Instant {
  return performance.now() as Instant;
}
