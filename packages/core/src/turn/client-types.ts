import type { LinkId, UdpAddress } from "../net/index.ts";
import type { RandomBytes } from "../random.ts";
import type { StunDropReason } from "../stun/index.ts";
import type { Instant } from "../time.ts";
import type { AddressFamily } from "./attribute-values.ts";
import type { ChannelDataDropReason } from "./channel-data.ts";
import type { TurnCredentials } from "./credentials.ts";
import type { StreamDropReason } from "./stream-reader.ts";

export interface TurnClientOptions {
  /** `stream` is TCP or TLS: ordered bytes, which the owner carries. */
  readonly transport: "udp" | "stream";
  readonly server: UdpAddress;
  /** The link that UDP to the relay leaves by; for a stream only a label. */
  readonly linkId: LinkId;
  readonly credentials: TurnCredentials;
  /** Relayed addresses wanted, IPv4 by default. With both, either may be missing from what the relay gives. */
  readonly families?: readonly AddressFamily[];
  readonly random: RandomBytes;
}

/** Why there is no allocation. */
export type TurnFailure =
  | "relay-silent"
  | "stream-closed"
  | "stream-out-of-step"
  /** Username or password are wrong or have expired. */
  | "credentials-refused"
  /** The challenge can't be met, or came again and again. */
  | "challenge-refused"
  /** An allocation of somebody else occupies our address and port at the relay. */
  | "allocation-mismatch"
  /** The relay does not know our allocation any more: it restarted, or our mapped address changed. */
  | "allocation-lost"
  | "quota-reached"
  | "relay-full"
  | "family-not-supported"
  | "too-many-redirects"
  | "answer-malformed"
  /** Any other error; see its code. */
  | "refused";

export type TurnClientEvent =
  /** Streams only: close what is open and open a stream to this address, then call `handleStreamOpen`. */
  | { readonly kind: "connect"; readonly server: UdpAddress }
  | {
      readonly kind: "allocated";
      /** One per family that was given. */
      readonly relayedAddresses: readonly UdpAddress[];
      /** Our address as the relay sees it. */
      readonly mappedAddress: UdpAddress;
      readonly lifetimeSeconds: number;
      readonly server: UdpAddress;
    }
  /** Data to and from the peer may travel in this channel. Also after a new allocation: numbers stay. */
  | { readonly kind: "channel-bound"; readonly peer: UdpAddress; readonly channel: number }
  /** Peers at this address, whatever their port, may send to us. */
  | { readonly kind: "permitted"; readonly address: string }
  /** The relay won't carry to this peer; ask again by another `bindChannel` or `permit`. */
  | { readonly kind: "peer-refused"; readonly peer: UdpAddress; readonly code: number; readonly reason: string }
  /** From the peer, in a Data indication (channel null) or as ChannelData. */
  | { readonly kind: "data"; readonly peer: UdpAddress; readonly channel: number | null; readonly bytes: Uint8Array }
  /** No allocation. `retryAt` null: only `setCredentials` or a new client helps. */
  | {
      readonly kind: "failed";
      readonly reason: TurnFailure;
      /** Of the relay's error answer. */
      readonly code: number | null;
      readonly retryAt: Instant | null;
    }
  /** The relay has been told, or can't be reached; nothing more will be sent. */
  | { readonly kind: "closed" };

export type TurnDropReason =
  | StunDropReason
  | ChannelDataDropReason
  | StreamDropReason
  | "turn-not-from-relay"
  | "turn-not-an-answer"
  | "turn-unexpected"
  | "turn-unauthenticated"
  | "turn-unknown-attribute"
  | "turn-malformed"
  | "turn-peer-unknown"
  | "turn-channel-unknown"
  | "turn-event-overflow";

export type TurnTimerReason = "answer" | "connect" | "retry" | "refresh" | "binding";

export type TurnClientState = "idle" | "connecting" | "allocating" | "allocated" | "waiting" | "closing" | "closed";

export interface TurnPeerSnapshot {
  readonly peer: UdpAddress;
  readonly channel: number | null;
  readonly state: "wanted" | "requested" | "granted" | "refused";
}

export interface TurnClientSnapshot {
  readonly state: TurnClientState;
  /** Where it is, after redirects. */
  readonly server: UdpAddress;
  readonly relayedAddresses: readonly UdpAddress[];
  readonly mappedAddress: UdpAddress | null;
  readonly expiresAt: Instant | null;
  /** Smoothed; null before the first answer. */
  readonly rttMs: number | null;
  readonly lastFailure: { readonly at: Instant; readonly reason: TurnFailure; readonly code: number | null } | null;
  readonly retryAt: Instant | null;
  readonly peers: readonly TurnPeerSnapshot[];
  readonly drops: Readonly<Partial<Record<TurnDropReason, number>>>;
}
