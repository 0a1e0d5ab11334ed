/** Round-trip time and loss of one path, from its checks. */
const SMOOTHING = 1 / 4;
const MIN_WINDOW = 16;
const LOSS_WINDOW = 32;

export class PathStatistics {
  #smoothedRttMs: number | undefined;
  readonly #recentRttMs: number[] = []; // bounded: MIN_WINDOW
  readonly #outcomes: boolean[] = []; // bounded: LOSS_WINDOW

  /** Exponentially weighted; undefined before the first answer. */
  get smoothedRttMs(): number | undefined {
    return this.#smoothedRttMs;
  }

  /** The least of the last 16. */
  get minRttMs(): number | undefined {
    return this.#recentRttMs.length === 0 ? undefined : Math.min(...this.#recentRttMs);
  }

  /** Checks without an answer among the last 32 whose outcome is known; 0 if none is. */
  get lossRatio(): number {
    const lost = this.#outcomes.filter((answered) => !answered).length;
    return lost === 0 ? 0 : lost / this.#outcomes.length;
  }

  addAnswer(rttMs: number): void {
    const before = this.#smoothedRttMs;
    this.#smoothedRttMs = before === undefined ? rttMs : before + (rttMs - before) * SMOOTHING;
    this.#recentRttMs.push(rttMs);
    if (this.#recentRttMs.length > MIN_WINDOW) this.#recentRttMs.shift();
    this.#addOutcome(true);
  }

  addLoss(): void {
    this.#addOutcome(false);
  }

  /** The path did not work until now. */
  forgetLosses(): void {
    this.#outcomes.length = 0;
  }

  /** What was measured holds no longer: the way has changed. */
  reset(): void {
    this.#smoothedRttMs = undefined;
    this.#recentRttMs.length = 0;
    this.#outcomes.length = 0;
  }

  #addOutcome(answered: boolean): void {
    this.#outcomes.push(answered);
    if (this.#outcomes.length > LOSS_WINDOW) this.#outcomes.shift();
  }
}
