import { writeUint16Be, writeUint32Be } from "../bytes/index.ts";
import { STUN_ATTRIBUTE } from "./attribute-types.ts";
import { FINGERPRINT_BYTES, fingerprintOf, INTEGRITY_BYTES, type IntegrityKind, integrityOf } from "./integrity.ts";
import {
  joinType,
  MAGIC_COOKIE,
  MAX_STUN_BYTES,
  paddingOf,
  STUN_HEADER_BYTES,
  type StunClass,
  TRANSACTION_ID_BYTES,
} from "./message.ts";

export interface StunToEncode {
  readonly class: StunClass;
  /** 8 bits: larger ones can't be told from other protocols by the first byte (RFC 7983 §7). */
  readonly method: number;
  /** 12 bytes. */
  readonly transactionId: Uint8Array;
  /** All but the integrity and FINGERPRINT attributes. */
  readonly attributes: readonly { readonly type: number; readonly value: Uint8Array }[];
  readonly integrity?: { readonly kind: IntegrityKind; readonly key: Uint8Array };
  /** Adds FINGERPRINT, which must be last. */
  readonly fingerprint?: boolean;
}

/** The bytes of a message. Throws RangeError for what has no encoding or would be over `MAX_STUN_BYTES`. */
export function encodeStun(message: StunToEncode): Uint8Array<ArrayBuffer> {
  if (message.transactionId.length !== TRANSACTION_ID_BYTES) throw new RangeError("a transaction id is 12 bytes");
  if (message.method < 0 || message.method > 0xff) throw new RangeError(`no STUN method: ${message.method}`);
  const sizeBytes = encodedSize(message);
  if (sizeBytes > MAX_STUN_BYTES) throw new RangeError(`a STUN message of ${sizeBytes} bytes is too long`);
  const bytes = new Uint8Array(sizeBytes);
  writeUint16Be(bytes, 0, joinType(message.class, message.method));
  writeUint16Be(bytes, 2, sizeBytes - STUN_HEADER_BYTES);
  writeUint32Be(bytes, 4, MAGIC_COOKIE);
  bytes.set(message.transactionId, 8);
  let offset = STUN_HEADER_BYTES;
  const append = (type: number, value: Uint8Array): void => {
    writeUint16Be(bytes, offset, type);
    writeUint16Be(bytes, offset + 2, value.length);
    bytes.set(value, offset + 4);
    offset += attributeSize(value.length);
  };
  for (const { type, value } of message.attributes) append(type, value);
  if (message.integrity !== undefined) {
    const { kind, key } = message.integrity;
    append(INTEGRITY_TYPE[kind], integrityOf(bytes, offset, kind, key));
  }
  if (message.fingerprint === true) append(STUN_ATTRIBUTE.fingerprint, fingerprintOf(bytes, offset));
  return bytes;
}

const INTEGRITY_TYPE: Record<IntegrityKind, number> = {
  sha1: STUN_ATTRIBUTE.messageIntegrity,
  sha256: STUN_ATTRIBUTE.messageIntegritySha256,
};

function encodedSize(message: StunToEncode): number {
  let sizeBytes = STUN_HEADER_BYTES;
  for (const { value } of message.attributes) sizeBytes += attributeSize(value.length);
  if (message.integrity !== undefined) sizeBytes += attributeSize(INTEGRITY_BYTES[message.integrity.kind]);
  if (message.fingerprint === true) sizeBytes += attributeSize(FINGERPRINT_BYTES);
  return sizeBytes;
}

function attributeSize(valueBytes: number): number {
  return 4 + valueBytes + paddingOf(valueBytes);
}
