import {
  ADDRESS_REST_MS,
  allocateOffset,
  deriveIpv6,
  formatIpAddress,
  type IpRange,
  offsetAddress,
  parseIpAddress,
  parseIpRange,
  rangeOffset,
} from "@asterism/core/addresses";
import { AsterismError } from "@asterism/core/errors";

export interface AddressPlan {
  readonly ipv4Range: string;
  readonly ipv6Range: string;
  readonly cursor: number;
  /** IPv4 addresses of the members. */
  readonly taken: readonly string[];
  readonly released: readonly { readonly ipv4: string; readonly machineKey: string; readonly releasedAt: number }[];
}

export interface MemberAddresses {
  readonly ipv4: string;
  readonly ipv6: string;
  /** The network's cursor from here on. */
  readonly cursor: number;
}

/**
 * Addresses for a new member: the ones the machine had, if it left a short time ago, else the next free ones.
 * Throws `address-range-full`.
 */
export function assignAddresses(plan: AddressPlan, machineKey: string, now: number): MemberAddresses {
  const ipv4Range = readRange(plan.ipv4Range);
  const ipv6Range = readRange(plan.ipv6Range);
  const taken = new Set<number>();
  for (const address of plan.taken) addOffset(taken, ipv4Range, address);
  const resting = new Map<number, number>();
  let former: number | undefined;
  for (const { ipv4, machineKey: owner, releasedAt } of plan.released) {
    const offset = offsetOf(ipv4Range, ipv4);
    if (offset === undefined || releasedAt + ADDRESS_REST_MS <= now) continue;
    resting.set(offset, releasedAt);
    if (owner === machineKey && !taken.has(offset)) former = offset;
  }
  const next = former ?? allocateOffset(ipv4Range, { taken, resting, cursor: plan.cursor });
  if (next === undefined) {
    throw new AsterismError(
      "address-range-full",
      `No address is free in ${plan.ipv4Range}. Remove devices that are not needed, or make a network with a larger range.`,
    );
  }
  const ipv4 = offsetAddress(ipv4Range, next);
  return {
    ipv4: formatIpAddress(ipv4),
    ipv6: formatIpAddress(deriveIpv6(ipv6Range, ipv4)),
    cursor: former === undefined ? next : plan.cursor,
  };
}

function addOffset(offsets: Set<number>, range: IpRange, address: string): void {
  const offset = offsetOf(range, address);
  if (offset !== undefined) offsets.add(offset);
}

function offsetOf(range: IpRange, address: string): number | undefined {
  const bytes = parseIpAddress(address);
  const offset = bytes === undefined ? undefined : rangeOffset(range, bytes);
  return offset === undefined ? undefined : Number(offset);
}

function readRange(text: string): IpRange {
  const range = parseIpRange(text);
  if (range === undefined) throw new AsterismError("state-damaged", `The stored address range "${text}" is malformed.`);
  return range;
}
