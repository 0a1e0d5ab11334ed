import type { WallTime } from "../time.ts";

/** Numbers this host's places in the network, so that a peer can tell the newest: also beyond a restart of the agent. */
export class OwnPlace {
  #number = 0;

  /** Below 2^32; the first time that of a new place, as an agent that has just started may be anywhere. */
  number(wall: WallTime): number {
    if (this.#number === 0) this.change(wall);
    return this.#number;
  }

  change(wall: WallTime): void {
    this.#number = Math.max(this.#number + 1, Math.floor(wall / 1_000)) % 0x1_0000_0000;
  }
}
