/**
 * IPv4 addresses inside IPv6 ones, as a NAT64 translates them (RFC 6052 §2.2), and how the prefix is found (RFC 7050).
 *
 *  prefix   bytes of the IPv4 address
 *  /32      4 5 6 7
 *  /40        5 6 7   9
 *  /48          6 7   9 10
 *  /56            7   9 10 11
 *  /64                9 10 11 12
 *  /96                           12 13 14 15        byte 8 is zero
 */
import { formatIpAddress, IPV6_BYTES, parseIpRange, parseIpv4, parseIpv6, rangeAddress } from "../addresses/index.ts";
import { classifyAddress } from "../paths/index.ts";

/** Where translated addresses begin: IPv6 address bytes, zero behind the prefix. */
export interface Nat64Prefix {
  readonly prefixBits: 32 | 40 | 48 | 56 | 64 | 96;
  readonly bytes: Uint8Array;
}

/** Its AAAA records tell the prefix: it has only A records, these (RFC 7050 §8.2). */
export const IPV4_ONLY_NAME = "ipv4only.arpa";
const WELL_KNOWN_IPV4: readonly string[] = ["192.0.0.170", "192.0.0.171"];

/**
 * Stands for the IPv4 that a host without IPv4 addresses has through a NAT64 (RFC 7335, which sets it aside for such
 * hosts): nobody else can reach it there.
 */
export const CONTINUITY_ADDRESS = "192.0.0.2";

const POSITIONS: Readonly<Record<Nat64Prefix["prefixBits"], readonly number[]>> = {
  96: [12, 13, 14, 15],
  64: [9, 10, 11, 12],
  56: [7, 9, 10, 11],
  48: [6, 7, 9, 10],
  40: [5, 6, 7, 9],
  32: [4, 5, 6, 7],
};
/** Longest first: an address that fits several lengths is most likely of the longest. */
const LENGTHS: readonly Nat64Prefix["prefixBits"][] = [96, 64, 56, 48, 40, 32];
const RESERVED_BYTE = 8;

/** `64:ff9b::/96`; undefined unless it is an IPv6 range of a length that RFC 6052 knows, with byte 8 zero. */
export function parseNat64Prefix(text: string): Nat64Prefix | undefined {
  const range = parseIpRange(text);
  const prefixBits = LENGTHS.find((length) => length === range?.prefixBits);
  if (range?.family !== 6 || prefixBits === undefined) return undefined;
  const bytes = rangeAddress(range, 0n);
  return bytes[RESERVED_BYTE] === 0 ? { prefixBits, bytes } : undefined;
}

export function formatNat64Prefix({ prefixBits, bytes }: Nat64Prefix): string {
  return `${formatIpAddress(bytes)}/${prefixBits}`;
}

/** The prefix that needs no agreement (RFC 6052 §2.1). */
export const WELL_KNOWN_PREFIX: Nat64Prefix = {
  prefixBits: 96,
  bytes: Uint8Array.of(0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0),
};

/**
 * The IPv6 address by which the NAT64 reaches an IPv4 address. Undefined for text that is none, and for addresses that
 * a stranger's NAT64 does not translate: those that mean another place everywhere (RFC 6052 §3.1).
 */
export function synthesise(prefix: Nat64Prefix, ipv4: string): string | undefined {
  const address = parseIpv4(ipv4);
  if (address === undefined || classifyAddress(ipv4) !== "global") return undefined;
  const bytes = Uint8Array.from(prefix.bytes);
  for (const [index, position] of POSITIONS[prefix.prefixBits].entries()) bytes[position] = address[index] ?? 0;
  return formatIpAddress(bytes);
}

/** The IPv4 address that an IPv6 address under this prefix stands for; undefined for all others. */
export function extract(prefix: Nat64Prefix, ipv6: string): string | undefined {
  const bytes = parseIpv6(ipv6);
  if (bytes === undefined || !begins(bytes, prefix)) return undefined;
  return formatIpAddress(Uint8Array.from(POSITIONS[prefix.prefixBits], (position) => bytes[position] ?? 0));
}

/** The prefixes that answers for `IPV4_ONLY_NAME` show, each once, in their order (RFC 7050 §3). */
export function prefixesOf(answers: readonly string[]): Nat64Prefix[] {
  const found = new Map<string, Nat64Prefix>();
  for (const answer of answers) {
    const prefix = prefixOf(answer);
    if (prefix !== undefined) found.set(formatNat64Prefix(prefix), prefix);
  }
  return [...found.values()];
}

function prefixOf(answer: string): Nat64Prefix | undefined {
  const bytes = parseIpv6(answer);
  if (bytes === undefined) return undefined;
  for (const prefixBits of LENGTHS) {
    const ipv4 = formatIpAddress(Uint8Array.from(POSITIONS[prefixBits], (position) => bytes[position] ?? 0));
    if (!WELL_KNOWN_IPV4.includes(ipv4) || bytes[RESERVED_BYTE] !== 0) continue;
    const prefix = new Uint8Array(IPV6_BYTES);
    prefix.set(bytes.subarray(0, prefixBits / 8));
    return { prefixBits, bytes: prefix };
  }
  return undefined;
}

function begins(bytes: Uint8Array, { prefixBits, bytes: prefix }: Nat64Prefix): boolean {
  for (let index = 0; index < prefixBits / 8; index++) if (bytes[index] !== prefix[index]) return false;
  return bytes[RESERVED_BYTE] === 0;
}
