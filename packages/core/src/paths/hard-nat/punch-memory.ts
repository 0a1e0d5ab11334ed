import { addMs, type Instant } from "../../time.ts";
import {
  ACCEPT_AGAIN_MS,
  FAILURE_WAITS_MS,
  OTHER_WAY_MS,
  SUCCESS_WAIT_MS,
  UNANSWERED_WAITS_MS,
} from "./punch-limits.ts";
import { otherRole, type PunchRole } from "./punch-message.ts";

interface Remembered {
  failures: number;
  unanswered: number;
  notBefore: Instant | undefined;
  /** Only of the last attempt. */
  failedAt: Instant | undefined;
  /** Ours, if only one way round has been tried. */
  failedRole: PunchRole | undefined;
}

const MAX_REMEMBERED = 8;

/** What came of earlier attempts, for each pair of networks that the two ends were in. */
export class PunchMemory {
  readonly #pairs = new Map<string, Remembered>(); // bounded: MAX_REMEMBERED, oldest dropped
  #current = this.#remember("");

  /** The two ends are in these networks. */
  enter(pair: string): void {
    this.#current = this.#remember(pair);
  }

  /** When the next attempt may begin; undefined: at once. */
  get notBefore(): Instant | undefined {
    return this.#current.notBefore;
  }

  /** Attempts in a row that did not hit. */
  get failures(): number {
    return this.#current.failures;
  }

  mayBegin(now: Instant): boolean {
    return this.#current.notBefore === undefined || now >= this.#current.notBefore;
  }

  /**
   * Whether to go along with the peer, which may know more than we do.
   */
  mayAccept(role: PunchRole, now: Instant): boolean {
    const { failedAt, failedRole } = this.#current;
    if (failedRole === otherRole(role)) return true;
    return failedAt === undefined || now >= addMs(failedAt, ACCEPT_AGAIN_MS);
  }

  succeed(now: Instant): void {
    Object.assign(this.#current, {
      failures: 0,
      unanswered: 0,
      notBefore: addMs(now, SUCCESS_WAIT_MS),
      failedAt: undefined,
      failedRole: undefined,
    });
  }

  /** `isGuess`: it was not known which end has which role, so the other way round is worth trying at once. */
  fail(role: PunchRole, isGuess: boolean, now: Instant): void {
    const current = this.#current;
    const isHalf = isGuess && current.failedRole !== otherRole(role);
    current.failedRole = isHalf ? role : undefined;
    current.failedAt = now;
    current.notBefore = addMs(now, isHalf ? OTHER_WAY_MS : waitMs(FAILURE_WAITS_MS, current.failures));
    if (!isHalf) current.failures += 1;
  }

  /** The peer has not answered a proposal: perhaps it does not know what that is. */
  handleUnanswered(now: Instant): void {
    this.#current.notBefore = addMs(now, waitMs(UNANSWERED_WAITS_MS, this.#current.unanswered));
    this.#current.unanswered += 1;
  }

  /** The peer can't or won't for so long. */
  waitFor(ms: number, now: Instant): void {
    this.#current.unanswered = 0;
    this.#current.notBefore = addMs(now, ms);
  }

  #remember(pair: string): Remembered {
    const known = this.#pairs.get(pair) ?? {
      failures: 0,
      unanswered: 0,
      notBefore: undefined,
      failedAt: undefined,
      failedRole: undefined,
    };
    this.#pairs.delete(pair);
    this.#pairs.set(pair, known);
    if (this.#pairs.size > MAX_REMEMBERED) this.#pairs.delete(this.#pairs.keys().next().value ?? "");
    return known;
  }
}

function waitMs(waits: readonly number[], count: number): number {
  return waits[Math.min(count, waits.length - 1)] ?? 0;
}
