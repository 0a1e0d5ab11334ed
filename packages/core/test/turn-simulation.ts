/** A TURN client and a relay in virtual time, with a network between them that delays, loses and reorders. */
import type { UdpAddress } from "../src/net/index.ts";
import { randomUnit } from "../src/random.ts";
import type { WallTime } from "../src/time.ts";
import { addMs, type Instant } from "../src/time.ts";
import {
  makeTurnCredentials,
  TurnClient,
  type TurnClientEvent,
  type TurnClientOptions,
  type TurnCredentials,
  TurnStreamReader,
} from "../src/turn/index.ts";
import { seededRandom } from "./seeded-random.ts";
import { RELAY_SECRET, TestRelay } from "./turn-relay.ts";

export const RELAY_ADDRESS: UdpAddress = { address: "203.0.113.5", port: 3478 };
const START = 1_000 as Instant;

export interface SimulationOptions {
  readonly relay?: TestRelay;
  readonly transport?: "udp" | "stream";
  readonly families?: TurnClientOptions["families"];
  readonly credentials?: TurnCredentials;
  readonly delayMs?: number;
  readonly lossRatio?: number;
  /** Up to so much more delay, so that packets overtake each other. */
  readonly jitterMs?: number;
  readonly seed?: number;
}

export function relayCredentials(name: string, validMs = 86_400_000): TurnCredentials {
  return makeTurnCredentials(RELAY_SECRET, name, (1_800_000_000_000 + validMs) as WallTime);
}

export class TurnSimulation {
  readonly client: TurnClient;
  relay: TestRelay;
  /** With the time since the start. */
  readonly events: (TurnClientEvent & { readonly atMs: number })[] = [];
  clientAddress: UdpAddress = { address: "198.51.100.9", port: 41641 };
  isCut = false;
  lossRatio: number;
  now = START;
  readonly #options: SimulationOptions;
  readonly #random;
  #queue: { readonly at: Instant; readonly run: () => void }[] = [];
  #relayReader = new TurnStreamReader();

  constructor(options: SimulationOptions = {}) {
    this.#options = options;
    this.#random = seededRandom(options.seed ?? 1);
    this.lossRatio = options.lossRatio ?? 0;
    this.relay = options.relay ?? new TestRelay();
    this.client = new TurnClient({
      transport: options.transport ?? "udp",
      server: RELAY_ADDRESS,
      linkId: 1,
      credentials: options.credentials ?? relayCredentials("alice"),
      random: this.#random,
      ...(options.families === undefined ? {} : { families: options.families }),
    });
  }

  /** Does something to the client and drains it. */
  act(change: (client: TurnClient, now: Instant) => void): void {
    change(this.client, this.now);
    this.#drain();
  }

  run(durationMs: number): void {
    const end = addMs(this.now, durationMs);
    for (;;) {
      const arrival = this.#queue.reduce<Instant | undefined>(
        (a, { at }) => (a === undefined || at < a ? at : a),
        undefined,
      );
      const timeout = this.client.pollTimeout()?.at;
      const next = Math.max(
        this.now,
        Math.min(arrival ?? Number.POSITIVE_INFINITY, timeout ?? Number.POSITIVE_INFINITY),
      );
      if (next > end) break;
      this.now = next as Instant;
      if (arrival !== undefined && arrival <= next) this.#arrive(arrival);
      else this.client.handleTimeout(this.now);
      this.#drain();
    }
    this.now = end;
  }

  kinds(): string[] {
    return this.events.map((event) => (event.kind === "failed" ? `failed: ${event.reason}` : event.kind));
  }

  #arrive(at: Instant): void {
    const due = this.#queue.find((entry) => entry.at === at);
    this.#queue = this.#queue.filter((entry) => entry !== due);
    due?.run();
  }

  #drain(): void {
    for (let sent = this.client.pollTransmit(); sent !== undefined; sent = this.client.pollTransmit()) {
      const { bytes, to } = sent;
      this.#carry(() => this.#reachRelay(bytes, to.remote));
    }
    for (let event = this.client.pollEvent(); event !== undefined; event = this.client.pollEvent()) {
      this.events.push({ ...event, atMs: this.now - START });
      if (event.kind === "connect") this.#connect();
    }
  }

  #connect(): void {
    this.#queue.push({
      at: addMs(this.now, 2 * (this.#options.delayMs ?? 10)),
      run: () => {
        this.#relayReader = new TurnStreamReader();
        if (!this.isCut) this.client.handleStreamOpen(this.now);
      },
    });
  }

  #reachRelay(bytes: Uint8Array, server: UdpAddress): void {
    const from = this.clientAddress;
    const frames = this.#options.transport === "stream" ? this.#relayReader.handleStream(bytes) : [{ bytes }];
    for (const frame of frames) {
      const answer = this.relay.handle(frame.bytes, from, this.now);
      if (answer === undefined) continue;
      this.#carry(() => {
        if (this.#options.transport === "stream") this.client.handleStream(answer, this.now);
        else if (from === this.clientAddress) {
          this.client.handleDatagram(answer, { linkId: 1, remote: server, channel: null }, this.now);
        }
      });
    }
  }

  #carry(run: () => void): void {
    const isReliable = this.#options.transport === "stream";
    if (this.isCut || (!isReliable && randomUnit(this.#random) < this.lossRatio)) return;
    const jitterMs = isReliable ? 0 : randomUnit(this.#random) * (this.#options.jitterMs ?? 0);
    this.#queue.push({ at: addMs(this.now, (this.#options.delayMs ?? 10) + jitterMs), run });
  }
}
