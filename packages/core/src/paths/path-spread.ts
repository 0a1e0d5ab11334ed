import type { Instant } from "../time.ts";
import { type Carriers, chooseCarriers, type IdleReason } from "./carriers.ts";
import type { Path } from "./path.ts";
import { comparePaths } from "./path-choice.ts";
import { ModeChoice } from "./traffic-mode.ts";

const NOBODY: ReadonlySet<Path> = new Set();

/** The mode in force for a peer, and the paths that carry its traffic together. */
export class PathSpread {
  readonly choice = new ModeChoice();
  #carriers: readonly Path[] = [];
  #kept: ReadonlySet<Path> = NOBODY;

  /** More than one path is to carry traffic. */
  get isWanted(): boolean {
    return this.choice.decision.mode !== "best";
  }

  /** Trusted ones, the best first; none in mode `best`. */
  get carriers(): readonly Path[] {
    return this.#carriers;
  }

  /** Paths that carry, and those that would if they answered; none in mode `best`. */
  get kept(): ReadonlySet<Path> {
    return this.#kept;
  }

  choose(all: Iterable<Path>, active: Path | undefined, now: Instant): void {
    if (!this.isWanted) {
      this.#carriers = [];
      this.#kept = NOBODY;
      return;
    }
    const { mode } = this.choice.decision;
    const usable = bestFirst(all, active);
    const trusted = usable.filter((path) => path.isTrusted(now));
    this.#carriers = chooseCarriers(trusted, mode).carriers;
    this.#kept = new Set([...this.#carriers, ...chooseCarriers(usable, mode).carriers]);
  }

  /** Why usable paths carry nothing. */
  idle(all: Iterable<Path>, active: Path | undefined, now: Instant): Carriers<Path>["idle"] {
    const { carriers, idle } = chooseCarriers(bestFirst(all, active), this.choice.decision.mode);
    // In mode `best` those that carry nothing are checked seldom.
    const silent = this.isWanted ? carriers.filter((path) => !path.isTrusted(now)) : [];
    return new Map([...idle, ...silent.map((path): [Path, IdleReason] => [path, "silent"])]);
  }
}

function bestFirst(all: Iterable<Path>, active: Path | undefined): Path[] {
  return [...all]
    .filter((path) => path.isUsable)
    .sort((a, b) => Number(b === active) - Number(a === active) || comparePaths(a, b));
}
