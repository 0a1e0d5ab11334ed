/** When keys were used last. Those that nobody has used for a lifetime are forgotten, so that long runs stay small. */
export class RecentUses {
  readonly #lifetimeMs: number;
  readonly #usedAtMs = new Map<string, number>(); // bounded: by what is used within a lifetime; the oldest first

  constructor(lifetimeMs: number) {
    this.#lifetimeMs = lifetimeMs;
  }

  get size(): number {
    return this.#usedAtMs.size;
  }

  note(key: string, nowMs: number): void {
    this.#usedAtMs.delete(key);
    this.#usedAtMs.set(key, nowMs);
    for (const [oldest, usedAtMs] of this.#usedAtMs) {
      if (nowMs - usedAtMs < this.#lifetimeMs) return;
      this.#usedAtMs.delete(oldest);
    }
  }

  isRecent(key: string, nowMs: number): boolean {
    const usedAtMs = this.#usedAtMs.get(key);
    return usedAtMs !== undefined && nowMs - usedAtMs < this.#lifetimeMs;
  }

  clear(): void {
    this.#usedAtMs.clear();
  }
}
