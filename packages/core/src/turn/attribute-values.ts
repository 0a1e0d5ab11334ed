/** Values of TURN's attributes (RFC 8656 §18). Addresses are STUN's XOR addresses. Parsers return undefined for malformed values. */
import { concatBytes, readUint16Be, readUint32Be, writeUint16Be, writeUint32Be } from "../bytes/index.ts";
import { encodeErrorCode, parseErrorCode, type StunError } from "../stun/index.ts";

/** IP version, as people write it; on the wire 1 is IPv4, 2 is IPv6. */
export type AddressFamily = 4 | 6;

export const RESERVATION_TOKEN_BYTES = 8;

/** CHANNEL-NUMBER (§18.1). Throws RangeError if it has not 16 bits. */
export function encodeChannelNumber(channel: number): Uint8Array<ArrayBuffer> {
  if (!Number.isInteger(channel) || channel < 0 || channel > 0xffff) throw new RangeError(`no channel: ${channel}`);
  const value = new Uint8Array(4);
  writeUint16Be(value, 0, channel);
  return value;
}

/** Any 16-bit number: whether it may be bound is the reader's to judge. The two reserved bytes are ignored. */
export function parseChannelNumber(value: Uint8Array): number | undefined {
  return value.length === 4 ? readUint16Be(value, 0) : undefined;
}

/** REQUESTED-TRANSPORT (§18.8): a protocol number of IP. */
export function encodeRequestedTransport(protocol: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.of(protocol, 0, 0, 0);
}

export function parseRequestedTransport(value: Uint8Array): number | undefined {
  return value.length === 4 ? value[0] : undefined;
}

/** REQUESTED-ADDRESS-FAMILY (§18.6) and ADDITIONAL-ADDRESS-FAMILY (§18.11). */
export function encodeAddressFamily(family: AddressFamily): Uint8Array<ArrayBuffer> {
  return Uint8Array.of(familyToWire(family), 0, 0, 0);
}

/** `unsupported` for a well-formed value with a family that is neither (440). */
export function parseAddressFamily(value: Uint8Array): AddressFamily | "unsupported" | undefined {
  return value.length === 4 ? familyFromWire(value[0]) : undefined;
}

/** EVEN-PORT (§18.7): whether the next higher port is to be reserved. */
export function encodeEvenPort(reserveNext: boolean): Uint8Array<ArrayBuffer> {
  return Uint8Array.of(reserveNext ? 0x80 : 0);
}

export function parseEvenPort(value: Uint8Array): { readonly reserveNext: boolean } | undefined {
  return value.length === 1 ? { reserveNext: ((value[0] ?? 0) & 0x80) !== 0 } : undefined;
}

/** RESERVATION-TOKEN (§18.10): 8 opaque bytes. */
export function parseReservationToken(value: Uint8Array): Uint8Array | undefined {
  return value.length === RESERVATION_TOKEN_BYTES ? value : undefined;
}

export interface AddressError extends StunError {
  readonly family: AddressFamily;
}

/** ADDRESS-ERROR-CODE (§18.12): why one of the two families asked for was not allocated. */
export function encodeAddressError({ family, code, reason }: AddressError): Uint8Array<ArrayBuffer> {
  const value = encodeErrorCode({ code, reason });
  value[0] = familyToWire(family);
  return value;
}

export function parseAddressError(value: Uint8Array): AddressError | undefined {
  const family = familyFromWire(value[0]);
  const error = parseErrorCode(value);
  return error === undefined || family === "unsupported" ? undefined : { family, ...error };
}

export interface IcmpError {
  /** 0–127. */
  readonly type: number;
  /** 0–511. */
  readonly code: number;
  /** The 4 bytes of the ICMP header that depend on its type, such as the next hop's MTU. */
  readonly data: number;
}

/** ICMP (§18.13), in Data indications about what went wrong behind the relay. */
export function encodeIcmp({ type, code, data }: IcmpError): Uint8Array<ArrayBuffer> {
  const value = new Uint8Array(8);
  writeUint16Be(value, 2, ((type & 0x7f) << 9) | (code & 0x1ff));
  writeUint32Be(value, 4, data);
  return value;
}

export function parseIcmp(value: Uint8Array): IcmpError | undefined {
  if (value.length !== 8) return undefined;
  const typeAndCode = readUint16Be(value, 2);
  return { type: typeAndCode >> 9, code: typeAndCode & 0x1ff, data: readUint32Be(value, 4) };
}

/** Algorithms of PASSWORD-ALGORITHM(S): 1 MD5, 2 SHA-256 (RFC 8489 §18.5). */
export type PasswordAlgorithmNumber = 1 | 2;

/** PASSWORD-ALGORITHMS (RFC 8489 §14.11): none of the algorithms has parameters. */
export function encodePasswordAlgorithms(algorithms: readonly PasswordAlgorithmNumber[]): Uint8Array<ArrayBuffer> {
  return concatBytes(...algorithms.map((algorithm) => Uint8Array.of(0, algorithm, 0, 0)));
}

/** Numbers in the order of the message, those not known to us included (RFC 8489 §14.11, §14.12). */
export function parsePasswordAlgorithms(value: Uint8Array): number[] | undefined {
  const algorithms: number[] = [];
  for (let offset = 0; offset < value.length; ) {
    if (offset + 4 > value.length) return undefined;
    algorithms.push(readUint16Be(value, offset));
    const parameterBytes = readUint16Be(value, offset + 2);
    const isLast = offset + 4 + parameterBytes === value.length;
    offset += 4 + parameterBytes + (isLast ? 0 : -parameterBytes & 3);
    if (offset > value.length) return undefined;
  }
  return algorithms;
}

function familyToWire(family: AddressFamily): number {
  return family === 4 ? 1 : 2;
}

function familyFromWire(byte: number | undefined): AddressFamily | "unsupported" {
  if (byte === 1) return 4;
  return byte === 2 ? 6 : "unsupported";
}
