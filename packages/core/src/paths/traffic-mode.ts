/**
 * How the packets for one peer use the paths to it, and who decides that.
 *
 * Each end decides for what it sends: what was chosen here by command, else what the peer has chosen by command, else
 * the network's default, else `best`. So a choice at one end serves both directions, unless the other end has made its
 * own. A peer's wish can only spread our packets over paths to itself. Peers that don't announce that they understand
 * it get `best` (docs/protocol-multipath.md).
 */
import type { Instant } from "../time.ts";
import { WISH_PAUSE_MS } from "./timings.ts";

/** `best`: one path. `redundant`: each packet by two. `aggregate`, `auto`: spread over all (engine contract, `PathMode`). */
export const TRAFFIC_MODES = ["best", "redundant", "aggregate", "auto"] as const;
export type TrafficMode = (typeof TRAFFIC_MODES)[number];

/** What a node record announces if the node understands the modes beside `best`. */
export const MULTIPATH_CAPABILITY = "multipath";

/** Undefined if it is none. */
export function parseTrafficMode(value: unknown): TrafficMode | undefined {
  return TRAFFIC_MODES.find((mode) => mode === value);
}

/** What was decided outside of the path machine. */
export interface ModeSettings {
  /** By command, for this peer; null: no choice. */
  readonly own: TrafficMode | null;
  /** The network's default; null: it has none. */
  readonly network: TrafficMode | null;
  /** The peer has announced that it understands more than `best`. */
  readonly isPeerAble: boolean;
}

export interface ModeDecision {
  readonly mode: TrafficMode;
  /** `incapable`: the peer understands nothing else. */
  readonly by: "command" | "peer" | "network" | "default" | "incapable";
}

export class ModeChoice {
  #settings: ModeSettings = { own: null, network: null, isPeerAble: false };
  #wish: TrafficMode | null = null;
  #wishedAt: Instant | undefined;

  get settings(): ModeSettings {
    return this.#settings;
  }

  get decision(): ModeDecision {
    const { own, network, isPeerAble } = this.#settings;
    if (!isPeerAble) return { mode: "best", by: "incapable" };
    if (own !== null) return { mode: own, by: "command" };
    if (this.#wish !== null) return { mode: this.#wish, by: "peer" };
    return network === null ? { mode: "best", by: "default" } : { mode: network, by: "network" };
  }

  /** True if that changes the mode. */
  set(settings: ModeSettings): boolean {
    const { mode } = this.decision;
    this.#settings = settings;
    return this.decision.mode !== mode;
  }

  /** What the peer's check tells: its choice by command, null if it has none. True if that changes the mode. */
  handleWish(wish: TrafficMode | null, now: Instant): boolean {
    if (wish === this.#wish) return false;
    // Checks repeat it, so what comes too soon is only late.
    if (this.#wishedAt !== undefined && now - this.#wishedAt < WISH_PAUSE_MS) return false;
    const { mode } = this.decision;
    this.#wish = wish;
    this.#wishedAt = now;
    return this.decision.mode !== mode;
  }
}
