/**
 * The paths to one peer: finds them, measures them, chooses among them, notices when they die.
 *
 * Life story: quiet until somebody wants to talk (`wantPath`, `handleTraffic`) or calls (`handleCall`). Then an
 * attempt runs: a call tells the peer our candidates, and checks go out over every pair of link and remote
 * address, from both sides at the same time. The first path that answers is used at once; better ones take over.
 * While there is traffic the active path is checked every 3 s, and others are kept warm. When it falls silent all
 * usable paths carry the traffic and a new attempt starts. Without a direct path attempts go on, 1, 2, 4 … 60 s
 * apart, for as long as there is traffic. Without traffic nothing is sent and there is no deadline.
 *
 * Sans-I/O: after every input drain `pollTransmit` and `pollEvent`, and set an alarm for `pollTimeout`.
 */
import type { IpRange } from "../addresses/index.ts";
import type { LinkId, PathAddress, UdpAddress } from "../net/index.ts";
import type { RandomBytes } from "../random.ts";
import type { StunMessage } from "../stun/index.ts";
import type { Instant } from "../time.ts";
import type { CallBody } from "./call-body.ts";
import type { CandidateKind, LocalCandidate, RemoteCandidate } from "./candidate.ts";
import type { PairKeys } from "./check-keys.ts";

export type PathKind = "direct" | "relayed";

/** A path that may carry traffic, as it goes into the engine's table. */
export interface UsablePath {
  readonly address: PathAddress;
  readonly kind: PathKind;
  /** Share of the traffic; the active path has the largest. 0 is standby. */
  readonly weight: number;
  /** Answered recently enough. */
  readonly trusted: boolean;
  readonly rttMs: number;
}

/** How the engine should use the table: `redundant` while the active path is in doubt. */
export type TrafficMode = "best" | "redundant";

export interface ActivePath {
  readonly address: PathAddress;
  readonly kind: PathKind;
  readonly rttMs: number;
}

export type PeerPathsEvent =
  /** Seal this (`sealCall`) and send it through the signalling server. */
  | { readonly kind: "call"; readonly body: CallBody }
  /** The table of usable paths has changed: best first, empty if there is none. */
  | { readonly kind: "paths"; readonly paths: readonly UsablePath[]; readonly mode: TrafficMode }
  /** Another path is active than before; null is none. `why` is one plain sentence. */
  | {
      readonly kind: "path-changed";
      readonly from: ActivePath | null;
      readonly to: ActivePath | null;
      readonly why: string;
    };

/** Why a check or call was not acted upon. */
export type PathDropReason =
  | "check-malformed"
  | "check-unauthenticated"
  | "check-replayed"
  | "check-unexpected"
  | "check-rate-limited"
  | "check-unknown-attribute";

export type PathTimerReason = "check" | "check-timeout" | "trust" | "attempt" | "call";

export type PathState = "active" | "standby" | "checking" | "failed";

export interface PathSnapshot {
  readonly address: PathAddress;
  readonly kind: PathKind;
  readonly remoteKind: CandidateKind;
  readonly state: PathState;
  readonly weight: number;
  /** Smoothed; null if it never answered. */
  readonly rttMs: number | null;
  readonly minRttMs: number | null;
  /** Of the last checks, 0–1. */
  readonly lossRatio: number;
  readonly lastAnsweredAt: Instant | null;
}

/** One line of the history that `asterism explain` shows. */
export interface AttemptRecord {
  readonly at: Instant;
  readonly remote: UdpAddress;
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
  /** The active path answered recently; false while idle, too. */
  readonly trusted: boolean;
  readonly paths: readonly PathSnapshot[];
  readonly localCandidates: readonly LocalCandidate[];
  readonly remoteCandidates: readonly RemoteCandidate[];
  readonly nextAttemptAt: Instant | null;
  readonly attempts: readonly AttemptRecord[];
  readonly changes: readonly PathChangeRecord[];
  readonly drops: Readonly<Partial<Record<PathDropReason, number>>>;
}

export interface PeerPathsOptions {
  readonly keys: PairKeys;
  readonly random: RandomBytes;
  /** Ranges of all networks this host is in: never a place to send checks to. */
  readonly overlayRanges?: readonly IpRange[];
  /** `best` keeps a few other paths warm, `all` checks every usable path like the active one (multipath). */
  readonly warm?: "best" | "all";
}

export class PeerPaths {
  constructor(_options: PeerPathsOptions) {}

  /** A STUN message whose USERNAME is our `receiveCheckId`. Undefined if it was acted upon. */
  handleCheck(_message: StunMessage, _from: PathAddress, _now: Instant): PathDropReason | undefined {
    return "check-unexpected";
  }

  /** An opened call of this peer. */
  handleCall(_body: CallBody, _now: Instant): void {}

  /** Our candidates, as `offeredCandidates` gives them; replaces the former ones. Links without any are gone. */
  handleLocalCandidates(_candidates: readonly LocalCandidate[], _now: Instant): void {}

  /** The peer's candidates from an earlier run, to be tried until a call brings the real ones. */
  handleRememberedCandidates(_candidates: readonly RemoteCandidate[], _now: Instant): void {}

  /** When data to or from the peer last moved (the engine's counters); 0 is never. */
  handleTraffic(_traffic: { readonly lastSentAt: Instant; readonly lastReceivedAt: Instant }, _now: Instant): void {}

  /** An authenticated tunnel packet came from an address that is not in the table (the engine's `roamed`). */
  handleRoamed(_from: PathAddress, _now: Instant): void {}

  /** The host slept, or something else makes every path doubtful: check all at once. */
  handleResume(_now: Instant): void {}

  /** Calls can be delivered again: no waiting for the back-off. */
  handleSignallingReady(_now: Instant): void {}

  /** Somebody wants to send to the peer. Repeat while it lasts; it counts as traffic. */
  wantPath(_now: Instant): void {}

  handleTimeout(_now: Instant): void {}

  pollTimeout(): { readonly at: Instant; readonly reason: PathTimerReason } | undefined {
    return undefined;
  }

  pollTransmit(): { readonly to: PathAddress; readonly bytes: Uint8Array } | undefined {
    return undefined;
  }

  pollEvent(): PeerPathsEvent | undefined {
    return undefined;
  }

  /** The table as last reported by a `paths` event. */
  usablePaths(): readonly UsablePath[] {
    return [];
  }

  snapshot(_now: Instant): PeerPathsSnapshot {
    return {
      kind: "none",
      active: null,
      trusted: false,
      paths: [],
      localCandidates: [],
      remoteCandidates: [],
      nextAttemptAt: null,
      attempts: [],
      changes: [],
      drops: {},
    };
  }
}
