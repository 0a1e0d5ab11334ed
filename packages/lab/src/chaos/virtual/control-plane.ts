/**
 * The server as members of the chaos run see it: streams that break and come back by the agent's rules, calls, and who is
 * online. Streams are TCP, so what is sent while nothing passes arrives late, and that a stream's address has changed is
 * noticed when something is sent on it, if only TCP's own keepalive.
 */
import { fullJitterDelayMs } from "@asterism/core/back-off";
import { STREAM_KEEPALIVE_MS, STREAM_RECONNECT } from "@asterism/core/control";
import type { CallCarrier } from "../../virtual-internet/mesh-node.ts";
import type { SeededRandom } from "../../virtual-internet/seeded-random.ts";
import type { World } from "../../virtual-internet/world.ts";

export interface StreamOwner {
  readonly name: string;
  /** Whether TCP between this host and the server passes now. */
  reachesServer(): boolean;
  onConnected(): void;
  /** The member has noticed that its stream is no more. */
  onLost(): void;
  /** The server could not deliver its last call to this member. */
  onCallFailed(name: string): void;
  onOnline(name: string): void;
}

interface Stream {
  readonly owner: StreamOwner;
  /** `broken`: the member believes that it is connected. */
  state: "connected" | "broken" | "connecting" | "waiting" | "stopped";
  attempt: number;
  /** Counts up with every change, so that what was planned for an earlier state is void. */
  epoch: number;
}

const ONE_WAY_MS = 20;
/** TCP and TLS handshakes, and the proof. */
const CONNECT_MS = 160;
/** When SYN is sent again, after the first one; then the attempt has failed. */
const SYN_AGAIN_MS: readonly number[] = [1_000, 3_000, 7_000];
const CONNECT_TIMEOUT_MS = 10_000;
/** A segment is sent again so often and so much apart until it arrives or the stream is no more. */
const RESEND_MS = 1_000;
const RESENDS = 15;
/** Keepalives that nothing answers end a stream after so many seconds more. */
const KEEPALIVE_PROBES = 10;
const PROBE_MS = 1_000;

export class ControlPlane implements CallCarrier {
  readonly #world: World;
  readonly #random: SeededRandom;
  readonly #streams = new Map<string, Stream>(); // bounded: members
  /** What comes for a member whose agent runs. */
  readonly #handlers = new Map<string, (from: string, sealed: Uint8Array) => void>(); // bounded: members
  #isUp = true;

  constructor(world: World, random: SeededRandom) {
    this.#world = world;
    this.#random = random;
  }

  get isUp(): boolean {
    return this.#isUp;
  }

