/**
 * Answers to Binding requests (RFC 8489 §12, RFC 5780 §6.1, RFC 3489 §8.1).
 *
 * Anyone can send these with a forged source, so an answer never has more than three times the request's bytes:
 * what has no room is left out, the least important first.
 */
import { concatBytes, readUint16Be, writeUint16Be } from "@asterism/core/bytes";
import type { UdpAddress } from "@asterism/core/net";
import {
  type ChangeRequest,
  encodeAddress,
  encodeStun,
  encodeXorAddress,
  findAttribute,
  parseChangeRequest,
  STUN_ATTRIBUTE,
  STUN_METHOD_BINDING,
  type StunMessage,
  verifyFingerprint,
} from "@asterism/core/stun";

export const MAX_AMPLIFICATION = 3;

const HEADER_BYTES = 20;
const FINGERPRINT_ATTRIBUTE_BYTES = 8;

export interface AnswerAddresses {
  /** As the server sees the client. */
  readonly mapped: UdpAddress;
  /** Where the answer leaves from. */
  readonly origin: UdpAddress;
  readonly other: UdpAddress | undefined;
}

/** What a request asks the server to change; null if that can't be read. */
export function readChangeRequest(message: StunMessage): ChangeRequest | null {
  const value = findAttribute(message, STUN_ATTRIBUTE.changeRequest);
  if (value === undefined) return { changeIp: false, changePort: false };
  return parseChangeRequest(value) ?? null;
}

/** RESPONSE-PORT (RFC 5780 §7.5): where at the client's address the answer shall go. Null if it can't be read. */
export function readResponsePort(message: StunMessage): number | null | undefined {
  const value = findAttribute(message, STUN_ATTRIBUTE.responsePort);
  if (value === undefined) return undefined;
  const port = value.length === 2 || value.length === 4 ? readUint16Be(value, 0) : 0;
  return port === 0 ? null : port;
}

export function encodeBindingAnswer(message: StunMessage, addresses: AnswerAddresses): Uint8Array {
  const { mapped, origin, other } = addresses;
  const fingerprint = verifyFingerprint(message) === "valid";
  const wanted = [
    { type: STUN_ATTRIBUTE.xorMappedAddress, value: encodeXorAddress(mapped, message.transactionId) },
    ...(other === undefined ? [] : [{ type: STUN_ATTRIBUTE.otherAddress, value: encodeAddress(other) }]),
    { type: STUN_ATTRIBUTE.responseOrigin, value: encodeAddress(origin) },
    // Only clients of RFC 3489 look for it.
    { type: STUN_ATTRIBUTE.mappedAddress, value: encodeAddress(mapped) },
  ];
  const room =
    message.bytes.length * MAX_AMPLIFICATION - HEADER_BYTES - (fingerprint ? FINGERPRINT_ATTRIBUTE_BYTES : 0);
  const { transactionId } = message;
  const attributes = fitting(wanted, room);
  return encodeStun({ class: "success", method: STUN_METHOD_BINDING, transactionId, attributes, fingerprint });
}

const CLASSIC_BINDING_RESPONSE = 0x0101;
const CLASSIC_SOURCE_ADDRESS = 0x0004;
const CLASSIC_CHANGED_ADDRESS = 0x0005;

export interface ClassicRequest {
  /** 16 bytes: the magic cookie's place belongs to it. */
  readonly transactionId: Uint8Array;
  readonly change: ChangeRequest;
  readonly lengthBytes: number;
}

/**
 * Reads a Binding request of RFC 3489, whose form the engine has checked. Undefined if an attribute runs over the end.
 * RESPONSE-ADDRESS, by which answers could be sent to anyone, is ignored (RFC 5780 §7).
 */
export function parseClassicRequest(bytes: Uint8Array): ClassicRequest | undefined {
  let change: ChangeRequest = { changeIp: false, changePort: false };
  for (let offset = HEADER_BYTES; offset < bytes.length; ) {
    if (offset + 4 > bytes.length) return undefined;
    const valueBytes = readUint16Be(bytes, offset + 2);
    const end = offset + 4 + valueBytes;
    if (end > bytes.length) return undefined;
    if (readUint16Be(bytes, offset) === STUN_ATTRIBUTE.changeRequest) {
      const parsed = parseChangeRequest(bytes.subarray(offset + 4, end));
      if (parsed === undefined) return undefined;
      change = parsed;
    }
    offset = end + (-valueBytes & 3);
  }
  return { transactionId: bytes.slice(4, HEADER_BYTES), change, lengthBytes: bytes.length };
}

export function encodeClassicAnswer(request: ClassicRequest, addresses: AnswerAddresses): Uint8Array {
  const { mapped, origin, other } = addresses;
  const wanted = [
    { type: STUN_ATTRIBUTE.mappedAddress, value: encodeAddress(mapped) },
    { type: CLASSIC_SOURCE_ADDRESS, value: encodeAddress(origin) },
    { type: CLASSIC_CHANGED_ADDRESS, value: encodeAddress(other ?? origin) },
  ];
  const attributes = fitting(wanted, request.lengthBytes * MAX_AMPLIFICATION - HEADER_BYTES);
  const encoded = attributes.map(({ type, value }) => {
    const header = new Uint8Array(4);
    writeUint16Be(header, 0, type);
    writeUint16Be(header, 2, value.length);
    return concatBytes(header, value);
  });
  const body = concatBytes(...encoded);
  const header = new Uint8Array(4);
  writeUint16Be(header, 0, CLASSIC_BINDING_RESPONSE);
  writeUint16Be(header, 2, body.length);
  return concatBytes(header, request.transactionId, body);
}

interface Attribute {
  readonly type: number;
  readonly value: Uint8Array;
}

/** As many of the attributes, which have no padding, as have room together. */
function fitting(attributes: readonly Attribute[], roomBytes: number): Attribute[] {
  let usedBytes = 0;
  return attributes.filter(({ value }) => {
    const isRoom = usedBytes + 4 + value.length <= roomBytes;
    if (isRoom) usedBytes += 4 + value.length;
    return isRoom;
  });
}
