/**
 * STUN messages (RFC 8489 §5), read.
 *
 *   offset  size  field
 *   0       2     type: two zero bits, 12 bits of method with 2 bits of class among them
 *   2       2     length of the attributes, a multiple of 4
 *   4       4     magic cookie 0x2112A442
 *   8       12    transaction id
 *   20      ..    attributes: type (2), length (2), value, padding to a multiple of 4
 */
import { readUint16Be, readUint32Be } from "../bytes/index.ts";
import { STUN_ATTRIBUTE } from "./attribute-types.ts";

export const MAGIC_COOKIE = 0x2112_a442;
export const STUN_HEADER_BYTES = 20;
export const TRANSACTION_ID_BYTES = 12;
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
  /**
   * In the order of the message, without those behind the integrity attribute, which anyone could have added
   * (RFC 8489 §14.5). At most `MAX_STUN_ATTRIBUTES`.
   */
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
  | "stun-too-many-attributes"
  | "stun-after-fingerprint";

export type ParsedStun =
  | { readonly ok: true; readonly message: StunMessage }
  | { readonly ok: false; readonly reason: StunDropReason };

/** By the value of the two class bits. */
const CLASSES: readonly StunClass[] = ["request", "indication", "success", "error"];

/** Cheap test by the first bytes, to tell STUN from what else arrives on a socket (RFC 7983). */
export function looksLikeStun(bytes: Uint8Array): boolean {
  return bytes.length >= STUN_HEADER_BYTES && (bytes[0] ?? 255) < 4 && readUint32Be(bytes, 4) === MAGIC_COOKIE;
}

/**
 * Any bytes become a message or a reason to drop them. The message keeps views of `bytes`.
 * `maxBytes`: larger for servers that read the PADDING of RFC 5780 §7.6.
 */
export function parseStun(bytes: Uint8Array, maxBytes = MAX_STUN_BYTES): ParsedStun {
  if (bytes.length < STUN_HEADER_BYTES) return { ok: false, reason: "stun-too-short" };
  if (bytes.length > maxBytes) return { ok: false, reason: "stun-too-long" };
  if (!looksLikeStun(bytes)) return { ok: false, reason: "stun-not-stun" };
  const lengthBytes = readUint16Be(bytes, 2);
  if (lengthBytes % 4 !== 0 || STUN_HEADER_BYTES + lengthBytes !== bytes.length) {
    return { ok: false, reason: "stun-length-wrong" };
  }
  const attributes = parseAttributes(bytes);
  if (typeof attributes === "string") return { ok: false, reason: attributes };
  const { messageClass, method } = splitType(readUint16Be(bytes, 0));
  const transactionId = bytes.subarray(8, STUN_HEADER_BYTES);
  return { ok: true, message: { class: messageClass, method, transactionId, attributes, bytes } };
}

/** The value of the first attribute of a type; later ones of the same type don't count (RFC 8489 §14). */
export function findAttribute(message: StunMessage, type: number): Uint8Array | undefined {
  return message.attributes.find((attribute) => attribute.type === type)?.value;
}

/** The 16 bits of class and method (RFC 8489 §5, figure 3). */
export function joinType(messageClass: StunClass, method: number): number {
  const classBits = CLASSES.indexOf(messageClass);
  const methodBits = ((method & 0xf80) << 2) | ((method & 0x070) << 1) | (method & 0x00f);
  return methodBits | ((classBits & 2) << 7) | ((classBits & 1) << 4);
}

/** Bytes after a value up to the next multiple of 4. */
export function paddingOf(valueBytes: number): number {
  return -valueBytes & 3;
}

function splitType(type: number): { messageClass: StunClass; method: number } {
  return {
    messageClass: CLASSES[((type >> 7) & 2) | ((type >> 4) & 1)] ?? "request",
    method: ((type & 0x3e00) >> 2) | ((type & 0x00e0) >> 1) | (type & 0x000f),
  };
}

function parseAttributes(bytes: Uint8Array): StunAttribute[] | StunDropReason {
  const attributes: StunAttribute[] = [];
  let count = 0;
  let last: number | undefined;
  for (let offset = STUN_HEADER_BYTES; offset < bytes.length; ) {
    if (last === STUN_ATTRIBUTE.fingerprint) return "stun-after-fingerprint";
    // The length is a multiple of 4, so a header is always whole.
    const type = readUint16Be(bytes, offset);
    const valueBytes = readUint16Be(bytes, offset + 2);
    const end = offset + 4 + valueBytes;
    if (end > bytes.length) return "stun-attribute-truncated";
    count += 1;
    if (count > MAX_STUN_ATTRIBUTES) return "stun-too-many-attributes";
    if (mayFollow(attributes, type)) attributes.push({ type, value: bytes.subarray(offset + 4, end), offset });
    last = type;
    offset = end + paddingOf(valueBytes);
  }
  return attributes;
}

/** After MESSAGE-INTEGRITY only the SHA-256 one and FINGERPRINT count, after the SHA-256 one only FINGERPRINT. */
function mayFollow(before: readonly StunAttribute[], type: number): boolean {
  if (type === STUN_ATTRIBUTE.fingerprint) return true;
  const has = (wanted: number): boolean => before.some((attribute) => attribute.type === wanted);
  if (has(STUN_ATTRIBUTE.messageIntegritySha256)) return false;
  return type === STUN_ATTRIBUTE.messageIntegritySha256 || !has(STUN_ATTRIBUTE.messageIntegrity);
}
