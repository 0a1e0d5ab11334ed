import { MAX_REPORTED_PAIRS, type PairReport } from "@asterism/core/control";
import { PairTimings } from "@asterism/core/explain";
import { summariseNats } from "@asterism/core/nat";
import type { Instant } from "@asterism/core/time";
import { monotonicNow } from "../platform/clock.ts";
import type { MeshShell } from "./mesh-shell.ts";
import { pathKind } from "./path-kind.ts";

export interface PairWatchOptions {
  /** Undefined until there is one. */
  readonly shell: () => MeshShell | undefined;
  /** A pair has come together, or has been tried for long enough. */
  readonly onPair: (pair: PairReport) => void;
  /** Tells the server; false if it can't be told now. */
  readonly send: (pairs: PairReport[]) => boolean;
}

/** Measures how the pairs come together that this node opens, for the metrics and for the server's statistics. */
export class PairWatch {
  readonly #options: PairWatchOptions;
  readonly #timings = new PairTimings();
  readonly #unsent: PairReport[] = []; // bounded: MAX_REPORTED_PAIRS, oldest dropped
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(options: PairWatchOptions) {
    this.#options = options;
  }

  handleSessionNeeded(nodeId: string): void {
    this.#timings.handleWanted(nodeId, monotonicNow());
    this.#schedule();
  }

  /** Paths have changed, or time has passed. */
  observe(): void {
    const shell = this.#options.shell();
    if (shell === undefined || this.#stopped) return;
    for (const nodeId of this.#timings.pending) this.#observePair(nodeId, shell);
    this.#schedule();
  }

  /** The server can be told. */
  flush(): void {
    if (this.#unsent.length > 0 && this.#options.send([...this.#unsent])) this.#unsent.length = 0;
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  #observePair(nodeId: string, shell: MeshShell): void {
    const peer = shell.mesh.peers.get(nodeId);
    if (peer === undefined) {
      this.#timings.forget(nodeId);
      return;
    }
    const observation = {
      path: pathKind(peer),
      lastReceivedAt: shell.counters(nodeId)?.lastDataReceivedAt ?? (0 as Instant),
      nats: summariseNats(shell.mesh.gathering().nats),
      peerNats: peer.nats,
    };
    const pair = this.#timings.observe(nodeId, observation, monotonicNow());
    if (pair === undefined) return;
    this.#options.onPair(pair);
    this.#unsent.push(pair);
    if (this.#unsent.length > MAX_REPORTED_PAIRS) this.#unsent.shift();
    this.flush();
  }

  #schedule(): void {
    if (this.#stopped || this.#timer !== undefined) return;
    const now = monotonicNow();
    const at = this.#timings.pollTimeout(now);
    if (at === undefined) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.observe();
    }, at - now);
  }
}
