export {
  ADDRESS_REST_MS,
  type AllocationState,
  allocateOffset,
  chooseIpv4Range,
  DEFAULT_IPV4_RANGE,
  deriveIpv6,
  generateUlaRange,
  ipv4RangeProblem,
  offsetAddress,
} from "./allocation.ts";
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
