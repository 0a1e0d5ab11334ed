/** Something that must hold in a chaos run and did not. */
export interface Violation {
  /** Since the beginning of the run. */
  readonly atMs: number;
  /** One line. */
  readonly what: string;
  /** What is known of the pair: paths tried, choices and why. */
  readonly details: string;
}
