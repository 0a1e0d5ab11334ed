import { MAX_LINKS } from "@asterism/core/net";

/**
 * The place of each link in the order of preference, the same for as long as that order allows it: peers tell our links
 * apart by it, so one that vanishes must not move the others.
 */
export class LinkPlaces {
  /** By preference, with those that are not there at present. */
  #names: readonly string[] = []; // bounded: 2 * MAX_LINKS

  /** `names`: of the links that are wanted now, the best first. */
  want(names: readonly string[]): void {
    const all = [...this.#names, ...names.filter((name) => !this.#names.includes(name))];
    const isInOrder = names.every((name, index) => all.indexOf(names[index - 1] ?? "") < all.indexOf(name));
    this.#names = isInOrder && all.length <= 2 * MAX_LINKS ? all : [...names];
  }

  /** 0 is the best; of a wanted one. */
  of(name: string): number {
    return this.#names.indexOf(name);
  }
}
