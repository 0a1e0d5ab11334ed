/**
 * When a peer's traffic calls for a handshake or an empty packet. Source: WireGuard paper §6.2, §6.5.
 *
 * The engine sees the packets; what happened is told by its counters. Everything here is a pure function of those facts.
 */
import { addMs, type Instant } from "../time.ts";
import {
  KEEPALIVE_TIMEOUT_MS,
  REKEY_AFTER_TIME_MS,
  REKEY_AFTER_TIME_RECEIVING_MS,
  STALE_AFTER_MS,
} from "./constants.ts";
import type { Session } from "./sessions.ts";

/** What the engine has seen of a peer. Times are 0 if it never happened. The engine's `PeerCounters` fit. */
export interface TrafficFacts {
  readonly lastDataSentAt: Instant;
  readonly lastDataReceivedAt: Instant;
  /** Anything authenticated, empty packets included. */
  readonly lastSentAt: Instant;
  readonly lastReceivedAt: Instant;
  /** First data packet sent since anything was last received; 0 if none. */
  readonly firstUnansweredSentAt: Instant;
  /** First data packet received since anything was last sent; 0 if none. */
  readonly firstUnacknowledgedReceivedAt: Instant;
}

export const NEVER = 0 as Instant;

export const NO_TRAFFIC: TrafficFacts = {
  lastDataSentAt: NEVER,
  lastDataReceivedAt: NEVER,
  lastSentAt: NEVER,
  lastReceivedAt: NEVER,
  firstUnansweredSentAt: NEVER,
  firstUnacknowledgedReceivedAt: NEVER,
};

/** What was already done about the facts, so that it is done once. */
export interface TimerMemory {
  /** When silence of the peer last made us initiate. */
  staleHandledAt: Instant;
  /** Drawn anew each time, ≤ REKEY_TIMEOUT_JITTER_MAX. */
  staleJitterMs: number;
  /** The `firstUnacknowledgedReceivedAt` that an empty packet was last asked for. */
  acknowledgedAt: Instant;
  /** When the persistent keepalive was last served. */
  persistentServedAt: Instant | undefined;
}

/** True if the session is ours and was used at an age that calls for a new one. */
export function isRekeyDue(session: Session, facts: TrafficFacts): boolean {
  if (session.role !== "initiator") return false;
  const sentAgeMs = facts.lastSentAt - session.createdAt;
  const receivedAgeMs = facts.lastReceivedAt - session.createdAt;
  return sentAgeMs >= REKEY_AFTER_TIME_MS + session.rekeyDelayMs || receivedAgeMs >= REKEY_AFTER_TIME_RECEIVING_MS;
}

/** When a peer that leaves our data unanswered is to be asked for a new session. */
export function staleAt(session: Session, facts: TrafficFacts, memory: TimerMemory): Instant | undefined {
  if (facts.firstUnansweredSentAt === NEVER) return undefined;
  const afterMs = STALE_AFTER_MS + memory.staleJitterMs;
  // Data from before the session, or before the last attempt, has had its attempt.
  const since = Math.max(session.createdAt, memory.staleHandledAt) as Instant;
  if (facts.firstUnansweredSentAt >= since) return addMs(facts.firstUnansweredSentAt, afterMs);
  return facts.lastDataSentAt > since ? addMs(since, afterMs) : undefined;
}

/** When received data that nothing answered is to be answered by an empty packet. */
export function passiveKeepaliveAt(facts: TrafficFacts, memory: TimerMemory): Instant | undefined {
  const receivedAt = facts.firstUnacknowledgedReceivedAt;
  return receivedAt > memory.acknowledgedAt ? addMs(receivedAt, KEEPALIVE_TIMEOUT_MS) : undefined;
}

/** When a silent peer is due for its persistent keepalive; the first is due at once. */
export function persistentKeepaliveAt(intervalMs: number, facts: TrafficFacts, memory: TimerMemory): Instant {
  if (memory.persistentServedAt === undefined) return NEVER;
  const quietSince = Math.max(facts.lastSentAt, facts.lastReceivedAt, memory.persistentServedAt) as Instant;
  return addMs(quietSince, intervalMs);
}
