/**
 * MESSAGE-INTEGRITY, MESSAGE-INTEGRITY-SHA256 and FINGERPRINT (RFC 8489 §14.5–14.7).
 *
 * Each covers the message up to the attribute itself, with the header's length as if the attribute were the last.
 */
import { hmac } from "@noble/hashes/hmac.js";
import { md5, sha1 } from "@noble/hashes/legacy.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { bytesEqual, encodeUtf8, writeUint16Be, writeUint32Be } from "../bytes/index.ts";
import { STUN_ATTRIBUTE } from "./attribute-types.ts";
import { crc32 } from "./crc32.ts";
import { STUN_HEADER_BYTES, type StunMessage } from "./message.ts";

export type IntegrityKind = "sha1" | "sha256";

export const INTEGRITY_BYTES: Record<IntegrityKind, number> = { sha1: 20, sha256: 32 };
export const FINGERPRINT_BYTES = 4;
/** "STUN" in ASCII: keeps the CRC apart from other protocols' (RFC 8489 §14.7). */
const FINGERPRINT_XOR = 0x5354_554e;

export type Verdict = "valid" | "invalid" | "absent";

/**
 * Whether the message carries a valid MAC of this kind. A SHA-256 one that is truncated, which RFC 8489 §14.6 lets an
 * application allow, is invalid.
 */
export function verifyIntegrity(message: StunMessage, kind: IntegrityKind, key: Uint8Array): Verdict {
  const type = kind === "sha1" ? STUN_ATTRIBUTE.messageIntegrity : STUN_ATTRIBUTE.messageIntegritySha256;
  const attribute = message.attributes.find((candidate) => candidate.type === type);
  if (attribute === undefined) return "absent";
  if (attribute.value.length !== INTEGRITY_BYTES[kind]) return "invalid";
  return bytesEqual(attribute.value, integrityOf(message.bytes, attribute.offset, kind, key)) ? "valid" : "invalid";
}

export function verifyFingerprint(message: StunMessage): Verdict {
  const attribute = message.attributes.find((candidate) => candidate.type === STUN_ATTRIBUTE.fingerprint);
  if (attribute === undefined) return "absent";
  return bytesEqual(attribute.value, fingerprintOf(message.bytes, attribute.offset)) ? "valid" : "invalid";
}

/** The MAC that belongs into the attribute whose header starts at `offset`. */
export function integrityOf(bytes: Uint8Array, offset: number, kind: IntegrityKind, key: Uint8Array): Uint8Array {
  const covered = coveredBytes(bytes, offset, INTEGRITY_BYTES[kind]);
  return kind === "sha1" ? hmac(sha1, key, covered) : hmac(sha256, key, covered);
}

/** The value that belongs into the FINGERPRINT attribute whose header starts at `offset`. */
export function fingerprintOf(bytes: Uint8Array, offset: number): Uint8Array {
  const value = new Uint8Array(FINGERPRINT_BYTES);
  const crc = crc32(coveredBytes(bytes, offset, FINGERPRINT_BYTES));
  writeUint32Be(value, 0, (crc ^ FINGERPRINT_XOR) >>> 0);
  return value;
}

export type PasswordAlgorithm = "md5" | "sha256";

/**
 * HMAC key of long-term credentials (RFC 8489 §9.2.2, §18.5.1). Realm and password must have gone through the OpaqueString
 * profile (RFC 8265) already, where they are not plain ASCII.
 */
export function longTermKey(
  username: string,
  realm: string,
  password: string,
  algorithm: PasswordAlgorithm = "md5",
): Uint8Array {
  const text = encodeUtf8(`${username}:${realm}:${password}`);
  return algorithm === "md5" ? md5(text) : sha256(text);
}

/** HMAC key of short-term credentials (RFC 8489 §9.1.1). */
export function shortTermKey(password: string): Uint8Array {
  return encodeUtf8(password);
}

function coveredBytes(bytes: Uint8Array, offset: number, valueBytes: number): Uint8Array {
  const covered = bytes.slice(0, offset);
  writeUint16Be(covered, 2, offset + 4 + valueBytes - STUN_HEADER_BYTES);
  return covered;
}
