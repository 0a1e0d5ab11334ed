import type { RandomBytes } from "../random.ts";
import { ipAddressFromBigInt, ipAddressToBigInt, parseIpAddress } from "./ip-address.ts";
import { formatIpRange, type IpRange, parseIpRange, rangeAddress, rangeSize, rangesOverlap } from "./ip-range.ts";

/** Addresses that were given back stay out of use this long, so that nobody talks to a stranger by an old address. */
export const ADDRESS_REST_MS = 24 * 60 * 60 * 1000;

/** The range of the first network (RFC 6598 shared address space, as carriers and other mesh VPNs use it). */
export const DEFAULT_IPV4_RANGE = "100.64.0.0/10";

export interface AllocationState {
  /** Offsets in the range that members have. */
  readonly taken: ReadonlySet<number>;
  /** Offsets that were given back less than `ADDRESS_REST_MS` ago, with the time they were. */
  readonly resting: ReadonlyMap<number, number>;
  /** The offset that was handed out last, 0 if none was. */
  readonly cursor: number;
}

/**
 * Picks the offset of a new member's address in an IPv4 range: the first free one after the cursor, wrapping round.
 * The range's first (network) and last (broadcast) address are never used. Resting addresses are used only when nothing
 * else is left, the one that has rested longest first. Undefined if every address is taken.
 * Takes time in proportion to the number of addresses in use, not to the size of the range.
 */
export function allocateOffset(range: IpRange, state: AllocationState): number | undefined {
  const last = Number(rangeSize(range)) - 2;
  if (last < 1) return undefined;
  // Among this many different offsets at least one is neither taken nor resting, if the range has that many.
  const attempts = Math.min(last, state.taken.size + state.resting.size + 1);
  let offset = state.cursor;
  for (let attempt = 0; attempt < attempts; attempt++) {
    offset = offset >= last || offset < 0 ? 1 : offset + 1;
    if (!state.taken.has(offset) && !state.resting.has(offset)) return offset;
  }
  return longestRested(state, last);
}

function longestRested(state: AllocationState, last: number): number | undefined {
  let best: number | undefined;
  let bestAt = Number.POSITIVE_INFINITY;
  for (const [offset, restingSince] of state.resting) {
    if (offset < 1 || offset > last || state.taken.has(offset) || restingSince >= bestAt) continue;
    best = offset;
    bestAt = restingSince;
  }
  return best;
}

/** A member's IPv6 address: the network's /64 with the member's IPv4 address in the last 32 bits, so unique as that is. */
export function deriveIpv6(ipv6Range: IpRange, ipv4: Uint8Array): Uint8Array {
  return rangeAddress(ipv6Range, ipAddressToBigInt(ipv4));
}

/** A random unique local /64 (RFC 4193 §3.2.2: fd, 40 random bits of global id, then a random subnet). */
export function generateUlaRange(random: RandomBytes): string {
  const bytes = new Uint8Array(16);
  bytes.set(random(7), 1);
  bytes[0] = 0xfd;
  return formatIpRange({ family: 6, first: ipAddressToBigInt(bytes), prefixBits: 64 });
}

const MIN_PREFIX_BITS = 8;
const MAX_PREFIX_BITS = 30;
const UNUSABLE_IPV4_RANGES = ["0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/3"];

/** Says why a range can't be the IPv4 range of a network; undefined if it can. */
export function ipv4RangeProblem(range: IpRange): string | undefined {
  if (range.family !== 4) return "is not an IPv4 range";
  if (range.prefixBits < MIN_PREFIX_BITS || range.prefixBits > MAX_PREFIX_BITS) {
    return `must have between ${MIN_PREFIX_BITS} and ${MAX_PREFIX_BITS} prefix bits`;
  }
  for (const text of UNUSABLE_IPV4_RANGES) {
    const unusable = parseIpRange(text);
    if (unusable !== undefined && rangesOverlap(range, unusable)) return `overlaps ${text}, which hosts can't use`;
  }
  return undefined;
}

const PRIVATE_BASE = parseIpAddress("10.0.0.0");

/**
 * A range for a further network: a /16 of 10.0.0.0/8 (RFC 1918), chosen at random, that overlaps none of `inUse`, so
 * that one machine can be in several networks. Undefined if all are in use.
 */
export function chooseIpv4Range(inUse: readonly IpRange[], random: RandomBytes): string | undefined {
  if (PRIVATE_BASE === undefined) return undefined;
  const base = ipAddressToBigInt(PRIVATE_BASE);
  const start = random(1)[0] ?? 0;
  for (let step = 0; step < 256; step++) {
    const first = base + (BigInt((start + step) % 256) << 16n);
    const range: IpRange = { family: 4, first, prefixBits: 16 };
    if (!inUse.some((other) => rangesOverlap(range, other))) return formatIpRange(range);
  }
  return undefined;
}

/** The address at a member's offset. */
export function offsetAddress(range: IpRange, offset: number): Uint8Array {
  return ipAddressFromBigInt(range.first + BigInt(offset), range.family === 4 ? 4 : 16);
}
