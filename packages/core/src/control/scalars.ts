import { type Static, type TSchema, Type } from "typebox";

/** The building blocks of all control messages, each with its bound. */

/** Identifier that the server gave out: `node-…`, `net-…`, `key-…`, `token-…`. */
export const Id = Type.String({ minLength: 1, maxLength: 64, pattern: "^[a-z0-9][a-z0-9-]*$" });

/** A DNS label in lower case (RFC 1123 §2.1): the name of a device, a user or a network. */
export const Label = Type.String({ minLength: 1, maxLength: 63, pattern: "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$" });

export const Fqdn = Type.String({ minLength: 1, maxLength: 253, pattern: "^[a-z0-9.-]+$" });

/** 32 bytes in base64 with padding: an X25519 or Ed25519 public key, a nonce. */
export const Bytes32 = Type.String({ minLength: 44, maxLength: 44, pattern: "^[A-Za-z0-9+/]{43}=$" });

/** 64 bytes in base64 with padding: an Ed25519 signature. */
export const Signature = Type.String({ minLength: 88, maxLength: 88, pattern: "^[A-Za-z0-9+/]{86}==$" });

/** The 20 secret bytes of a join key in base64url without padding. */
export const KeySecret = Type.String({ minLength: 27, maxLength: 27, pattern: "^[A-Za-z0-9_-]{27}$" });

/** Numeric address; its syntax is checked where it is used. */
export const Ipv4 = Type.String({ minLength: 7, maxLength: 15, pattern: "^[0-9.]+$" });
export const Ipv6 = Type.String({ minLength: 2, maxLength: 45, pattern: "^[0-9a-f:.]+$" });
export const Ipv4Range = Type.String({ minLength: 9, maxLength: 18, pattern: "^[0-9.]+/[0-9]{1,2}$" });
export const Ipv6Range = Type.String({ minLength: 4, maxLength: 49, pattern: "^[0-9a-f:.]+/[0-9]{1,3}$" });

/** Numeric address of either family, without brackets or zone. */
export const IpText = Type.String({ minLength: 2, maxLength: 45, pattern: "^[0-9a-f:.]+$" });

export const Port = Type.Integer({ minimum: 1, maximum: 65_535 });

/** A counter that only rises: map versions, record sequences. */
export const Counter = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });

export const ProtocolNumber = Type.Integer({ minimum: 1, maximum: 65_535 });

/** ISO 8601 in UTC. */
export const Timestamp = Type.String({ minLength: 20, maxLength: 30 });

/** Free text of software versions and the like. */
export const ShortText = Type.String({ maxLength: 64 });

export const Tag = Type.String({ minLength: 1, maxLength: 63, pattern: "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$" });
export const Tags = Type.Array(Tag, { maxItems: 32 });

/** `schema` or null; the schema comes first, so that errors speak of it. */
export function nullable<S extends TSchema>(schema: S) {
  return Type.Union([schema, Type.Null()]);
}

export const NetworkKind = Type.Enum(["ip", "ethernet"]);

/** See `TrafficMode` of core/paths. */
export const TrafficModeName = Type.Enum(["best", "redundant", "aggregate", "auto"] as const);
export type TrafficModeName = Static<typeof TrafficModeName>;
export type NetworkKind = Static<typeof NetworkKind>;
