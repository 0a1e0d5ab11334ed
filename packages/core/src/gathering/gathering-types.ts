import type { NatReport, SamplerEvent } from "../nat/index.ts";
import type { LinkId, UdpAddress } from "../net/index.ts";
import type { ChannelPlace, LocalCandidate } from "../paths/index.ts";
import type { LinkPortMapping } from "../port-mapping/index.ts";
import type { Instant } from "../time.ts";
import type { TurnClientSnapshot } from "../turn/index.ts";

/** Where a relay is reached by a stream. */
export interface StreamEndpoint {
  readonly transport: "tcp" | "tls";
  readonly address: UdpAddress;
  /** For TLS: name to ask for (SNI); null if it has none. */
  readonly serverName: string | null;
  /** For TLS: SHA-256 of the only certificate that is accepted, lower-case hex; null: any (the password proves the relay). */
  readonly fingerprint: string | null;
}

/** A TURN server that may be used, with what is needed to reach it. */
export interface Relay {
  readonly id: string;
  /** For people. */
  readonly name: string;
  /** Where it answers on UDP, of either IP version; none if it does not. */
  readonly udp: readonly UdpAddress[];
  /** Where it accepts streams, in the order in which they are tried. */
  readonly streams: readonly StreamEndpoint[];
  readonly username: string;
  readonly password: string;
}

export type GatheringEvent =
  /** All our candidates, as `offeredCandidates` gives them: for every `PeerPaths`. */
  | { readonly kind: "candidates"; readonly candidates: readonly LocalCandidate[] }
  /** What is known of the NATs has changed: worth telling to peers that look for a path. */
  | { readonly kind: "nats" }
  | SamplerEvent
  /** `owner` may use the channel that it wanted. */
  | ({ readonly kind: "channel-bound"; readonly owner: string; readonly channel: number } & ChannelPlace)
  | ({ readonly kind: "channel-lost"; readonly owner: string } & ChannelPlace)
  /** The relay has heard something from an address that no channel is bound to. */
  | ({ readonly kind: "indirect"; readonly bytes: Uint8Array } & ChannelPlace)
  /** `handleStreamOpened` or `handleStreamClosed` follows. */
  | { readonly kind: "open-stream"; readonly streamId: number; readonly endpoint: StreamEndpoint }
  /** What is left of it is closed, and nothing is sent there any more. */
  | { readonly kind: "close-stream"; readonly streamId: number; readonly linkId: LinkId | null }
  /** What a person may want to know about a relay; a log line. */
  | { readonly kind: "notice"; readonly level: "info" | "warn"; readonly text: string };

export interface AllocationSnapshot extends TurnClientSnapshot {
  readonly transport: "udp" | "tcp" | "tls";
  /** Null while a stream is being opened. */
  readonly linkId: LinkId | null;
}

export interface RelaySnapshot {
  readonly id: string;
  readonly name: string;
  readonly addresses: readonly UdpAddress[];
  /** The shortest of all links; null before the first answer. */
  readonly rttMs: number | null;
  /** New allocations are made here. */
  readonly isPreferred: boolean;
  readonly allocations: readonly AllocationSnapshot[];
}

/** What a STUN server has told on one link. */
export interface ReflexiveFact {
  readonly linkId: LinkId;
  readonly server: UdpAddress;
  readonly mapped: UdpAddress;
  /** Of the last request that was not repeated; null if there was none. */
  readonly rttMs: number | null;
  readonly answeredAt: Instant;
}

export interface GatheringSnapshot {
  readonly candidates: readonly LocalCandidate[];
  /** One for each link and IP version. */
  readonly nats: readonly NatReport[];
  readonly reflexive: readonly ReflexiveFact[];
  /** One for each link that a router was asked for. */
  readonly portMappings: readonly LinkPortMapping[];
  readonly relays: readonly RelaySnapshot[];
  /** The NATs are being examined at the moment: `nats` may say more in a second. */
  readonly isExamining: boolean;
  /** Whom the examination asks: STUN servers and relays, each once. */
  readonly servers: readonly UdpAddress[];
  /** When somebody last talked without a direct path. */
  readonly neededAt: Instant | null;
}
