import type { Instant } from "../time.ts";
import type { PathTimerReason } from "./path-types.ts";

export interface Deadline {
  readonly at: Instant;
  readonly reason: PathTimerReason;
}

/** The first of many deadlines. */
export class EarliestDeadline {
  #earliest: Deadline | undefined;

  get earliest(): Deadline | undefined {
    return this.#earliest;
  }

  consider(at: Instant | undefined, reason: PathTimerReason): void {
    if (at !== undefined && (this.#earliest === undefined || at < this.#earliest.at)) this.#earliest = { at, reason };
  }
}
