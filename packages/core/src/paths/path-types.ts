import type { LinkId, PathAddress, UdpAddress } from "../net/index.ts";
import type { Instant } from "../time.ts";
import type { CallBody } from "./call-body.ts";
import type { CandidateKind, LocalCandidate, RemoteCandidate } from "./candidate.ts";
import type { IdleReason } from "./carriers.ts";
import type { PunchEvent, PunchSnapshot } from "./hard-nat/punch-types.ts";
import type { ChannelPlace } from "./relay-channels.ts";
import type { ModeDecision, ModeSettings, TrafficMode } from "./traffic-mode.ts";

export type PathKind = "direct" | "relayed";

/** A path that may carry traffic, as it goes into the engine's table. */
export interface UsablePath {
  readonly address: PathAddress;
  readonly kind: PathKind;
  /** Share of the traffic; the active path has the largest. 0 is standby. */
  readonly weight: number;
  /** Answered recently enough. */
  readonly trusted: boolean;
  /** Smoothed, when the table was made. */
  readonly rttMs: number;
  /** Largest datagram (UDP payload) that passes in one piece, 0 if unknown. */
  readonly mtuBytes: number;
  /** Of the links of both ends together; what is spread goes only by paths that cost no more than the active one. */
  readonly cost: number;
  /** At most so much of what is spread goes this way; no limit if left out. */
  readonly capBytesPerSecond?: number;
}

export interface ActivePath {
  readonly address: PathAddress;
  readonly kind: PathKind;
  readonly rttMs: number;
}

export type PeerPathsEvent =
  /**
   * Seal this (`CallBox.seal`) and send it through the signalling server. If server-reflexive
   * candidates may be out of date, that is the time to gather them anew and hand them in.
   */
  | { readonly kind: "call"; readonly body: CallBody }
  /**
   * A channel through our allocation at `relay` to the peer's address `peer` is wanted; `handleChannel` tells when there
   * is one.
   */
  | ({ readonly kind: "channel-wanted" } & ChannelPlace)
  /** The channel is of no use any more. */
  | ({ readonly kind: "channel-unwanted" } & ChannelPlace)
  /** The peer has seen us come from this address; told only while there is no server that could tell. */
  | { readonly kind: "seen-at"; readonly linkId: LinkId; readonly address: UdpAddress }
  | PunchEvent
  /**
   * The table of usable paths has changed: the active one first, empty if there is none. `redundant` also while the
   * active one is in doubt.
   */
  | { readonly kind: "paths"; readonly paths: readonly UsablePath[]; readonly mode: TrafficMode }
  /** Another path is active than before; null is none. `why` is a plain phrase. */
  | {
      readonly kind: "path-changed";
      readonly from: ActivePath | null;
      readonly to: ActivePath | null;
      readonly why: string;
    };

/** Why a check was not acted upon. */
export type PathDropReason =
  | "check-malformed"
  | "check-unauthenticated"
  | "check-replayed"
  | "check-unexpected"
  | "check-refused"
  | "check-rate-limited"
  | "check-unknown-attribute";

export type PathTimerReason =
  | "check"
  | "check-timeout"
  | "path-failure"
  | "trust"
  | "attempt"
  | "call"
  | "mtu"
  | "punch";

export type PathState = "active" | "standby" | "checking" | "failed";

export interface PathSnapshot {
  readonly address: PathAddress;
  /** The peer's address: the remote one, or behind our relay the one that the channel leads to. */
  readonly peer: UdpAddress;
  readonly kind: PathKind;
  readonly remoteKind: CandidateKind;
  readonly state: PathState;
  readonly weight: number;
  /** Why it carries nothing although it works; null if it carries, or does not work. */
  readonly idleBecause: IdleReason | null;
  /** Smoothed; null if it never answered. */
  readonly rttMs: number | null;
  readonly minRttMs: number | null;
  /** Of the last checks, 0–1. */
  readonly lossRatio: number;
  /** Largest datagram (UDP payload) that passes in one piece, as far as it matters to this network; null if unknown. */
  readonly mtuBytes: number | null;
  /** Small packets pass, and large ones vanish. */
  readonly isNarrow: boolean;
  readonly lastAnsweredAt: Instant | null;
  /** When an authentic packet of the peer's last came this way. */
  readonly lastHeardAt: Instant | null;
  /** Our address as the peer sees it on this path. */
  readonly mappedAddress: UdpAddress | null;
}

/** One line of the history that `asterism explain` shows: what became of trying one path. */
export interface AttemptRecord {
  readonly at: Instant;
  /** The peer's address. */
  readonly remote: UdpAddress;
  /** Our relay, through which it was tried; null without. */
  readonly relay: UdpAddress | null;
  readonly linkId: LinkId;
  readonly remoteKind: CandidateKind;
  readonly result: "answered" | "no-answer" | "lost" | "removed";
  /** Time from the first check to the first answer. */
  readonly afterMs: number | null;
  readonly why: string;
}

export interface PathChangeRecord {
  readonly at: Instant;
  readonly from: ActivePath | null;
  readonly to: ActivePath | null;
  readonly why: string;
}

export interface PeerPathsSnapshot {
  readonly kind: PathKind | "none";
  readonly active: ActivePath | null;
  readonly mode: ModeDecision;
  readonly modeSettings: ModeSettings;
  /** The active path answered recently; false while idle, too. */
  readonly trusted: boolean;
  /** Every path that was tried; the active one first. */
  readonly paths: readonly PathSnapshot[];
  readonly localCandidates: readonly LocalCandidate[];
  readonly remoteCandidates: readonly RemoteCandidate[];
  readonly nextAttemptAt: Instant | null;
  /** Attempts in a row that brought no direct path. */
  readonly attemptsWithoutSuccess: number;
  readonly attempts: readonly AttemptRecord[];
  readonly changes: readonly PathChangeRecord[];
  readonly punch: PunchSnapshot;
  readonly drops: Readonly<Partial<Record<PathDropReason, number>>>;
}
