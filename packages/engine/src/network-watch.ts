import { loadBinding, type NativeWatchHandle, type NetworkBinding } from "./binding.ts";
import { watchFailure } from "./failures.ts";

/** What rtnetlink tells of the host's network; interfaces by their index. Loopback and link-local addresses are left out. */
export type NetworkEvent =
  /** `running`: up, with a carrier. */
  | {
      readonly kind: "link";
      readonly index: number;
      readonly name: string;
      readonly running: boolean;
      readonly gone: boolean;
    }
  | { readonly kind: "address"; readonly index: number; readonly address: string; readonly gone: boolean }
  /** Not of those that the kernel makes for addresses; `index` 0 if it leads over no one interface. */
  | { readonly kind: "route"; readonly index: number; readonly gone: boolean }
  /** The links and addresses that there were at the start have been told. */
  | { readonly kind: "ready" }
  /** There was more than could be heard. */
  | { readonly kind: "lost" };

/** Listens to rtnetlink in the network namespace of this thread; ends with the process at the latest. */
export class NetworkWatch {
  readonly #binding: NetworkBinding;
  readonly #handle: NativeWatchHandle;

  /** `onEvents` is called on this thread. Throws EngineError if the host refuses. */
  constructor(onEvents: (events: readonly NetworkEvent[]) => void) {
    this.#binding = loadBinding().network;
    const opened = this.#binding.watch(onEvents);
    if (opened.status !== 0) throw watchFailure(opened);
    this.#handle = opened.handle;
  }

  close(): void {
    this.#binding.unwatch(this.#handle);
  }
}
