const MAX_SEEN = 512;
/** Most peers are checked rarely, and there may be thousands of them. */
const FIRST_ROOM = 32;
const FREE = -1;
/** A prime so small that what is taken modulo it is exact (below 2^53). */
const MODULUS = 2 ** 44 - 17;

/** Transaction ids of the peer's last requests, so that a copy from elsewhere is not taken for the peer. */
export class SeenTransactions {
  /** Remainders of the ids: 44 bits tell 512 of them apart. */
  #seen = new Float64Array(FIRST_ROOM).fill(FREE); // bounded: MAX_SEEN, oldest overwritten
  #count = 0;

  has(transactionId: Uint8Array): boolean {
    return this.#seen.includes(keyOf(transactionId));
  }

  add(transactionId: Uint8Array): void {
    const room = this.#seen.length;
    if (this.#count === room && room < MAX_SEEN) {
      const former = this.#seen;
      this.#seen = new Float64Array(2 * room).fill(FREE);
      this.#seen.set(former);
    }
    this.#seen[this.#count % this.#seen.length] = keyOf(transactionId);
    this.#count++;
  }
}

function keyOf(transactionId: Uint8Array): number {
  let key = 0;
  for (const byte of transactionId) key = (key * 257 + byte) % MODULUS;
  return key;
}
