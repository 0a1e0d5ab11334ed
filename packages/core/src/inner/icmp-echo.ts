/**
 * ICMP and ICMPv6 echo as inner packets, for `asterism ping` (RFC 792, RFC 4443 §4).
 *
 *   IPv4 header (20) or IPv6 header (40), no options
 *   offset  size  field (of the ICMP part)
 *   0       1     type: 8 request / 0 reply (v4), 128 request / 129 reply (v6)
 *   1       1     code 0
 *   2       2     checksum; for v6 over the pseudo-header too (RFC 8200 §8.1)
 *   4       2     identifier
 *   6       2     sequence
 *   8       ..    data, echoed as it is
 */
import { type IpAddressBytes, parseIpAddress } from "../addresses/index.ts";

const IPV4_HEADER_BYTES = 20;
const IPV6_HEADER_BYTES = 40;
const ICMP_HEADER_BYTES = 8;
const HOP_LIMIT = 64;
const PROTOCOL_ICMP = 1;
const PROTOCOL_ICMPV6 = 58;

export interface EchoRequest {
  /** Overlay addresses of one family, as text. */
  readonly source: string;
  readonly destination: string;
  readonly identifier: number;
  readonly sequence: number;
  readonly data: Uint8Array;
}

export interface EchoReply {
  readonly identifier: number;
  readonly sequence: number;
  readonly data: Uint8Array;
}

/** @throws RangeError if the addresses are no addresses or of different families (a mistake of the caller). */
export function encodeEchoRequest(request: EchoRequest): Uint8Array {
  const source = parseIpAddress(request.source);
  const destination = parseIpAddress(request.destination);
  if (source === undefined || destination === undefined || source.length !== destination.length) {
    throw new RangeError(`no pair of addresses of one family: ${request.source}, ${request.destination}`);
  }
  return source.length === 4 ? encodeV4(source, destination, request) : encodeV6(source, destination, request);
}

/** The echo reply in an inner packet; undefined if it is anything else or malformed. */
export function parseEchoReply(packet: Uint8Array): EchoReply | undefined {
  const version = (packet[0] ?? 0) >> 4;
  const v4 = version === 4;
  if (!v4 && version !== 6) return undefined;
  const headerBytes = v4 ? ((packet[0] ?? 0) & 0x0f) * 4 : IPV6_HEADER_BYTES;
  if (packet.length < headerBytes + ICMP_HEADER_BYTES || headerBytes < IPV4_HEADER_BYTES) return undefined;
  const protocol = v4 ? packet[9] : packet[6];
  if (protocol !== (v4 ? PROTOCOL_ICMP : PROTOCOL_ICMPV6)) return undefined;
  const icmp = packet.subarray(headerBytes);
  if (icmp[0] !== (v4 ? 0 : 129) || icmp[1] !== 0) return undefined;
  const view = new DataView(icmp.buffer, icmp.byteOffset, icmp.length);
  return { identifier: view.getUint16(4), sequence: view.getUint16(6), data: icmp.slice(ICMP_HEADER_BYTES) };
}

function encodeV4(source: IpAddressBytes, destination: IpAddressBytes, request: EchoRequest): Uint8Array {
  const totalBytes = IPV4_HEADER_BYTES + ICMP_HEADER_BYTES + request.data.length;
  const packet = new Uint8Array(totalBytes);
  const view = new DataView(packet.buffer);
  packet[0] = 0x45;
  view.setUint16(2, totalBytes);
  packet[8] = HOP_LIMIT;
  packet[9] = PROTOCOL_ICMP;
  packet.set(source, 12);
  packet.set(destination, 16);
  view.setUint16(10, internetChecksum(packet.subarray(0, IPV4_HEADER_BYTES), 0));
  writeIcmp(packet.subarray(IPV4_HEADER_BYTES), 8, request, 0);
  return packet;
}

function encodeV6(source: IpAddressBytes, destination: IpAddressBytes, request: EchoRequest): Uint8Array {
  const icmpBytes = ICMP_HEADER_BYTES + request.data.length;
  const packet = new Uint8Array(IPV6_HEADER_BYTES + icmpBytes);
  const view = new DataView(packet.buffer);
  packet[0] = 0x60;
  view.setUint16(4, icmpBytes);
  packet[6] = PROTOCOL_ICMPV6;
  packet[7] = HOP_LIMIT;
  packet.set(source, 8);
  packet.set(destination, 24);
  const pseudoHeaderSum = sum16(source) + sum16(destination) + icmpBytes + PROTOCOL_ICMPV6;
  writeIcmp(packet.subarray(IPV6_HEADER_BYTES), 128, request, pseudoHeaderSum);
  return packet;
}

function writeIcmp(icmp: Uint8Array, type: number, request: EchoRequest, initialSum: number): void {
  const view = new DataView(icmp.buffer, icmp.byteOffset, icmp.length);
  icmp[0] = type;
  view.setUint16(4, request.identifier);
  view.setUint16(6, request.sequence);
  icmp.set(request.data, ICMP_HEADER_BYTES);
  view.setUint16(2, internetChecksum(icmp, initialSum));
}

/** RFC 1071. */
function internetChecksum(bytes: Uint8Array, initialSum: number): number {
  let sum = initialSum + sum16(bytes);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

function sum16(bytes: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < bytes.length; i += 2) sum += ((bytes[i] ?? 0) << 8) | (bytes[i + 1] ?? 0);
  return sum;
}
