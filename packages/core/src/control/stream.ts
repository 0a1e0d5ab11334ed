import { type Static, Type } from "typebox";
import { MAX_NETWORK_MEMBERS, NetworkInfo, PeerInfo, RecordText, SelfInfo } from "./network-map.ts";
import { createMessageParser } from "./parse.ts";
import { OfferedRelay, RelaysMessage } from "./relays.ts";
import { ReportMessage } from "./report.ts";
import { Bytes32, Counter, Id, Label, nullable, ProtocolNumber, Signature } from "./scalars.ts";

/**
 * The control stream: a WebSocket at `/api/v1/control`, one JSON message per text frame, one stream per membership.
 *
 *   server  hello                            at once
 *   agent   authenticate                     within 10 s
 *   server  authenticated, relays, map | delta…, presence(full)
 *   then    server: delta, presence, relays, call, call-failed, done, error, restarting, ping, pong
 *           agent:  call, record, rename, leave, offer-relay, report, ping, pong
 *
 * Fields that a side does not know are ignored; a message type that the agent does not know is ignored, one that the
 * server does not know is answered by `error`. Protocol in words: docs/protocol-control.md.
 */
export const CONTROL_PATH = "/api/v1/control";
/** The server's ping interval; a random part of up to a tenth is taken off. */
export const PING_INTERVAL_MS = 30_000;
/** A side that hears nothing for this long closes the stream. */
export const STREAM_WATCHDOG_MS = 75_000;
/**
 * TCP's own keepalive on the agent's end after so much silence. A router that has forgotten the connection makes the server
 * unable to reach the agent, which nothing else would show before the watchdog.
 */
export const STREAM_KEEPALIVE_MS = 5_000;
/**
 * Agents come back after a lost stream with this back-off. The cap bounds how long a member that the server's outage has
 * cut off stays so after its end, and still spreads a thousand members over several seconds.
 */
export const STREAM_RECONNECT = { firstMs: 500, capMs: 8_000 } as const;
export const AUTHENTICATE_TIMEOUT_MS = 10_000;
/** Largest message that the server accepts. */
export const MAX_AGENT_MESSAGE_BYTES = 32 * 1024;
/** Largest message that an agent accepts: a map of a full network. */
export const MAX_SERVER_MESSAGE_BYTES = 64 * 1024 * 1024;
export const MAX_SEALED_CHARACTERS = 16 * 1024;

/** WebSocket close codes of ours (RFC 6455 §7.4.2 leaves 4000–4999 to applications). */
export const CLOSE_CODES = {
  /** The server stops or restarts: come back. */
  restarting: 1012,
  /** Malformed or unexpected message. */
  invalid: 4400,
  /** Authentication failed. */
  "not-authorised": 4401,
  /** The device is no member: stop, don't come back. */
  "device-removed": 4403,
  /** A newer stream of the same device took over. */
  "stream-replaced": 4409,
  /** Too slow in reading, or too much at once. */
  overloaded: 4429,
} as const;

const MemberIds = Type.Array(Id, { maxItems: MAX_NETWORK_MEMBERS });
const Peers = Type.Array(PeerInfo, { maxItems: MAX_NETWORK_MEMBERS });

/** Opaque to the server: sealed for the callee, base64. */
const Sealed = Type.String({ minLength: 1, maxLength: MAX_SEALED_CHARACTERS, pattern: "^[A-Za-z0-9+/]+={0,2}$" });

/** Names a request of the agent; the answer `done` or `error` carries the same number. */
const RequestId = Type.Integer({ minimum: 0, maximum: 0xffff_ffff });

// Server to agent

export const HelloMessage = Type.Object({
  type: Type.Literal("hello"),
  protocol: ProtocolNumber,
  nonce: Bytes32,
  /** Milliseconds since 1970. */
  serverTime: Type.Number(),
});
export type HelloMessage = Static<typeof HelloMessage>;

export const AuthenticatedMessage = Type.Object({
  type: Type.Literal("authenticated"),
  protocol: ProtocolNumber,
  /** The address that the server sees this agent come from, without port. */
  observedAddress: Type.String({ minLength: 2, maxLength: 45 }),
});
export type AuthenticatedMessage = Static<typeof AuthenticatedMessage>;

/** The whole network map. It replaces all that the agent knew. */
export const MapMessage = Type.Object({
  type: Type.Literal("map"),
  /** Versions of different epochs can't be compared. */
  epoch: Type.String({ minLength: 1, maxLength: 64 }),
  version: Counter,
  network: NetworkInfo,
  self: SelfInfo,
  peers: Peers,
});
export type MapMessage = Static<typeof MapMessage>;

/** What changed between two versions of the map. It fits only on `fromVersion` of the same epoch. */
export const DeltaMessage = Type.Object({
  type: Type.Literal("delta"),
  epoch: Type.String({ minLength: 1, maxLength: 64 }),
  fromVersion: Counter,
  version: Counter,
  network: Type.Optional(NetworkInfo),
  self: Type.Optional(SelfInfo),
  /** New or changed peers, whole. */
  upserts: Peers,
  removals: MemberIds,
});
export type DeltaMessage = Static<typeof DeltaMessage>;

