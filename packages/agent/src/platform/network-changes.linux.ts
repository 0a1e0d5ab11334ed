import { NetworkWatch } from "@asterism/engine";
import { NetworkState } from "./network-state.ts";

/** A change rarely comes alone: address and route follow each other. */
const SETTLE_MS = 50;
/** While changes go on, as with a flapping link, they are told this far apart. */
const GAP_MS = 250;

/** Tells when addresses, links or routes of the host have changed, once for a burst of changes: what rtnetlink says. */
export class NetworkChanges {
  readonly #onChange: () => void;
  readonly #state: NetworkState;
  readonly #watch: NetworkWatch;
  #timer: NodeJS.Timeout | undefined;
  #toldAt = Number.NEGATIVE_INFINITY;

  /** `isOwn`: interfaces of the overlays, whose changes don't count. Throws EngineError if the host refuses. */
  constructor(isOwn: (interfaceName: string) => boolean, onChange: () => void) {
    this.#onChange = onChange;
    this.#state = new NetworkState(isOwn);
    this.#watch = new NetworkWatch((events) => {
      // Each one must be looked at, whatever the others say.
      const news = events.filter((event) => this.#state.handle(event));
      if (news.length > 0) this.#tellSoon();
    });
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#watch.close();
  }

  #tellSoon(): void {
    if (this.#timer !== undefined) return;
    const delayMs = Math.max(SETTLE_MS, this.#toldAt + GAP_MS - performance.now());
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#toldAt = performance.now();
      this.#onChange();
    }, delayMs);
  }
}
