import type { LinkOptions } from "../net/link-options.ts";

/** A set of links between two machines, and what multipath has to reach on it. */
export interface MultipathScenario {
  readonly name: string;
  readonly links: readonly LinkOptions[];
  /** Fraction of the sum of what each link alone gives. */
  readonly goal: number;
}

const RATES_MBIT = [5, 10, 20, 40];
const DELAYS_MS = [5, 20, 40, 80];

function rates(ratesMbit: readonly number[], more: (index: number) => LinkOptions = () => ({})): LinkOptions[] {
  return ratesMbit.map((rateMbit, index) => ({ rateMbit, queueMs: 50, ...more(index) }));
}

export const SCENARIOS: readonly MultipathScenario[] = [
  { name: "equal", links: rates([20, 20, 20, 20]), goal: 0.95 },
  { name: "unequal", links: rates(RATES_MBIT), goal: 0.92 },
  { name: "unequal-delay", links: rates(RATES_MBIT, (index) => ({ delayMs: DELAYS_MS[index] ?? 0 })), goal: 0.88 },
  {
    name: "unequal-delay-swapped",
    links: rates(RATES_MBIT, (index) => ({ delayMs: DELAYS_MS.at(-1 - index) ?? 0 })),
    goal: 0.9,
  },
  { name: "equal-loss", links: rates([20, 20, 20, 20], () => ({ delayMs: 10, lossRatio: 0.01 })), goal: 0.85 },
  { name: "gigabit", links: rates([1_000, 1_000]), goal: 0.9 },
];
