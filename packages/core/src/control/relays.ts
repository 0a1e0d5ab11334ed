import { type Static, Type } from "typebox";
import { Id, IpText, nullable, Port, Timestamp } from "./scalars.ts";

/** Relays that one network can have. */
export const MAX_RELAYS = 16;
/** Addresses that one relay can have. */
export const MAX_RELAY_ADDRESSES = 8;
/** Credentials made by the server work this long; the server sends new ones at half of it. */
export const RELAY_CREDENTIALS_LIFETIME_MS = 12 * 60 * 60 * 1000;

/** By transport, where the relay is reached; null: it does not offer that one. At every address the same. */
export const RelayPorts = Type.Object({
  udp: nullable(Port),
  tcp: nullable(Port),
  tls: nullable(Port),
});
export type RelayPorts = Static<typeof RelayPorts>;

/** Lower-case host name or numeric address, as the administrator gave it. */
export const RelayHost = Type.String({ minLength: 1, maxLength: 253, pattern: "^[a-z0-9][a-z0-9._-]*$|^[0-9a-f:.]+$" });

/** A TURN server (RFC 8656) that this agent may use. */
export const RelayInfo = Type.Object({
  id: Id,
  /** For people. */
  name: RelayHost,
  /** IPv4 and IPv6, numeric: the server resolves names. */
  addresses: Type.Array(IpText, { minItems: 1, maxItems: MAX_RELAY_ADDRESSES }),
  ports: RelayPorts,
  /** For TLS: name to ask for (SNI, RFC 6066 §3), null if the relay has none. */
  tlsName: nullable(RelayHost),
  /** For TLS: SHA-256 of the certificate, 64 lower-case hex digits; null where it is not known. */
  tlsFingerprint: nullable(Type.String({ minLength: 64, maxLength: 64, pattern: "^[0-9a-f]{64}$" })),
  /** Left out: the relay tells (RFC 8489 §9.2.3). */
  realm: Type.Optional(Type.String({ minLength: 1, maxLength: 127 })),
  username: Type.String({ minLength: 1, maxLength: 508 }),
  password: Type.String({ minLength: 1, maxLength: 256 }),
  /** By the server's clock; null for credentials that do not expire. New ones come long before. */
  expiresAt: nullable(Timestamp),
});
export type RelayInfo = Static<typeof RelayInfo>;

/** A relay that a member runs and offers to its network. */
export const OfferedRelay = Type.Object({
  /** Numeric, reachable for the other members. */
  addresses: Type.Array(IpText, { minItems: 1, maxItems: MAX_RELAY_ADDRESSES }),
  ports: Type.Object({ udp: nullable(Port), tcp: nullable(Port) }),
  /** Second UDP port that answers STUN (RFC 5780), null without one. */
  alternateUdpPort: nullable(Port),
  /** Of the TURN REST scheme: the server makes credentials for the other members from it. */
  secret: Type.String({ minLength: 16, maxLength: 256, pattern: "^[\\x21-\\x7e]+$" }),
  realm: Type.String({ minLength: 1, maxLength: 127 }),
});
export type OfferedRelay = Static<typeof OfferedRelay>;

/** A STUN server (RFC 8489) to ask for reflexive addresses. */
export const StunServer = Type.Object({
  address: IpText,
  port: Port,
  /** Second port of the same address (RFC 5780 §7.4 without a second address), null if it has none. */
  alternatePort: nullable(Port),
});
export type StunServer = Static<typeof StunServer>;

/** The relays and STUN servers of the network. It replaces what the agent was told before. */
export const RelaysMessage = Type.Object({
  type: Type.Literal("relays"),
  relays: Type.Array(RelayInfo, { maxItems: MAX_RELAYS }),
  stunServers: Type.Array(StunServer, { maxItems: MAX_RELAYS * MAX_RELAY_ADDRESSES }),
});
export type RelaysMessage = Static<typeof RelaysMessage>;
