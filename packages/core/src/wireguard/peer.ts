import { wipe } from "../bytes/index.ts";
import type { PathAddress } from "../net/index.ts";
import { addMs, earliest, type Instant } from "../time.ts";
import { REKEY_ATTEMPT_TIME_MS } from "./constants.ts";
import { CookieKeeper } from "./cookie.ts";
import type { PeerHandle } from "./events.ts";
import { type InitiatorState, type NoisePeer, wipeNoise } from "./noise.ts";
import { PeerSessions } from "./sessions.ts";
import {
  NEVER,
  NO_TRAFFIC,
  passiveKeepaliveAt,
  persistentKeepaliveAt,
  staleAt,
  type TimerMemory,
  type TrafficFacts,
} from "./timers.ts";

export const PRESHARED_KEY_SIZE_BYTES = 32;

/** How far we are with a handshake of ours. */
export type Initiating =
  | { readonly kind: "idle" }
  /** Wanted, but our last message is too young. */
  | { readonly kind: "waiting"; readonly until: Instant }
  | {
      readonly kind: "sent";
      readonly localIndex: number;
      readonly noise: InitiatorState;
      readonly sentAt: Instant;
      readonly retryAt: Instant;
      /** Of the first initiation of the series. */
      readonly startedAt: Instant;
      /** Responses to this initiation that did not open. */
      wrongResponses: number;
    };

/** The response to the peer's last initiation, for the case that the same initiation comes by another path. */
export interface Answer {
  readonly initiation: Uint8Array;
  readonly response: Uint8Array;
  readonly at: Instant;
  /** Where it was given. */
  readonly paths: Set<string>; // bounded: DUPLICATE_ANSWERS_MAX
}

export type TimeoutReason = "handshake" | "session-expiry" | "stale" | "keepalive" | "persistent-keepalive";

export interface PeerDeadline {
  readonly at: Instant;
  readonly reason: TimeoutReason;
}

/** Everything that is known of one peer. The device drives it. */
export class Peer {
  readonly handle: PeerHandle;
  readonly publicKey: Uint8Array;
  /** Undefined if no handshake is possible with this key. */
  readonly noise: NoisePeer | undefined;
  readonly presharedKey = new Uint8Array(PRESHARED_KEY_SIZE_BYTES);
  readonly persistentKeepaliveMs: number | undefined;
  readonly cookies: CookieKeeper;
  readonly sessions = new PeerSessions();
  readonly memory: TimerMemory = {
    staleHandledAt: NEVER,
    staleJitterMs: 0,
    acknowledgedAt: NEVER,
    persistentServedAt: undefined,
  };
  initiating: Initiating = { kind: "idle" };
  facts: TrafficFacts = NO_TRAFFIC;
  answer: Answer | undefined;
  lastHandshakeAt: Instant | undefined;
  /** Where the last authentic handshake message came from. */
  lastHandshakeFrom: PathAddress | undefined;
  /** Initiation or response. */
  lastMessageSentAt: Instant | undefined;
  /** TAI64N labels. */
  greatestTimestampSent: Uint8Array | undefined;
  greatestTimestampReceived: Uint8Array | undefined;
  lastInitiationReceivedAt: Instant | undefined;
  /** Kept in step with the fields above by `updateDeadline`. */
  deadline: PeerDeadline | undefined;

  constructor(
    handle: PeerHandle,
    publicKey: Uint8Array,
    noise: NoisePeer | undefined,
    persistentKeepaliveMs: number | undefined,
  ) {
    this.handle = handle;
    this.publicKey = publicKey;
    this.noise = noise;
    this.persistentKeepaliveMs = persistentKeepaliveMs;
    this.cookies = new CookieKeeper(publicKey);
  }

  updateDeadline(): void {
    this.deadline = soonest([
      this.#handshakeDeadline(),
      deadline(this.sessions.nextExpiryAt(), "session-expiry"),
      deadline(this.staleAt(), "stale"),
      deadline(passiveKeepaliveAt(this.facts, this.memory), "keepalive"),
      deadline(this.persistentKeepaliveAt(), "persistent-keepalive"),
    ]);
  }

  /** Undefined also while a handshake is under way, which is the answer to silence. */
  staleAt(): Instant | undefined {
    const { current } = this.sessions;
    if (current === undefined || this.initiating.kind !== "idle") return undefined;
    return staleAt(current, this.facts, this.memory);
  }

  persistentKeepaliveAt(): Instant | undefined {
    const intervalMs = this.persistentKeepaliveMs;
    return intervalMs === undefined ? undefined : persistentKeepaliveAt(intervalMs, this.facts, this.memory);
  }

  wipe(): void {
    if (this.initiating.kind === "sent") wipeNoise(this.initiating.noise);
    this.initiating = { kind: "idle" };
    this.cookies.wipe();
    wipe(this.presharedKey, this.noise?.staticStatic);
  }

  #handshakeDeadline(): PeerDeadline | undefined {
    const state = this.initiating;
    if (state.kind === "waiting") return deadline(state.until, "handshake");
    if (state.kind === "idle") return undefined;
    return deadline(earliest(state.retryAt, addMs(state.startedAt, REKEY_ATTEMPT_TIME_MS)), "handshake");
  }
}

function deadline(at: Instant | undefined, reason: TimeoutReason): PeerDeadline | undefined {
  return at === undefined ? undefined : { at, reason };
}

function soonest(deadlines: readonly (PeerDeadline | undefined)[]): PeerDeadline | undefined {
  let first: PeerDeadline | undefined;
  for (const candidate of deadlines) {
    if (candidate !== undefined && (first === undefined || candidate.at < first.at)) first = candidate;
  }
  return first;
}
