import { type RandomBytes, randomUint32 } from "../random.ts";
import type { PortGuess, PortRange } from "./port-prediction.ts";

/**
 * Draws ports out of guesses, each port once: those of the first guess before those of the second; a list's in order, a
 * range's in random order. Goes on for as long as there are ports that have not been drawn.
 */
export class PortSequence {
  readonly #guesses: readonly PortGuess[];
  readonly #random: RandomBytes;
  readonly #drawn = new Set<number>(); // bounded: one for each port
  #index = 0;
  /** Of the guess at `#index`. */
  #list: readonly number[] = [];
  #listIndex = 0;
  #shuffle: Shuffle | undefined;

  constructor(guesses: readonly PortGuess[], random: RandomBytes) {
    this.#guesses = guesses;
    this.#random = random;
    this.#begin();
  }

  /** How many have been drawn. */
  get drawn(): number {
    return this.#drawn.size;
  }

  /** Undefined when every port has been drawn. */
  next(): number | undefined {
    for (;;) {
      const port = this.#list[this.#listIndex++] ?? this.#shuffle?.next();
      if (port === undefined) {
        if (this.#index >= this.#guesses.length) return undefined;
        this.#index += 1;
        this.#begin();
      } else if (!this.#drawn.has(port)) {
        this.#drawn.add(port);
        return port;
      }
    }
  }

  #begin(): void {
    const guess = this.#guesses[this.#index];
    this.#list = guess?.kind === "list" ? guess.ports : [];
    this.#listIndex = 0;
    this.#shuffle = guess?.kind === "ranges" ? new Shuffle(guess.ranges, this.#random) : undefined;
  }
}

/** The Fisher–Yates shuffle, made as far as it is asked for. */
class Shuffle {
  readonly #ranges: readonly PortRange[];
  readonly #random: RandomBytes;
  readonly #moved = new Map<number, number>(); // bounded: one for each port of the ranges
  #left: number;

  constructor(ranges: readonly PortRange[], random: RandomBytes) {
    this.#ranges = ranges;
    this.#random = random;
    this.#left = ranges.reduce((sum, { first, last }) => sum + Math.max(0, last - first + 1), 0);
  }

  next(): number | undefined {
    if (this.#left === 0) return undefined;
    const index = randomUint32(this.#random) % this.#left;
    this.#left -= 1;
    const position = this.#moved.get(index) ?? index;
    this.#moved.set(index, this.#moved.get(this.#left) ?? this.#left);
    this.#moved.delete(this.#left);
    return this.#portAt(position);
  }

  #portAt(position: number): number | undefined {
    let rest = position;
    for (const { first, last } of this.#ranges) {
      if (rest <= last - first) return first + rest;
      rest -= last - first + 1;
    }
    return undefined;
  }
}
