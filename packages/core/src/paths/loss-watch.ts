/**
 * Whether a path loses so much that another one, even a slower one, serves better: throttled UDP, an overloaded line.
 *
 * Life story: clear, as long as checks are answered. Two losses among the last checks begin a trial: the path is checked
 * more often, and the outcomes from then on are judged. If a fifth of them are lost the path is lossy; else there is no other
 * trial for a while. It stays lossy until it has been as good as faultless for a while, twice as long each time that it
 * turned out lossy again soon.
 *
 * The thresholds: TCP is of use up to a loss of some percent, and a loss of checks counts both ways, so a fifth of them
 * means a tenth of the packets each way. A trial finds 28 % (15 % each way) with a probability of 0.83, and takes 6 %
 * (3 % each way) for a fifth with one of 0.003 (binomial, 7 of 32).
 */
import { addMs, type Instant } from "../time.ts";
import { HiddenLoss } from "./hidden-loss.ts";

/** Outcomes that begin a trial, and that show that a path delivers; none older than this counts. */
const WINDOW = 20;
const WINDOW_MS = 60_000;
const SUSPICIOUS_LOSSES = 2;
/** More of them say nothing about loss: silence is an outage, for which there are other rules. */
const MAX_LOSSES_IN_A_ROW = 2;
/** Outcomes of a trial, and losses among them that end it. */
const TRIAL = 32;
const LOSSY_LOSSES = 7;
/** After a trial that brought nothing. */
const REST_MS = 30_000;
/** A path is good again with at most this loss over so long, and so many outcomes. */
const GOOD_RATIO = 0.05;
const GOOD_MS = 30_000;
const GOOD_OUTCOMES = 20;
const MAX_GOOD_MS = 600_000;
/** It was trusted too soon if it turned out lossy again within so many times that. */
const RASH_FACTOR = 10;
/** Outcomes that show that a path delivers; over UDP, where another path over UDP does not, more of them. */
const PROVEN = 5;
const PROVEN_OVER_UDP = WINDOW;
const PROVEN_RATIO = 0.1;

interface Outcome {
  readonly at: Instant;
  readonly answered: boolean;
}

interface Tally {
  readonly since: Instant;
  total: number;
  lost: number;
}

export class LossWatch {
  /** The same outcomes, for where lost packets are sent again by other paths. */
  readonly hidden = new HiddenLoss();
  #outcomes: Outcome[] = []; // bounded: WINDOW
  #isLossy = false;
  #trial: Tally | undefined;
  #restsUntil: Instant | undefined;
  /** While lossy: what came of the checks since the last time that it was not good. */
  #good: Tally | undefined;
  #goodMs = GOOD_MS;
  #clearedAt: Instant | undefined;

  get isLossy(): boolean {
    return this.#isLossy;
  }

  /** More outcomes are needed to judge, soon. */
  get isOnTrial(): boolean {
    return this.#trial !== undefined;
  }

  /** There are enough outcomes to tell whether it delivers. */
  isJudged(isUdpFree: boolean): boolean {
    return this.#isLossy || this.#outcomes.length >= (isUdpFree ? PROVEN : PROVEN_OVER_UDP);
  }

  isProven(isUdpFree: boolean): boolean {
    return !this.#isLossy && this.isJudged(isUdpFree) && this.ratio < PROVEN_RATIO;
  }

  /** Share of the last checks that brought no answer; 0 if there was none. */
  get ratio(): number {
    return this.#outcomes.length === 0 ? 0 : this.#lost() / this.#outcomes.length;
  }

  add(answered: boolean, now: Instant): void {
    this.hidden.add(answered);
    const last = this.#outcomes.slice(-MAX_LOSSES_IN_A_ROW);
    const isSilent = last.length === MAX_LOSSES_IN_A_ROW && last.every((outcome) => !outcome.answered);
    if (!answered && isSilent) return;
    this.#outcomes = [...this.#outcomes, { at: now, answered }].filter(({ at }) => now - at < WINDOW_MS).slice(-WINDOW);
    if (this.#isLossy) this.#judgeLossy(answered, now);
    else if (this.#trial !== undefined) this.#judgeTrial(this.#trial, answered, now);
    else if (now >= (this.#restsUntil ?? 0) && this.#lost() >= SUSPICIOUS_LOSSES) {
      this.#trial = { since: now, total: 0, lost: 0 };
    }
  }

  /** The way has changed: nothing is known of it. */
  forget(): void {
    this.hidden.forget();
    this.#outcomes = [];
    this.#isLossy = false;
    this.#trial = undefined;
    this.#restsUntil = undefined;
    this.#good = undefined;
  }

  #judgeTrial(trial: Tally, answered: boolean, now: Instant): void {
    trial.total += 1;
    if (!answered) trial.lost += 1;
    const isLossy = trial.lost >= LOSSY_LOSSES;
    if (!isLossy && trial.total < TRIAL && now - trial.since < WINDOW_MS) return;
    this.#trial = undefined;
    if (!isLossy) {
      this.#restsUntil = addMs(now, REST_MS);
      return;
    }
    const isRash = this.#clearedAt !== undefined && now - this.#clearedAt < RASH_FACTOR * this.#goodMs;
    this.#goodMs = isRash ? Math.min(2 * this.#goodMs, MAX_GOOD_MS) : GOOD_MS;
    this.#isLossy = true;
    this.#good = { since: now, total: 0, lost: 0 };
  }

  #judgeLossy(answered: boolean, now: Instant): void {
    const good = this.#good ?? { since: now, total: 0, lost: 0 };
    good.total += 1;
    if (!answered) good.lost += 1;
    // A single loss is none of a hundred yet.
    const isBad = good.lost > Math.max(1, GOOD_RATIO * good.total);
    this.#good = isBad ? { since: now, total: 0, lost: 0 } : good;
    if (isBad || good.total < GOOD_OUTCOMES || now - good.since < this.#goodMs) return;
    this.#isLossy = false;
    this.#good = undefined;
    this.#clearedAt = now;
  }

  #lost(): number {
    return this.#outcomes.filter(({ answered }) => !answered).length;
  }
}
