import { type RandomBytes, randomUint32 } from "../random.ts";

/** Receiver indices of one device, each owned by a handshake under way or by a session. */
export class SessionIndices<Owner> {
  readonly #owners = new Map<number, Owner>(); // bounded: three sessions and one handshake per peer
  readonly #random: RandomBytes;

  constructor(random: RandomBytes) {
    this.#random = random;
  }

  /** A random index that nobody has. */
  allocate(owner: Owner): number {
    let index = randomUint32(this.#random);
    while (this.#owners.has(index)) index = randomUint32(this.#random);
    this.#owners.set(index, owner);
    return index;
  }

  ownerOf(index: number): Owner | undefined {
    return this.#owners.get(index);
  }

  release(index: number): void {
    this.#owners.delete(index);
  }

  get size(): number {
    return this.#owners.size;
  }
}
