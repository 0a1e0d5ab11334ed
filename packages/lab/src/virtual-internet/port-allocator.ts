import type { SeededRandom } from "./seeded-random.ts";

/** How a NAT picks external ports (RFC 4787 §4.2). */
export type PortAllocation =
  /** The inside port if it is free, else the next free one. */
  | { readonly kind: "preserving" }
  | { readonly kind: "random" }
  /** One after the other, `step` apart (negative: downwards); other hosts take so many per second (Poisson). */
  | { readonly kind: "sequential"; readonly step?: number; readonly othersPerSecond?: number }
  /** Random within one block, as carriers give to each subscriber. */
  | { readonly kind: "port-block"; readonly sizePorts: number };

const FIRST_PORT = 1_024;
const PORTS = 65_536 - FIRST_PORT;

export class PortAllocator {
  readonly #allocation: PortAllocation;
  readonly #random: SeededRandom;
  readonly #blockStart: number;
  #last: number;
  #takenAtMs = 0;

  constructor(allocation: PortAllocation, random: SeededRandom) {
    this.#allocation = allocation;
    this.#random = random;
    this.#last = random.between(FIRST_PORT, 60_000);
    const sizePorts = allocation.kind === "port-block" ? allocation.sizePorts : PORTS;
    this.#blockStart = FIRST_PORT + sizePorts * random.between(0, Math.floor(PORTS / sizePorts) - 1);
  }

  /** A free port for a socket behind the NAT, undefined if there is none. */
  take(insidePort: number, isFree: (port: number) => boolean, nowMs: number): number | undefined {
    const step = this.#allocation.kind === "sequential" ? (this.#allocation.step ?? 1) : 1;
    this.#letOthersTake(step, nowMs);
    let port = this.#first(insidePort, step);
    for (let tries = 0; tries < PORTS; tries++) {
      if (isFree(port)) {
        this.#last = port;
        return port;
      }
      port = this.#inRange(port + step);
    }
    return undefined;
  }

  #letOthersTake(step: number, nowMs: number): void {
    const perSecond = this.#allocation.kind === "sequential" ? (this.#allocation.othersPerSecond ?? 0) : 0;
    if (perSecond === 0) return;
    // Times between the events of a Poisson process are exponentially distributed.
    const wait = (): number => (-Math.log(1 - this.#random.unit()) * 1000) / perSecond;
    for (let atMs = this.#takenAtMs + wait(); atMs < nowMs; atMs += wait())
      this.#last = this.#inRange(this.#last + step);
    this.#takenAtMs = nowMs;
  }

  #first(insidePort: number, step: number): number {
    switch (this.#allocation.kind) {
      case "preserving":
        return insidePort;
      case "random":
        return this.#random.between(FIRST_PORT, 65_535);
      case "sequential":
        return this.#inRange(this.#last + step);
      case "port-block":
        return this.#blockStart + this.#random.between(0, this.#allocation.sizePorts - 1);
    }
  }

  #inRange(port: number): number {
    if (this.#allocation.kind !== "port-block") return FIRST_PORT + ((((port - FIRST_PORT) % PORTS) + PORTS) % PORTS);
    return this.#blockStart + ((port - this.#blockStart) % this.#allocation.sizePorts);
  }
}
