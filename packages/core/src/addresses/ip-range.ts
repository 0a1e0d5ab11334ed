import {
  formatIpAddress,
  IPV4_BYTES,
  type IpAddressBytes,
  ipAddressFromBigInt,
  ipAddressToBigInt,
  parseIpAddress,
} from "./ip-address.ts";

/** An address range in CIDR notation. `first` is the network address; all bits after the prefix are zero. */
export interface IpRange {
  readonly family: 4 | 6;
  readonly first: bigint;
  readonly prefixBits: number;
}

/** Reads `address/bits`. Undefined if malformed or if a bit behind the prefix is set (`10.0.0.1/8` is a mistake). */
export function parseIpRange(text: string): IpRange | undefined {
  const slash = text.indexOf("/");
  if (slash < 0) return undefined;
  const bytes = parseIpAddress(text.slice(0, slash));
  const bitsText = text.slice(slash + 1);
  if (bytes === undefined || !/^(0|[1-9][0-9]{0,2})$/.test(bitsText)) return undefined;
  const prefixBits = Number(bitsText);
  if (prefixBits > bytes.length * 8) return undefined;
  const range: IpRange = {
    family: bytes.length === IPV4_BYTES ? 4 : 6,
    first: ipAddressToBigInt(bytes),
    prefixBits,
  };
  return range.first % rangeSize(range) === 0n ? range : undefined;
}

export function formatIpRange(range: IpRange): string {
  return `${formatIpAddress(rangeAddress(range, 0n))}/${range.prefixBits}`;
}

/** Number of addresses. */
export function rangeSize(range: IpRange): bigint {
  return 1n << BigInt(addressBits(range) - range.prefixBits);
}

/** The address at `offset` from the first one. Throws RangeError if that lies outside. */
export function rangeAddress(range: IpRange, offset: bigint): IpAddressBytes {
  if (offset < 0n || offset >= rangeSize(range)) throw new RangeError(`offset ${offset} lies outside the range`);
  return ipAddressFromBigInt(range.first + offset, range.family === 4 ? 4 : 16);
}

/** Distance from the first address, undefined if the address is not in the range or of the other family. */
export function rangeOffset(range: IpRange, address: Uint8Array): bigint | undefined {
  if ((address.length === IPV4_BYTES ? 4 : 6) !== range.family) return undefined;
  const offset = ipAddressToBigInt(address) - range.first;
  return offset >= 0n && offset < rangeSize(range) ? offset : undefined;
}

export function rangeContains(range: IpRange, address: Uint8Array): boolean {
  return rangeOffset(range, address) !== undefined;
}

/** True if some address is in both. Ranges of different families never overlap. */
export function rangesOverlap(a: IpRange, b: IpRange): boolean {
  if (a.family !== b.family) return false;
  return a.first < b.first + rangeSize(b) && b.first < a.first + rangeSize(a);
}

/** True if every address of `inner` is in `outer`. */
export function rangeIncludes(outer: IpRange, inner: IpRange): boolean {
  return outer.family === inner.family && outer.prefixBits <= inner.prefixBits && rangesOverlap(outer, inner);
}

function addressBits(range: IpRange): number {
  return range.family === 4 ? 32 : 128;
}