/** Who has a control stream. `full`: everybody who is not listed is offline (the first one after a connect). */
export const PresenceMessage = Type.Object({
  type: Type.Literal("presence"),
  full: Type.Boolean(),
  online: MemberIds,
  offline: MemberIds,
});
export type PresenceMessage = Static<typeof PresenceMessage>;

export const IncomingCallMessage = Type.Object({ type: Type.Literal("call"), from: Id, sealed: Sealed });
export type IncomingCallMessage = Static<typeof IncomingCallMessage>;

export const CallFailedMessage = Type.Object({
  type: Type.Literal("call-failed"),
  to: Id,
  reason: Type.Enum(["offline", "unknown", "rate-limited"]),
});
export type CallFailedMessage = Static<typeof CallFailedMessage>;

/** The request of this number was carried out. */
export const DoneMessage = Type.Object({ type: Type.Literal("done"), requestId: RequestId });
export type DoneMessage = Static<typeof DoneMessage>;

export const ErrorMessage = Type.Object({
  type: Type.Literal("error"),
  /** A code of the error table; a newer server may use one that this version does not know. */
  code: Type.String({ maxLength: 64 }),
  message: Type.String({ maxLength: 1000 }),
  /** The request that failed, null if it is about the stream. */
  requestId: nullable(RequestId),
});
export type ErrorMessage = Static<typeof ErrorMessage>;

/** The server is about to stop. Reconnect after this time, which differs from agent to agent. */
export const RestartingMessage = Type.Object({
  type: Type.Literal("restarting"),
  reconnectAfterMs: Type.Integer({ minimum: 0, maximum: 600_000 }),
});
export type RestartingMessage = Static<typeof RestartingMessage>;

// Agent to server

export const AuthenticateMessage = Type.Object({
  type: Type.Literal("authenticate"),
  protocol: ProtocolNumber,
  nodeId: Id,
  /** By the machine key over `controlProofBytes`. */
  signature: Signature,
  /** The map that the agent has, null for none. */
  resume: nullable(Type.Object({ epoch: Type.String({ minLength: 1, maxLength: 64 }), version: Counter })),
  agentVersion: Type.Optional(Type.String({ maxLength: 64 })),
});
export type AuthenticateMessage = Static<typeof AuthenticateMessage>;

export const OutgoingCallMessage = Type.Object({ type: Type.Literal("call"), to: Id, sealed: Sealed });
export type OutgoingCallMessage = Static<typeof OutgoingCallMessage>;

/** A new node record: new node key or capabilities. Its sequence must be higher than that of the last one. */
export const RecordMessage = Type.Object({
  type: Type.Literal("record"),
  requestId: RequestId,
  record: RecordText,
  recordSignature: Signature,
});
export type RecordMessage = Static<typeof RecordMessage>;

export const RenameMessage = Type.Object({ type: Type.Literal("rename"), requestId: RequestId, name: Label });
export type RenameMessage = Static<typeof RenameMessage>;

/** Gives up the membership and its addresses. Answered by `done`, then the server closes. */
export const LeaveMessage = Type.Object({ type: Type.Literal("leave"), requestId: RequestId });
export type LeaveMessage = Static<typeof LeaveMessage>;

/** Offers a relay to the network in place of what this member offered before; null takes the offer back. */
export const OfferRelayMessage = Type.Object({
  type: Type.Literal("offer-relay"),
  requestId: RequestId,
  relay: nullable(OfferedRelay),
});
export type OfferRelayMessage = Static<typeof OfferRelayMessage>;

// Both ways

export const PingMessage = Type.Object({ type: Type.Literal("ping") });
export type PingMessage = Static<typeof PingMessage>;

export const PongMessage = Type.Object({ type: Type.Literal("pong") });
export type PongMessage = Static<typeof PongMessage>;

export type ServerMessage =
  | HelloMessage
  | AuthenticatedMessage
  | MapMessage
  | DeltaMessage
  | PresenceMessage
  | RelaysMessage
  | IncomingCallMessage
  | CallFailedMessage
  | DoneMessage
  | ErrorMessage
  | RestartingMessage
  | PingMessage
  | PongMessage;

export type AgentMessage =
  | AuthenticateMessage
  | OutgoingCallMessage
  | RecordMessage
  | RenameMessage
  | LeaveMessage
  | OfferRelayMessage
  | ReportMessage
  | PingMessage
  | PongMessage;

/** Checks what an agent received. */
export const parseServerMessage = createMessageParser<ServerMessage>("server message", {
  hello: HelloMessage,
  authenticated: AuthenticatedMessage,
  map: MapMessage,
  delta: DeltaMessage,
  presence: PresenceMessage,
  relays: RelaysMessage,
  call: IncomingCallMessage,
  "call-failed": CallFailedMessage,
  done: DoneMessage,
  error: ErrorMessage,
  restarting: RestartingMessage,
  ping: PingMessage,
  pong: PongMessage,
});

/** Checks what the server received. */
export const parseAgentMessage = createMessageParser<AgentMessage>("agent message", {
  authenticate: AuthenticateMessage,
  call: OutgoingCallMessage,
  record: RecordMessage,
  rename: RenameMessage,
  leave: LeaveMessage,
  "offer-relay": OfferRelayMessage,
  report: ReportMessage,
  ping: PingMessage,
  pong: PongMessage,
});
