import { viewOf } from "../bytes/index.ts";

/** A numeric IP address: 4 bytes (IPv4) or 16 bytes (IPv6), in network order. */
export type IpAddressBytes = Uint8Array<ArrayBuffer>;

export const IPV4_BYTES = 4;
export const IPV6_BYTES = 16;

const DOT = 0x2e;
const DIGIT_ZERO = 0x30;

/**
 * Reads dotted-quad IPv4 (no leading zeros, which some resolvers take for octal) or IPv6 text (RFC 4291 §2.2, with `::`
 * and an embedded IPv4 tail; no zone, no brackets). Undefined for anything else.
 */
export function parseIpAddress(text: string): IpAddressBytes | undefined {
  return text.includes(":") ? parseIpv6(text) : parseIpv4(text);
}

export function parseIpv4(text: string): IpAddressBytes | undefined {
  const bytes = new Uint8Array(IPV4_BYTES);
  let index = 0;
  /** Of the part that is being read; undefined before its first digit. */
  let value: number | undefined;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === DOT && value !== undefined && index < IPV4_BYTES - 1) {
      bytes[index++] = value;
      value = undefined;
      continue;
    }
    const digit = code - DIGIT_ZERO;
    if (digit < 0 || digit > 9 || value === 0) return undefined;
    value = (value ?? 0) * 10 + digit;
    if (value > 255) return undefined;
  }
  if (value === undefined || index !== IPV4_BYTES - 1) return undefined;
  bytes[index] = value;
  return bytes;
}

export function parseIpv6(text: string): IpAddressBytes | undefined {
  if (text.length > 45) return undefined;
  const halves = text.split("::");
  if (halves.length > 2) return undefined;
  const head = parseGroups(halves[0] ?? "", halves.length === 1);
  const tail = parseGroups(halves[1] ?? "", true);
  if (head === undefined || tail === undefined) return undefined;
  const givenBytes = head.length + tail.length;
  // `::` stands for at least one group (RFC 5952 §4.2.2 lets it be read for exactly one).
  if (halves.length === 1 ? givenBytes !== IPV6_BYTES : givenBytes > IPV6_BYTES - 2) return undefined;
  const bytes = new Uint8Array(IPV6_BYTES);
  bytes.set(head, 0);
  bytes.set(tail, IPV6_BYTES - tail.length);
  return bytes;
}

/** The bytes of groups separated by colons; an IPv4 address may stand last where `mayEndInIpv4`. */
function parseGroups(text: string, mayEndInIpv4: boolean): number[] | undefined {
  if (text === "") return [];
  const bytes: number[] = [];
  const groups = text.split(":", 9);
  for (const [index, group] of groups.entries()) {
    if (group.includes(".")) {
      const ipv4 = mayEndInIpv4 && index === groups.length - 1 ? parseIpv4(group) : undefined;
      if (ipv4 === undefined) return undefined;
      bytes.push(...ipv4);
      continue;
    }
    if (!/^[0-9a-fA-F]{1,4}$/.test(group)) return undefined;
    const value = Number.parseInt(group, 16);
    bytes.push(value >> 8, value & 255);
  }
  return bytes;
}

/** Dotted quad, or IPv6 in the canonical form of RFC 5952 §4. Throws RangeError unless 4 or 16 bytes are given. */
export function formatIpAddress(bytes: Uint8Array): string {
  if (bytes.length === IPV4_BYTES) return bytes.join(".");
  if (bytes.length !== IPV6_BYTES) throw new RangeError(`an IP address has 4 or 16 bytes, not ${bytes.length}`);
  const groups = Array.from({ length: 8 }, (_, index) => ((bytes[2 * index] ?? 0) << 8) | (bytes[2 * index + 1] ?? 0));
  const zeros = longestZeroRun(groups);
  const hex = groups.map((group) => group.toString(16));
  if (zeros.length < 2) return hex.join(":");
  return `${hex.slice(0, zeros.start).join(":")}::${hex.slice(zeros.start + zeros.length).join(":")}`;
}

/** The first of the longest runs of zero groups. */
function longestZeroRun(groups: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  let start = 0;
  for (const [index, group] of groups.entries()) {
    if (group !== 0) start = index + 1;
    else if (index + 1 - start > best.length) best = { start, length: index + 1 - start };
  }
  return best;
}

/** An address of 4 or 16 bytes as an unsigned number, most significant byte first. */
export function ipAddressToBigInt(bytes: Uint8Array): bigint {
  const view = viewOf(bytes);
  if (bytes.length === IPV4_BYTES) return BigInt(view.getUint32(0));
  return (view.getBigUint64(0) << 64n) | view.getBigUint64(8);
}

/** The inverse of `ipAddressToBigInt`; higher bits are cut off. */
export function ipAddressFromBigInt(value: bigint, sizeBytes: 4 | 16): IpAddressBytes {
  const bytes = new Uint8Array(sizeBytes);
  for (let index = sizeBytes - 1, rest = value; index >= 0; index--, rest >>= 8n) bytes[index] = Number(rest & 255n);
  return bytes;
}
