import { SILENCE_SEEN_MS } from "../paths/index.ts";
import type { Instant } from "../time.ts";
import type { TrafficFacts } from "../wireguard/index.ts";

/** The engine's counters of every peer with a session are looked at this often. */
export const TRAFFIC_LOOK_MS = 1_000;
/** Those of peers that data go to: a line that dies shows by nothing but that nobody answers. */
export const SENDING_LOOK_MS = 100;

interface Look {
  readonly at: Instant;
  readonly isSending: boolean;
  readonly isSilent: boolean;
}

/** Which counters are to be looked at, and what of them the mesh is to be told (`Mesh.handleTraffic`). */
export class TrafficLooks {
  readonly #looks = new Map<string, Look>(); // bounded: members with a session

  /** Some peer is being sent to: it is worth looking every `SENDING_LOOK_MS`, else every `TRAFFIC_LOOK_MS`. */
  get isAnySending(): boolean {
    for (const { isSending } of this.#looks.values()) if (isSending) return true;
    return false;
  }

  /** The counters to tell the mesh of; undefined if there is no news. */
  look<T extends TrafficFacts>(nodeId: string, read: () => T | undefined, now: Instant): T | undefined {
    const last = this.#looks.get(nodeId);
    const isDue = last === undefined || now - last.at > TRAFFIC_LOOK_MS - SENDING_LOOK_MS / 2;
    if (!isDue && !last.isSending) return undefined;
    const facts = read();
    if (facts === undefined) return undefined;
    const { firstUnansweredSentAt, lastDataSentAt } = facts;
    const silentMs = firstUnansweredSentAt > 0 ? now - firstUnansweredSentAt : 0;
    const isSilent = silentMs >= SILENCE_SEEN_MS;
    const isNews = isSilent !== last?.isSilent || (isSilent && silentMs < TRAFFIC_LOOK_MS);
    if (!isDue && !isNews) return undefined;
    const isSending = lastDataSentAt > 0 && now - lastDataSentAt < 2 * TRAFFIC_LOOK_MS;
    this.#looks.set(nodeId, { at: isDue ? now : last.at, isSending, isSilent });
    return facts;
  }

  forget(nodeId: string): void {
    this.#looks.delete(nodeId);
  }
}
