import type { Instant } from "../../time.ts";
import type { LocalCandidate, RemoteCandidate } from "../candidate.ts";
import type { PunchRefusal, PunchRole } from "./punch-message.ts";
import type { SocketEvent } from "./socket-side.ts";

/** What the other paths to the peer are like. */
export interface PunchSituation {
  /** There is traffic, and no direct path that works. */
  readonly isWanted: boolean;
  /** A direct path works. */
  readonly isSettled: boolean;
  /** Ordinary attempts in a row that brought no direct path. */
  readonly attempts: number;
  readonly local: readonly LocalCandidate[];
  readonly remote: readonly RemoteCandidate[];
}

export type PunchEvent =
  | SocketEvent
  /** A line for the log. */
  | { readonly kind: "punch-note"; readonly text: string };

export type PunchResult =
  /** A direct path works. */
  | "direct"
  /** No packet got through. */
  | "no-hit"
  /** The peer's packets came through, but nothing went back. */
  | "not-proven"
  | "refused"
  | "unanswered"
  /** The host opens no more sockets, the link is gone, or nobody talks any more. */
  | "given-up";

/** What came of one attempt. */
export interface PunchRecord {
  readonly at: Instant;
  readonly role: PunchRole;
  readonly result: PunchResult;
  /** Sent by this side, with their IP and UDP headers. */
  readonly packets: number;
  readonly bytes: number;
  /** From its beginning. */
  readonly afterMs: number;
  /** Only of `refused`. */
  readonly refusal: PunchRefusal | null;
}

export interface PunchSnapshot {
  readonly state: "off" | "idle" | "waiting" | "proposed" | "running";
  /** The attempts of late, the newest last. */
  readonly attempts: readonly PunchRecord[];
  /** Attempts in a row that did not hit. */
  readonly failures: number;
  /** When the next attempt may begin, if one is wanted then; null: at any time. */
  readonly notBefore: Instant | null;
  /** Sockets that were hit and serve as links. */
  readonly adopted: number;
}
