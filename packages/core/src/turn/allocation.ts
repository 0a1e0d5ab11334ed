import type { UdpAddress } from "../net/index.ts";
import {
  findAttribute,
  parseUint32,
  parseXorAddress,
  readXorAddress,
  STUN_ATTRIBUTE,
  type StunMessage,
} from "../stun/index.ts";
import { addMs, type Instant } from "../time.ts";
import { TURN_ATTRIBUTE } from "./attribute-types.ts";
import { MIN_REFRESH_MS, REFRESH_MS } from "./timings.ts";

/** What a relay has given. */
export interface Allocation {
  /** One per family. */
  readonly relayedAddresses: readonly UdpAddress[];
  /** Our address as the relay sees it. */
  readonly mappedAddress: UdpAddress;
  readonly lifetimeSeconds: number;
  readonly allocatedAt: Instant;
  expiresAt: Instant;
  /** Undefined while a refresh is under way. */
  refreshAt: Instant | undefined;
  silentRefreshes: number;
}

/** The allocation in a success response to Allocate (RFC 8656 §7.3); undefined if something is missing. */
export function readAllocation(answer: StunMessage, now: Instant): Allocation | undefined {
  const mappedAddress = readXorAddress(answer, STUN_ATTRIBUTE.xorMappedAddress);
  const lifetimeSeconds = readLifetime(answer);
  const relayedAddresses: UdpAddress[] = [];
  for (const { type, value } of answer.attributes) {
    if (type !== TURN_ATTRIBUTE.xorRelayedAddress) continue;
    const address = parseXorAddress(value, answer.transactionId);
    if (address === undefined || address.port === 0) return undefined;
    relayedAddresses.push(address);
  }
  const isPlausible = relayedAddresses.length === 1 || relayedAddresses.length === 2;
  if (!isPlausible || mappedAddress === undefined || lifetimeSeconds === undefined) return undefined;
  const allocation: Allocation = {
    relayedAddresses,
    mappedAddress,
    lifetimeSeconds,
    allocatedAt: now,
    expiresAt: now,
    refreshAt: undefined,
    silentRefreshes: 0,
  };
  prolong(allocation, lifetimeSeconds, now);
  return allocation;
}

/** Seconds, at least 1. */
export function readLifetime(answer: StunMessage): number | undefined {
  const value = findAttribute(answer, TURN_ATTRIBUTE.lifetime);
  const seconds = value === undefined ? undefined : parseUint32(value);
  return seconds === 0 ? undefined : seconds;
}

/** A refresh was answered. */
export function prolong(allocation: Allocation, lifetimeSeconds: number, now: Instant): void {
  allocation.expiresAt = addMs(now, lifetimeSeconds * 1_000);
  allocation.refreshAt = addMs(now, Math.max(MIN_REFRESH_MS, Math.min(REFRESH_MS, lifetimeSeconds * 500)));
  allocation.silentRefreshes = 0;
}

/** Whether the relay has an address to reach this one from. */
export function servesFamilyOf(allocation: Allocation, address: string): boolean {
  const isIpv6 = address.includes(":");
  return allocation.relayedAddresses.some((relayed) => relayed.address.includes(":") === isIpv6);
}
