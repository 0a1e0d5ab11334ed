/**
 * WireGuard's handshake messages. Source: WireGuard paper §5.4.2–5.4.4, §5.4.7. Numbers are little-endian.
 *
 *   initiation, 148 bytes            response, 92 bytes             cookie reply, 64 bytes
 *   offset size field                offset size field              offset size field
 *   0      1    type 1               0      1    type 2             0      1    type 3
 *   1      3    zero                 1      3    zero               1      3    zero
 *   4      4    sender index         4      4    sender index       4      4    receiver index
 *   8      32   ephemeral key        8      4    receiver index     8      24   nonce
 *   40     48   sealed static key    12     32   ephemeral key      32     32   sealed cookie
 *   88     28   sealed timestamp     44     16   sealed nothing
 *   116    16   mac1                 60     16   mac1
 *   132    16   mac2                 76     16   mac2
 *
 * Type 4 is transport data, which the packet engine handles. A message of any other length is not one of these.
 * Parsed fields are windows into the datagram, not copies.
 */
import { readUint32Le, writeUint32Le } from "../bytes/index.ts";

export const INITIATION_SIZE_BYTES = 148;
export const RESPONSE_SIZE_BYTES = 92;
export const COOKIE_REPLY_SIZE_BYTES = 64;
export const MAC_SIZE_BYTES = 16;

const TYPE = { initiation: 1, response: 2, cookieReply: 3, transportData: 4 } as const;

export interface Initiation {
  readonly kind: "initiation";
  readonly senderIndex: number;
  readonly ephemeral: Uint8Array;
  readonly sealedStatic: Uint8Array;
  readonly sealedTimestamp: Uint8Array;
}

export interface Response {
  readonly kind: "response";
  readonly senderIndex: number;
  readonly receiverIndex: number;
  readonly ephemeral: Uint8Array;
  readonly sealedNothing: Uint8Array;
}

export interface CookieReply {
  readonly kind: "cookie-reply";
  readonly receiverIndex: number;
  readonly nonce: Uint8Array;
  readonly sealedCookie: Uint8Array;
}

export type HandshakeMessage = Initiation | Response | CookieReply;

/** What `bytes` hold; a reason if they are no handshake message. The macs are not checked. */
export function parseHandshakeMessage(bytes: Uint8Array): HandshakeMessage | "malformed" | "transport-data" {
  if (bytes.length < 4 || bytes[1] !== 0 || bytes[2] !== 0 || bytes[3] !== 0) return "malformed";
  switch (bytes[0]) {
    case TYPE.initiation:
      return bytes.length === INITIATION_SIZE_BYTES ? parseInitiation(bytes) : "malformed";
    case TYPE.response:
      return bytes.length === RESPONSE_SIZE_BYTES ? parseResponse(bytes) : "malformed";
    case TYPE.cookieReply:
      return bytes.length === COOKIE_REPLY_SIZE_BYTES ? parseCookieReply(bytes) : "malformed";
    case TYPE.transportData:
      return "transport-data";
    default:
      return "malformed";
  }
}

/** The message with both macs zero. */
export function encodeInitiation(message: Omit<Initiation, "kind">): Uint8Array {
  const bytes = new Uint8Array(INITIATION_SIZE_BYTES);
  bytes[0] = TYPE.initiation;
  writeUint32Le(bytes, 4, message.senderIndex);
  bytes.set(message.ephemeral, 8);
  bytes.set(message.sealedStatic, 40);
  bytes.set(message.sealedTimestamp, 88);
  return bytes;
}

/** The message with both macs zero. */
export function encodeResponse(message: Omit<Response, "kind">): Uint8Array {
  const bytes = new Uint8Array(RESPONSE_SIZE_BYTES);
  bytes[0] = TYPE.response;
  writeUint32Le(bytes, 4, message.senderIndex);
  writeUint32Le(bytes, 8, message.receiverIndex);
  bytes.set(message.ephemeral, 12);
  bytes.set(message.sealedNothing, 44);
  return bytes;
}

export function encodeCookieReply(message: Omit<CookieReply, "kind">): Uint8Array {
  const bytes = new Uint8Array(COOKIE_REPLY_SIZE_BYTES);
  bytes[0] = TYPE.cookieReply;
  writeUint32Le(bytes, 4, message.receiverIndex);
  bytes.set(message.nonce, 8);
  bytes.set(message.sealedCookie, 32);
  return bytes;
}

/** What `mac1` of an initiation or response covers, and where it stands; `mac2` covers both. */
export function beforeMac1(message: Uint8Array): Uint8Array {
  return message.subarray(0, message.length - 2 * MAC_SIZE_BYTES);
}
export function mac1Of(message: Uint8Array): Uint8Array {
  return message.subarray(message.length - 2 * MAC_SIZE_BYTES, message.length - MAC_SIZE_BYTES);
}
export function beforeMac2(message: Uint8Array): Uint8Array {
  return message.subarray(0, message.length - MAC_SIZE_BYTES);
}
export function mac2Of(message: Uint8Array): Uint8Array {
  return message.subarray(message.length - MAC_SIZE_BYTES);
}

function parseInitiation(bytes: Uint8Array): Initiation {
  return {
    kind: "initiation",
    senderIndex: readUint32Le(bytes, 4),
    ephemeral: bytes.subarray(8, 40),
    sealedStatic: bytes.subarray(40, 88),
    sealedTimestamp: bytes.subarray(88, 116),
  };
}

function parseResponse(bytes: Uint8Array): Response {
  return {
    kind: "response",
    senderIndex: readUint32Le(bytes, 4),
    receiverIndex: readUint32Le(bytes, 8),
    ephemeral: bytes.subarray(12, 44),
    sealedNothing: bytes.subarray(44, 60),
  };
}

function parseCookieReply(bytes: Uint8Array): CookieReply {
  return {
    kind: "cookie-reply",
    receiverIndex: readUint32Le(bytes, 4),
    nonce: bytes.subarray(8, 32),
    sealedCookie: bytes.subarray(32, 64),
  };
}
