import {
  IPV4_BYTES,
  type IpRange,
  ipAddressToBigInt,
  parseIpAddress,
  parseIpRange,
  rangeContains,
  rangeSize,
} from "../addresses/index.ts";
import type { UdpAddress } from "../net/index.ts";

/** What kind of place an address names (IANA special-purpose registries, RFC 6890). */
export type AddressClass =
  | "loopback"
  | "link-local"
  | "private"
  | "carrier-grade-nat"
  | "unique-local"
  | "unspecified"
  | "multicast"
  | "reserved"
  | "global"
  | "invalid";

interface ClassRange {
  readonly name: AddressClass;
  readonly family: 4 | 6;
  readonly first: bigint;
  /** The first address behind the range. */
  readonly end: bigint;
}

/** The first range that contains the address decides. */
const CLASSES: readonly ClassRange[] = (
  [
    ["unspecified", "0.0.0.0/8"],
    ["private", "10.0.0.0/8"],
    ["carrier-grade-nat", "100.64.0.0/10"],
    ["loopback", "127.0.0.0/8"],
    ["link-local", "169.254.0.0/16"],
    ["private", "172.16.0.0/12"],
    // Hosts without IPv4 have these for what reaches IPv4 through a NAT64 (RFC 7335, 464XLAT).
    ["reserved", "192.0.0.0/29"],
    ["private", "192.168.0.0/16"],
    ["multicast", "224.0.0.0/4"],
    ["reserved", "240.0.0.0/4"],
    ["unspecified", "::/128"],
    ["loopback", "::1/128"],
    // IPv4-mapped: a socket would send it as IPv4, past every check on the IPv4 form.
    ["reserved", "::ffff:0:0/96"],
    // Discard-only (RFC 6666).
    ["reserved", "100::/64"],
    ["unique-local", "fc00::/7"],
    ["link-local", "fe80::/10"],
    ["multicast", "ff00::/8"],
  ] as const
).flatMap(([name, text]) => {
  const range = parseIpRange(text);
  return range === undefined ? [] : [{ name, ...range, end: range.first + rangeSize(range) }];
});

export function classifyAddress(address: string): AddressClass {
  const bytes = parseIpAddress(address);
  return bytes === undefined ? "invalid" : classOf(bytes);
}

function classOf(bytes: Uint8Array): AddressClass {
  const value = ipAddressToBigInt(bytes);
  const family = bytes.length === IPV4_BYTES ? 4 : 6;
  for (const range of CLASSES) {
    if (range.family === family && value >= range.first && value < range.end) return range.name;
  }
  return "global";
}

/** True if the address may be told to a peer, and if a peer may ask us to send there. */
export function isOfferable(address: UdpAddress, overlayRanges: readonly IpRange[]): boolean {
  const bytes = parseIpAddress(address.address);
  if (bytes === undefined || !Number.isInteger(address.port) || address.port < 1 || address.port > 65_535) return false;
  if (overlayRanges.some((range) => rangeContains(range, bytes))) return false;
  switch (classOf(bytes)) {
    case "private":
    case "carrier-grade-nat":
    case "unique-local":
    case "global":
      return true;
    default:
      return false;
  }
}

/** 4 or 6, by the look of a valid address. */
export function ipFamilyOf(address: string): 4 | 6 {
  return address.includes(":") ? 6 : 4;
}
