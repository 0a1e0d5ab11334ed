/**
 * Attributes that carry a transport address: MAPPED-ADDRESS, RESPONSE-ORIGIN, OTHER-ADDRESS (RFC 8489 §14.1, RFC 5780
 * §7.3–7.4) as they are, XOR-MAPPED-ADDRESS and TURN's XOR-… (RFC 8489 §14.2) masked with cookie and transaction id.
 *
 *   offset  size     field
 *   0       1        zero
 *   1       1        family: 1 IPv4, 2 IPv6
 *   2       2        port
 *   4       4 or 16  address
 */
import { formatIpAddress, parseIpAddress } from "../addresses/index.ts";
import { readUint16Be, writeUint16Be, writeUint32Be } from "../bytes/index.ts";
import type { UdpAddress } from "../net/index.ts";
import { findAttribute, MAGIC_COOKIE, type StunMessage } from "./message.ts";

/** Throws RangeError if `address` is no numeric address. */
export function encodeAddress({ address, port }: UdpAddress): Uint8Array<ArrayBuffer> {
  const ip = parseIpAddress(address);
  if (ip === undefined) throw new RangeError(`not a numeric IP address: ${address}`);
  const value = new Uint8Array(4 + ip.length);
  value[1] = ip.length === 4 ? 1 : 2;
  writeUint16Be(value, 2, port);
  value.set(ip, 4);
  return value;
}

export function encodeXorAddress(address: UdpAddress, transactionId: Uint8Array): Uint8Array<ArrayBuffer> {
  const value = encodeAddress(address);
  applyMask(value, transactionId);
  return value;
}

/** Undefined if malformed. */
export function parseAddress(value: Uint8Array): UdpAddress | undefined {
  const addressBytes = value.length - 4;
  if (!(value[1] === 1 && addressBytes === 4) && !(value[1] === 2 && addressBytes === 16)) return undefined;
  return { address: formatIpAddress(value.subarray(4)), port: readUint16Be(value, 2) };
}

/** Undefined if malformed. */
export function parseXorAddress(value: Uint8Array, transactionId: Uint8Array): UdpAddress | undefined {
  const unmasked = value.slice();
  if (unmasked.length > 20) return undefined;
  applyMask(unmasked, transactionId);
  return parseAddress(unmasked);
}

/** The address in the first attribute of this plain type; undefined if it is absent or malformed. */
export function readAddress(message: StunMessage, type: number): UdpAddress | undefined {
  const value = findAttribute(message, type);
  return value === undefined ? undefined : parseAddress(value);
}

/** The address in the first attribute of this XOR type; undefined if it is absent or malformed. */
export function readXorAddress(message: StunMessage, type: number): UdpAddress | undefined {
  const value = findAttribute(message, type);
  return value === undefined ? undefined : parseXorAddress(value, message.transactionId);
}

/** XORs port and address with cookie ‖ transaction id; the operation is its own inverse. */
function applyMask(value: Uint8Array, transactionId: Uint8Array): void {
  const mask = new Uint8Array(16);
  writeUint32Be(mask, 0, MAGIC_COOKIE);
  mask.set(transactionId, 4);
  for (let i = 0; i < 2 && 2 + i < value.length; i++) value[2 + i] = (value[2 + i] ?? 0) ^ (mask[i] ?? 0);
  for (let i = 0; 4 + i < value.length; i++) value[4 + i] = (value[4 + i] ?? 0) ^ (mask[i] ?? 0);
}
