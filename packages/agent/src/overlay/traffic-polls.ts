import { SENDING_LOOK_MS, TRAFFIC_LOOK_MS, TrafficLooks } from "@asterism/core/mesh";
import type { PeerCounters } from "@asterism/engine";
import { monotonicNow } from "../platform/clock.ts";

export interface TrafficPollsOptions {
  /** Node ids of the peers with a session. */
  readonly peers: () => readonly string[];
  readonly read: (nodeId: string) => PeerCounters | undefined;
  /** By node id: what the mesh is to be told. */
  readonly onNews: (news: ReadonlyMap<string, PeerCounters>) => void;
  /** Every `TRAFFIC_LOOK_MS`, before the counters are read. */
  readonly onTick: () => void;
}

/** Reads the counters of peers with a session: every second, and more often while data go to some of them. */
export class TrafficPolls {
  readonly #options: TrafficPollsOptions;
  readonly #looks = new TrafficLooks();
  readonly #regular: NodeJS.Timeout;
  #frequent: NodeJS.Timeout | undefined;

  constructor(options: TrafficPollsOptions) {
    this.#options = options;
    this.#regular = setInterval(() => {
      options.onTick();
      this.#look();
    }, TRAFFIC_LOOK_MS);
  }

  stop(): void {
    clearInterval(this.#regular);
    clearInterval(this.#frequent);
  }

  forget(nodeId: string): void {
    this.#looks.forget(nodeId);
  }

  #look(): void {
    const { peers, read, onNews } = this.#options;
    const news = new Map<string, PeerCounters>(); // bounded: peers with a session
    for (const nodeId of peers()) {
      const counters = this.#looks.look(nodeId, () => read(nodeId), monotonicNow());
      if (counters !== undefined) news.set(nodeId, counters);
    }
    if (news.size > 0) onNews(news);
    if (!this.#looks.isAnySending) {
      clearInterval(this.#frequent);
      this.#frequent = undefined;
    } else this.#frequent ??= setInterval(() => this.#look(), SENDING_LOOK_MS);
  }
}
