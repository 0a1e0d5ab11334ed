import type { World } from "./world.ts";

export interface SignallingOptions {
  /** One way, from member to member. */
  readonly delayMs?: number;
  readonly lossRatio?: number;
}

/** The part of the server that matters to paths: forwards opaque messages between members, with latency and outages. */
export class SignallingServer {
  readonly #world: World;
  readonly #options: SignallingOptions;
  readonly #members = new Map<string, (from: string, sealed: Uint8Array) => void>(); // bounded: by the scenario
  isUp = true;
  /** Messages that were taken for delivery. */
  forwarded = 0;

  constructor(world: World, options: SignallingOptions = {}) {
    this.#world = world;
    this.#options = options;
  }

  connect(name: string, onMessage: (from: string, sealed: Uint8Array) => void): void {
    this.#members.set(name, onMessage);
  }

  send(from: string, to: string, sealed: Uint8Array): void {
    if (!this.isUp || this.#world.random.chance(this.#options.lossRatio ?? 0)) return;
    this.forwarded += 1;
    this.#world.after(this.#options.delayMs ?? 20, () => {
      if (this.isUp) this.#members.get(to)?.(from, sealed);
    });
  }
}
