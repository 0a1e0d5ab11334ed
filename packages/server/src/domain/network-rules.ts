import { chooseIpv4Range, formatIpRange, type IpRange, ipv4RangeProblem, parseIpRange } from "@asterism/core/addresses";
import { AsterismError } from "@asterism/core/errors";
import type { RandomBytes } from "@asterism/core/random";

/**
 * MTU of every network's interface. Over IPv6, through a relay, on a PPPoE line (1492) there is room for 1408 bytes:
 * 40 IP, 8 UDP, 4 ChannelData, 32 WireGuard.
 */
export const OVERLAY_MTU_BYTES = 1408;

/** The IPv4 range of a new network: the one asked for, or a private /16 that none of the others uses. */
export function pickIpv4Range(asked: string | undefined, inUse: readonly string[], random: RandomBytes): string {
  if (asked !== undefined) return checkIpv4Range(asked);
  const ranges = inUse.map((text) => parseIpRange(text)).filter((range): range is IpRange => range !== undefined);
  const range = chooseIpv4Range(ranges, random);
  if (range === undefined) {
    throw new AsterismError("limit-reached", "All private /16 ranges are in use. Name a range yourself: --ipv4 CIDR");
  }
  return range;
}

function checkIpv4Range(text: string): string {
  const range = parseIpRange(text);
  const problem =
    range === undefined ? "is not a range in CIDR notation, such as 10.20.0.0/16" : ipv4RangeProblem(range);
  if (range === undefined || problem !== undefined) {
    throw new AsterismError("invalid-input", `The IPv4 range "${text}" ${problem}.`, {
      details: { field: "ipv4Range" },
    });
  }
  return formatIpRange(range);
}
