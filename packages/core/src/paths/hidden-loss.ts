/**
 * Whether a path loses more than can be hidden while several carry the traffic together: the engine sends what got lost
 * again by the others, but 15 % of the traffic at most (docs/protocol-multipath.md).
 *
 * A score that lost checks raise and answered ones lower. At the top the path is left out, at the bottom it is taken in
 * again; from either end it is a long way, so that chance alone does not move a path. Answers count for more while it
 * takes part than while it is left out: in the long run the score rises from some 15 % of loss each way, or from 9 %, and a
 * path between the two stays what it is. (Checks are lost both ways: of these 28 %, or 17 %, are so many.)
 */

const LOST_POINTS = 5;
const ANSWERED_POINTS = { carrying: 2, leftOut: 1 };
const TOP = 100;
/** Where the score begins when the path is left out: as many checks are to be answered at least. */
const LEFT_OUT = 40;
/** From here on it is worth while to know soon. */
const IN_QUESTION = 20;
/** More losses than these are a single outage, which other rules are for; several outages in a row count. */
const MAX_LOSSES_IN_A_ROW = 5;

export class HiddenLoss {
  #score = 0;
  #lossesInARow = 0;
  #isTooMuch = false;

  /** It is better left out, as long as there are others. */
  get isTooMuch(): boolean {
    return this.#isTooMuch;
  }

  /** It takes part, and more outcomes are needed to judge, soon. */
  get isInQuestion(): boolean {
    return !this.#isTooMuch && this.#score >= IN_QUESTION;
  }

  add(answered: boolean): void {
    this.#lossesInARow = answered ? 0 : this.#lossesInARow + 1;
    if (this.#lossesInARow > MAX_LOSSES_IN_A_ROW) return;
    const relief = this.#isTooMuch ? ANSWERED_POINTS.leftOut : ANSWERED_POINTS.carrying;
    this.#score = Math.min(TOP, Math.max(0, this.#score + (answered ? -relief : LOST_POINTS)));
    if (!this.#isTooMuch && this.#score === TOP) {
      this.#isTooMuch = true;
      this.#score = LEFT_OUT;
    } else if (this.#score === 0) this.#isTooMuch = false;
  }

  /** The way has changed: nothing is known of it. */
  forget(): void {
    this.#score = 0;
    this.#lossesInARow = 0;
    this.#isTooMuch = false;
  }
}
