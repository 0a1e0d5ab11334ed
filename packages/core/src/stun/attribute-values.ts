/** Values of the remaining attributes. Parsers return undefined for malformed values. */
import { encodeUtf8, parseUtf8, readUint16Be, readUint32Be, writeUint16Be, writeUint32Be } from "../bytes/index.ts";
import { isComprehensionRequired, STUN_ATTRIBUTE } from "./attribute-types.ts";
import type { StunMessage } from "./message.ts";

export interface StunError {
  /** 300–699. */
  readonly code: number;
  readonly reason: string;
}

/** Longest reason phrase, in bytes (RFC 8489 §14.8). */
const MAX_REASON_BYTES = 763;

/** ERROR-CODE (RFC 8489 §14.8). */
export function encodeErrorCode({ code, reason }: StunError): Uint8Array<ArrayBuffer> {
  if (!Number.isInteger(code) || code < 300 || code > 699) throw new RangeError(`not a STUN error code: ${code}`);
  const text = encodeUtf8(reason);
  if (text.length > MAX_REASON_BYTES) throw new RangeError("the reason phrase of a STUN error is too long");
  const value = new Uint8Array(4 + text.length);
  value[2] = Math.trunc(code / 100);
  value[3] = code % 100;
  value.set(text, 4);
  return value;
}

export function parseErrorCode(value: Uint8Array): StunError | undefined {
  const hundreds = (value[2] ?? 0) & 7;
  const rest = value[3] ?? 0;
  if (value.length < 4 || value.length > 4 + MAX_REASON_BYTES || hundreds < 3 || hundreds > 6 || rest > 99) {
    return undefined;
  }
  const reason = parseUtf8(value.subarray(4));
  return reason === undefined ? undefined : { code: hundreds * 100 + rest, reason };
}

/** UNKNOWN-ATTRIBUTES (RFC 8489 §14.13). */
export function encodeAttributeTypes(types: readonly number[]): Uint8Array<ArrayBuffer> {
  const value = new Uint8Array(types.length * 2);
  for (const [index, type] of types.entries()) writeUint16Be(value, index * 2, type);
  return value;
}

export function parseAttributeTypes(value: Uint8Array): number[] | undefined {
  if (value.length % 2 !== 0) return undefined;
  return Array.from({ length: value.length / 2 }, (_, index) => readUint16Be(value, index * 2));
}

/** Types of the message's attributes that must be understood and are not among `understood`, each once. */
export function unknownRequiredAttributes(message: StunMessage, understood: ReadonlySet<number>): number[] {
  const unknown = new Set<number>();
  for (const { type } of message.attributes) {
    if (isComprehensionRequired(type) && !understood.has(type) && !CHECKED_BEFORE.has(type)) unknown.add(type);
  }
  return [...unknown];
}

/** Whoever asks about unknown attributes has looked at the integrity of the message already. */
const CHECKED_BEFORE: ReadonlySet<number> = new Set([
  STUN_ATTRIBUTE.messageIntegrity,
  STUN_ATTRIBUTE.messageIntegritySha256,
]);

/** PRIORITY (RFC 8445 §16.1) and other 32-bit numbers. */
export function encodeUint32(number: number): Uint8Array<ArrayBuffer> {
  const value = new Uint8Array(4);
  writeUint32Be(value, 0, number);
  return value;
}

export function parseUint32(value: Uint8Array): number | undefined {
  return value.length === 4 ? readUint32Be(value, 0) : undefined;
}

/** ICE-CONTROLLING and ICE-CONTROLLED (RFC 8445 §16.1): a 64-bit tie-breaker. */
export function encodeTieBreaker(number: bigint): Uint8Array<ArrayBuffer> {
  const value = new Uint8Array(8);
  new DataView(value.buffer).setBigUint64(0, number);
  return value;
}

export function parseTieBreaker(value: Uint8Array): bigint | undefined {
  return value.length === 8 ? new DataView(value.buffer, value.byteOffset, 8).getBigUint64(0) : undefined;
}

export interface ChangeRequest {
  readonly changeIp: boolean;
  readonly changePort: boolean;
}

/** CHANGE-REQUEST (RFC 5780 §7.2). */
export function encodeChangeRequest({ changeIp, changePort }: ChangeRequest): Uint8Array<ArrayBuffer> {
  return encodeUint32((changeIp ? 4 : 0) | (changePort ? 2 : 0));
}

export function parseChangeRequest(value: Uint8Array): ChangeRequest | undefined {
  const flags = parseUint32(value);
  return flags === undefined ? undefined : { changeIp: (flags & 4) !== 0, changePort: (flags & 2) !== 0 };
}

/** PASSWORD-ALGORITHM (RFC 8489 §14.12): 1 is MD5, 2 is SHA-256; both without parameters. */
export function encodePasswordAlgorithm(algorithm: 1 | 2): Uint8Array<ArrayBuffer> {
  return encodeUint32(algorithm * 0x1_0000);
}
