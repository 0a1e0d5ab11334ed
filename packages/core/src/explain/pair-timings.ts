import type { PairReport } from "../control/index.ts";
import type { NatFacts } from "../nat/index.ts";
import { addMs, type Instant } from "../time.ts";

/** What is seen of a pair at one moment. */
export interface PairObservation {
  readonly path: "direct" | "relayed" | "none";
  /** When data of the peer's last came through the tunnel; 0 is never. */
  readonly lastReceivedAt: Instant;
  readonly nats: readonly NatFacts[];
  /** Null if the peer has not told. */
  readonly peerNats: readonly NatFacts[] | null;
}

interface Opening {
  readonly wantedAt: Instant;
  firstAnswerMs: number | null;
  directMs: number | null;
  /** When both were known. */
  directAt: Instant | undefined;
}

/** A pair that is not direct by then is reported as it is. */
const LIMIT_MS = 30_000;
/** What the peer tells of its NAT comes a moment after the first call. */
const SETTLE_MS = 3_000;
/** The first answer is looked for this often, for so long; afterwards it is not urgent. */
const URGENT_INTERVAL_MS = 10;
const URGENT_MS = 3_000;
const INTERVAL_MS = 500;
const MAX_OPENINGS = 64;

/**
 * How the pairs come together that this node opens: from its first packet without a session to the first answer, and to
 * the first direct path. Each pair counts once in a run.
 */
export class PairTimings {
  readonly #openings = new Map<string, Opening>(); // bounded: MAX_OPENINGS
  readonly #done = new Set<string>(); // bounded: members of the map, `forget` takes them out

  /** Pairs to observe at `pollTimeout`, and when a path has changed. */
  get pending(): readonly string[] {
    return [...this.#openings.keys()];
  }

  /** A packet for the peer finds no session. */
  handleWanted(nodeId: string, now: Instant): void {
    if (this.#done.has(nodeId) || this.#openings.has(nodeId) || this.#openings.size >= MAX_OPENINGS) return;
    this.#openings.set(nodeId, { wantedAt: now, firstAnswerMs: null, directMs: null, directAt: undefined });
  }

  /** Returns what there is to report, once: when the pair is direct and answers, or after 30 s if it has any path. */
  observe(nodeId: string, observation: PairObservation, now: Instant): PairReport | undefined {
    const opening = this.#openings.get(nodeId);
    if (opening === undefined) return undefined;
    const { wantedAt } = opening;
    const { path, lastReceivedAt } = observation;
    if (lastReceivedAt >= wantedAt) opening.firstAnswerMs ??= lastReceivedAt - wantedAt;
    if (path === "direct") opening.directMs ??= now - wantedAt;
    if (opening.firstAnswerMs !== null && opening.directMs !== null) opening.directAt ??= now;
    const isSettled = opening.directAt !== undefined && now >= addMs(opening.directAt, SETTLE_MS);
    if (!isSettled && now < addMs(wantedAt, LIMIT_MS)) return undefined;
    this.#openings.delete(nodeId);
    // Nobody there, most likely: a later try may tell more.
    if (path === "none") return undefined;
    this.#done.add(nodeId);
    const nats = { natA: natLabel(observation.nats), natB: natLabel(observation.peerNats ?? []) };
    return { peer: nodeId, kind: path, firstPingMs: opening.firstAnswerMs, directMs: opening.directMs, ...nats };
  }

  /** The peer is no member any more. */
  forget(nodeId: string): void {
    this.#openings.delete(nodeId);
    this.#done.delete(nodeId);
  }

  /** When the pending pairs are to be observed again; undefined while there are none. */
  pollTimeout(now: Instant): Instant | undefined {
    if (this.#openings.size === 0) return undefined;
    const isUrgent = [...this.#openings.values()].some(
      ({ firstAnswerMs, wantedAt }) => firstAnswerMs === null && now < addMs(wantedAt, URGENT_MS),
    );
    return addMs(now, isUrgent ? URGENT_INTERVAL_MS : INTERVAL_MS);
  }
}

/** The NAT that counts in statistics: that of IPv4 where UDP passes, before any other. */
function natLabel(nats: readonly NatFacts[]): string {
  const working = nats.filter(({ udp }) => udp !== false);
  const ordered = [...(working.length > 0 ? working : nats)].sort((a, b) => a.family - b.family);
  return ordered[0]?.type ?? "unknown";
}
