/** Whether the peer has moved: its checks carry a number that grows with every change of its place in the network. */
export class PeerPlace {
  #known: number | undefined;

  /** True if what was known of the peer's addresses may be out of date. */
  handleCheck(place: number): boolean {
    const hasMoved = this.#known !== undefined && place > this.#known;
    this.#known = Math.max(place, this.#known ?? 0);
    return hasMoved;
  }
}
