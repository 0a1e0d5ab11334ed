export {
  formatIpAddress,
  IPV4_BYTES,
  IPV6_BYTES,
  type IpAddressBytes,
  ipAddressFromBigInt,
  ipAddressToBigInt,
  parseIpAddress,
  parseIpv4,
  parseIpv6,
} from "./ip-address.ts";
export {
  formatIpRange,
  type IpRange,
  parseIpRange,
  rangeAddress,
  rangeContains,
  rangeIncludes,
  rangeOffset,
  rangeSize,
  rangesOverlap,
} from "./ip-range.ts";
