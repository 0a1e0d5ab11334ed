interface Entry {
  readonly at: number;
  /** Events of the same time happen in the order in which they were planned. */
  readonly order: number;
  readonly run: () => void;
}

/** Planned events, the earliest first (binary heap). */
export class EventQueue {
  readonly #heap: Entry[] = []; // bounded: by what is under way in the simulation
  #order = 0;

  get size(): number {
    return this.#heap.length;
  }

  nextAt(): number | undefined {
    return this.#heap[0]?.at;
  }

  add(at: number, run: () => void): void {
    const entry = { at, order: this.#order, run };
    this.#order += 1;
    let index = this.#heap.length;
    this.#heap.push(entry);
    while (index > 0) {
      const parentIndex = (index - 1) >> 1;
      const parent = this.#heap[parentIndex];
      if (parent === undefined || !isBefore(entry, parent)) break;
      this.#heap[index] = parent;
      index = parentIndex;
    }
    this.#heap[index] = entry;
  }

  take(): Entry | undefined {
    const first = this.#heap[0];
    const last = this.#heap.pop();
    if (last !== undefined && this.#heap.length > 0) this.#sink(last);
    return first;
  }

  /** Puts an entry in at the top and lets it sink to its place. */
  #sink(entry: Entry): void {
    let index = 0;
    for (;;) {
      const left = this.#heap[2 * index + 1];
      const right = this.#heap[2 * index + 2];
      const takeRight = left !== undefined && right !== undefined && isBefore(right, left);
      const child = takeRight ? right : left;
      if (child === undefined || !isBefore(child, entry)) break;
      this.#heap[index] = child;
      index = 2 * index + (takeRight ? 2 : 1);
    }
    this.#heap[index] = entry;
  }
}

function isBefore(a: Entry, b: Entry): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}
