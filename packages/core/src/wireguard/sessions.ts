/**
 * The sessions of one peer, in the same three places and with the same moves as in the packet engine (WireGuard paper
 * §6.3; wireguard-go does alike).
 *
 *   next ──first packet in it──▶ current ──newer one──▶ previous ──newer one──▶ ended
 *
 * A session that we initiated may send at once and goes straight to `current`. One that we answered waits as `next`
 * until the initiator has used it. Only facts are kept here: the keys are with the engine.
 */
import { addMs, earliest, type Instant } from "../time.ts";
import { REJECT_AFTER_TIME_MS } from "./constants.ts";
import type { SessionRole } from "./events.ts";

export interface Session {
  readonly localIndex: number;
  readonly remoteIndex: number;
  readonly role: SessionRole;
  readonly createdAt: Instant;
  /** Added to REKEY_AFTER_TIME, see `installInitiated`. */
  readonly rekeyDelayMs: number;
}

export class PeerSessions {
  #current: Session | undefined;
  #previous: Session | undefined;
  #next: Session | undefined;

  /** The session that sends. */
  get current(): Session | undefined {
    return this.#current;
  }

  get next(): Session | undefined {
    return this.#next;
  }

  /**
   * Puts in place a session of ours whose initiation was sent at `initiatedAt`. Returns the sessions that this ends.
   * A `next` that is older than the initiation is stale. A younger one is the peer's simultaneous initiation: the peer
   * may be sending in it already, so it is kept to receive, before the former `current`.
   */
  installInitiated(session: Session, initiatedAt: Instant): Session[] {
    const isSimultaneous = this.#next !== undefined && this.#next.createdAt >= initiatedAt;
    const kept = isSimultaneous ? this.#next : this.#current;
    const ended = this.all().filter((other) => other !== kept);
    this.#previous = kept;
    this.#next = undefined;
    this.#current = session;
    return ended;
  }

  /** Puts in place a session that the peer initiated. Returns the sessions that this ends: all but `current`. */
  installResponded(session: Session): Session[] {
    const ended = present(this.#previous, this.#next);
    this.#previous = undefined;
    this.#next = session;
    return ended;
  }

  /** A packet came in `next`. Returns the sessions that this ends; undefined if `localIndex` is not `next`. */
  confirm(localIndex: number): Session[] | undefined {
    if (this.#next?.localIndex !== localIndex) return undefined;
    const ended = present(this.#previous);
    this.#previous = this.#current;
    this.#current = this.#next;
    this.#next = undefined;
    return ended;
  }

  /** Ends the sessions that are too old to carry anything. */
  expire(now: Instant): Session[] {
    const ended: Session[] = [];
    const keep = (session: Session | undefined): Session | undefined => {
      if (session === undefined || now < expiryOf(session)) return session;
      ended.push(session);
      return undefined;
    };
    this.#current = keep(this.#current);
    this.#previous = keep(this.#previous);
    this.#next = keep(this.#next);
    return ended;
  }

  nextExpiryAt(): Instant | undefined {
    let at: Instant | undefined;
    for (const session of this.all()) at = earliest(at, expiryOf(session));
    return at;
  }

  all(): Session[] {
    return present(this.#current, this.#previous, this.#next);
  }
}

/** REJECT_AFTER_TIME after it was made. */
export function expiryOf(session: Session): Instant {
  return addMs(session.createdAt, REJECT_AFTER_TIME_MS);
}

function present(...sessions: readonly (Session | undefined)[]): Session[] {
  return sessions.filter((session) => session !== undefined);
}
