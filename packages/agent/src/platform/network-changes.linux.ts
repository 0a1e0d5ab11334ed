import { NetworkWatch } from "@asterism/engine";
import { NetworkState } from "./network-state.ts";

/** A change rarely comes alone: address and route follow each other. */
const SETTLE_MS = 50;
/** While changes go on, as with a flapping link, they are told this far apart. */
const GAP_MS = 250;

/** Tells when addresses, links or routes of the host have changed, once for a burst of changes: what rtnetlink says. */
export class NetworkChanges {
  readonly #onChange: (interfaces: ReadonlySet<string> | undefined) => void;
  readonly #state: NetworkState;
  readonly #watch: NetworkWatch;
  #timer: NodeJS.Timeout | undefined;
  /** Where something has changed since that was last told; undefined: nobody knows where. */
  #interfaces: Set<string> | undefined = new Set(); // bounded: interfaces of the host
  #toldAt = Number.NEGATIVE_INFINITY;

  /**
   * `isOwn`: interfaces of the overlays, whose changes don't count. `onChange` gets the names of the interfaces that
   * changed, or undefined if it may be any. Throws EngineError if the host refuses.
   */
  constructor(
    isOwn: (interfaceName: string) => boolean,
    onChange: (interfaces: ReadonlySet<string> | undefined) => void,
  ) {
    this.#onChange = onChange;
    this.#state = new NetworkState(isOwn);
    this.#watch = new NetworkWatch((events) => {
      // Each one must be looked at, whatever the others say.
      const news = events.filter((event) => this.#state.handle(event));
      for (const event of news) this.#note(this.#state.nameOf(event));
      if (news.length > 0) this.#tellSoon();
    });
  }

  /** Of an interface that there is; null if there is none, undefined while the host has not told. */
  indexOf(interfaceName: string): number | null | undefined {
    return this.#state.indexOf(interfaceName);
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#watch.close();
  }

  #note(interfaceName: string | undefined): void {
    if (interfaceName === undefined) this.#interfaces = undefined;
    else this.#interfaces?.add(interfaceName);
  }

  #tellSoon(): void {
    if (this.#timer !== undefined) return;
    const delayMs = Math.max(SETTLE_MS, this.#toldAt + GAP_MS - performance.now());
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#toldAt = performance.now();
      const interfaces = this.#interfaces;
      this.#interfaces = new Set();
      this.#onChange(interfaces);
    }, delayMs);
  }
}
