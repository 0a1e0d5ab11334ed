import { encodeHex } from "../bytes/index.ts";

const MAX_SEEN = 512;

/** Transaction ids of the peer's last requests, so that a copy from elsewhere is not taken for the peer. */
export class SeenTransactions {
  readonly #seen = new Set<string>(); // bounded: MAX_SEEN, oldest dropped

  /** False if the id was seen before. */
  add(transactionId: Uint8Array): boolean {
    const id = encodeHex(transactionId);
    if (this.#seen.has(id)) return false;
    this.#seen.add(id);
    if (this.#seen.size > MAX_SEEN) this.#seen.delete(this.#seen.values().next().value ?? "");
    return true;
  }
}