  /** The server ends or starts. It keeps nothing that matters to paths. */
  setUp(isUp: boolean): void {
    if (isUp === this.#isUp) return;
    this.#isUp = isUp;
    if (isUp) return;
    for (const stream of this.#streams.values()) {
      if (stream.state !== "connected") continue;
      // The kernel closes the connections of a process that ends; who is unreachable does not hear of it.
      if (stream.owner.reachesServer()) this.#retry(stream);
      else this.#break(stream);
    }
  }

  isConnected(name: string): boolean {
    return this.#streams.get(name)?.state === "connected";
  }

  connect(name: string, onMessage: (from: string, sealed: Uint8Array) => void): void {
    this.#handlers.set(name, onMessage);
  }

  /** The agent starts. */
  start(owner: StreamOwner): void {
    const former = this.#streams.get(owner.name);
    const epoch = (former?.epoch ?? 0) + 1;
    const stream: Stream = { owner, state: "waiting", attempt: 0, epoch };
    this.#streams.set(owner.name, stream);
    this.#connect(stream);
  }

  /** The agent is no more. */
  stop(name: string): void {
    const stream = this.#streams.get(name);
    if (stream !== undefined) this.#enter(stream, "stopped");
    this.#handlers.delete(name);
  }

  /** The address that the stream stands on, or the NAT's memory of it, is gone. */
  breakStream(name: string): void {
    const stream = this.#streams.get(name);
    if (stream?.state === "connected") this.#break(stream);
  }

  /** The agent has noticed that the network has changed. */
  reconnectNow(name: string): void {
    const stream = this.#streams.get(name);
    if (stream === undefined || stream.state === "connected" || stream.state === "stopped") return;
    stream.attempt = 0;
    if (stream.state === "broken") stream.owner.onLost();
    this.#connect(stream);
  }

  /** The agent ends the connection and makes a new one at once. */
  restart(name: string): void {
    const stream = this.#streams.get(name);
    if (stream === undefined || stream.state === "stopped") return;
    stream.attempt = 0;
    if (stream.state === "connected" || stream.state === "broken") stream.owner.onLost();
    this.#connect(stream);
  }

  send(from: string, to: string, sealed: Uint8Array): void {
    const stream = this.#streams.get(from);
    if (stream?.state === "broken") {
      // The server knows nothing of this connection, and says so.
      this.#soon(stream, 2 * ONE_WAY_MS, () => (stream.owner.reachesServer() ? this.#retry(stream) : undefined));
      return;
    }
    if (stream?.state !== "connected") return;
    this.#pass(stream, () => {
      const target = this.#streams.get(to);
      if (target?.state === "connected") this.#pass(target, () => this.#handlers.get(to)?.(from, sealed));
      // The server does not know either that a stream is broken.
      else if (target?.state !== "broken") this.#pass(stream, () => stream.owner.onCallFailed(to));
    });
  }

  /** Carries something between a member and the server; resent until it passes or the stream is no more. */
  #pass(stream: Stream, deliver: () => void, tries = 0): void {
    if (stream.owner.reachesServer()) this.#soon(stream, ONE_WAY_MS, deliver);
    else if (tries < RESENDS) this.#soon(stream, RESEND_MS, () => this.#pass(stream, deliver, tries + 1));
  }

  #connect(stream: Stream): void {
    this.#enter(stream, "connecting");
    for (const afterMs of [0, ...SYN_AGAIN_MS]) this.#soon(stream, afterMs, () => this.#knock(stream));
    this.#soon(stream, CONNECT_TIMEOUT_MS, () => this.#retry(stream));
  }

  #knock(stream: Stream): void {
    if (!stream.owner.reachesServer()) return;
    if (this.#isUp) this.#soon(stream, CONNECT_MS, () => this.#finish(stream));
    else this.#soon(stream, 2 * ONE_WAY_MS, () => this.#retry(stream));
  }

  #finish(stream: Stream): void {
    if (!stream.owner.reachesServer() || !this.#isUp) return;
    this.#enter(stream, "connected");
    stream.attempt = 0;
    stream.owner.onConnected();
    for (const other of this.#streams.values()) {
      if (other === stream || other.state !== "connected") continue;
      this.#pass(other, () => other.owner.onOnline(stream.owner.name));
    }
  }

  #break(stream: Stream): void {
    this.#enter(stream, "broken");
    this.#soon(stream, STREAM_KEEPALIVE_MS, () => this.#probe(stream, 1));
  }

  /** The server knows nothing of this connection, and says so if it is asked. */
  #probe(stream: Stream, count: number): void {
    if (stream.owner.reachesServer() || count > KEEPALIVE_PROBES) this.#retry(stream);
    else this.#soon(stream, PROBE_MS, () => this.#probe(stream, count + 1));
  }

  #retry(stream: Stream): void {
    const wasThere = stream.state === "connected" || stream.state === "broken";
    this.#enter(stream, "waiting");
    if (wasThere) stream.owner.onLost();
    const random = (sizeBytes: number): Uint8Array => this.#random.bytes(sizeBytes);
    this.#soon(stream, fullJitterDelayMs(STREAM_RECONNECT, stream.attempt++, random), () => this.#connect(stream));
  }

  #enter(stream: Stream, state: Stream["state"]): void {
    stream.state = state;
    stream.epoch += 1;
  }

  /** Does something later, unless the stream's state changes first. */
  #soon(stream: Stream, afterMs: number, run: () => unknown): void {
    const { epoch } = stream;
    this.#world.after(afterMs, () => {
      if (this.#streams.get(stream.owner.name) === stream && stream.epoch === epoch) run();
    });
  }
}
