/**
 * STUN messages (RFC 8489 §5).
 *
 *   offset  size  field
 *   0       2     type: two zero bits, 12 bits of method, 2 bits of class interleaved
 *   2       2     length of the attributes, a multiple of 4
 *   4       4     magic cookie 0x2112A442
 *   8       12    transaction id
 *   20      ..    attributes: type (2), length (2), value, padding to a multiple of 4
 */
import { readUint16Be, readUint32Be } from "../bytes/index.ts";

export const MAGIC_COOKIE = 0x2112_a442;
export const STUN_HEADER_BYTES = 20;
/** Larger messages are refused: none of ours, and none that a path carries unfragmented, is as large. */
export const MAX_STUN_BYTES = 1_500;
export const MAX_STUN_ATTRIBUTES = 32;

export type StunClass = "request" | "indication" | "success" | "error";

export interface StunAttribute {
  readonly type: number;
  /** A view of the message's bytes. */
  readonly value: Uint8Array;
  /** Where the attribute's header starts in the message. */
  readonly offset: number;
}

export interface StunMessage {
  readonly class: StunClass;
  readonly method: number;
  /** 12 bytes. */
  readonly transactionId: Uint8Array;
  readonly attributes: readonly StunAttribute[];
  /** The whole message; integrity is computed over it. */
  readonly bytes: Uint8Array;
}

export type StunDropReason =
  | "stun-too-short"
  | "stun-too-long"
  | "stun-not-stun"
  | "stun-length-wrong"
  | "stun-attribute-truncated"
  | "stun-too-many-attributes";

export type ParsedStun =
  | { readonly ok: true; readonly message: StunMessage }
  | { readonly ok: false; readonly reason: StunDropReason };

const CLASSES: readonly StunClass[] = ["request", "indication", "success", "error"];

/** Cheap test by the first bytes, to tell STUN from what else arrives on a socket (RFC 7983). */
export function looksLikeStun(bytes: Uint8Array): boolean {
  return bytes.length >= STUN_HEADER_BYTES && (bytes[0] ?? 255) < 4 && readUint32Be(bytes, 4) === MAGIC_COOKIE;
}

/** Any bytes become a message or a reason to drop them. The message keeps views of `bytes`. */
export function parseStun(bytes: Uint8Array): ParsedStun {
  if (bytes.length < STUN_HEADER_BYTES) return { ok: false, reason: "stun-too-short" };
  if (bytes.length > MAX_STUN_BYTES) return { ok: false, reason: "stun-too-long" };
  if (!looksLikeStun(bytes)) return { ok: false, reason: "stun-not-stun" };
  const lengthBytes = readUint16Be(bytes, 2);
  if (lengthBytes % 4 !== 0 || STUN_HEADER_BYTES + lengthBytes !== bytes.length) {
    return { ok: false, reason: "stun-length-wrong" };
  }
  const attributes: StunAttribute[] = [];
  for (let offset = STUN_HEADER_BYTES; offset < bytes.length; ) {
    // The length is a multiple of 4, so a header is always whole.
    const valueBytes = readUint16Be(bytes, offset + 2);
    const end = offset + 4 + valueBytes;
    if (end > bytes.length) return { ok: false, reason: "stun-attribute-truncated" };
    if (attributes.length === MAX_STUN_ATTRIBUTES) return { ok: false, reason: "stun-too-many-attributes" };
    attributes.push({ type: readUint16Be(bytes, offset), value: bytes.subarray(offset + 4, end), offset });
    offset = end + padding(valueBytes);
  }
  const type = readUint16Be(bytes, 0);
  return {
    ok: true,
    message: {
      class: CLASSES[((type >> 7) & 2) | ((type >> 4) & 1)] ?? "request",
      method: ((type & 0x3e00) >> 2) | ((type & 0x00e0) >> 1) | (type & 0x000f),
      transactionId: bytes.subarray(8, STUN_HEADER_BYTES),
      attributes,
      bytes,
    },
  };
}

/** Bytes after a value up to the next multiple of 4. */
export function padding(valueBytes: number): number {
  return -valueBytes & 3;
}

/** The value of the first attribute of a type. */
export function findAttribute(message: StunMessage, type: number): Uint8Array | undefined {
  return message.attributes.find((attribute) => attribute.type === type)?.value;
}
