import { encodeHex } from "../bytes/index.ts";

const MAX_SEEN = 512;

/** Transaction ids of the peer's last requests, so that a copy from elsewhere is not taken for the peer. */
export class SeenTransactions {
  readonly #seen = new Set<string>(); // bounded: MAX_SEEN, oldest dropped

  has(transactionId: Uint8Array): boolean {
    return this.#seen.has(encodeHex(transactionId));
  }

  add(transactionId: Uint8Array): void {
    this.#seen.add(encodeHex(transactionId));
    if (this.#seen.size > MAX_SEEN) this.#seen.delete(this.#seen.values().next().value ?? "");
  }
}
