import { type IpAddressBytes, parseIpAddress } from "@asterism/core/addresses";
import { encodeHex } from "@asterism/core/bytes";
import type { Instant } from "@asterism/core/time";

export interface SourceLimits {
  readonly perSecond: number;
  readonly atOnce: number;
}

/** How many sources are remembered; the longest silent one is forgotten first. */
const MAX_SOURCES = 10_000;

/** Lets each source network (an IPv4 address, an IPv6 /64) do something so many times a second. */
export class SourceLimiter {
  readonly #limits: SourceLimits;
  readonly #sources = new Map<string, { tokens: number; at: Instant }>(); // bounded: MAX_SOURCES

  constructor(limits: SourceLimits) {
    this.#limits = limits;
  }

  take(address: string, now: Instant): boolean {
    const key = networkOf(address);
    const known = this.#sources.get(key);
    const { atOnce, perSecond } = this.#limits;
    const elapsedMs = known === undefined ? 0 : Math.max(0, now - known.at);
    const tokens = Math.min(atOnce, (known?.tokens ?? atOnce) + (elapsedMs * perSecond) / 1_000);
    const isAllowed = tokens >= 1;
    this.#sources.delete(key);
    this.#sources.set(key, { tokens: isAllowed ? tokens - 1 : tokens, at: now });
    if (this.#sources.size > MAX_SOURCES) this.#forgetOldest();
    return isAllowed;
  }

  #forgetOldest(): void {
    for (const oldest of this.#sources.keys()) {
      this.#sources.delete(oldest);
      return;
    }
  }
}

function networkOf(address: string): string {
  const bytes: IpAddressBytes | undefined = parseIpAddress(address);
  return bytes === undefined || bytes.length === 4 ? address : encodeHex(bytes.subarray(0, 8));
}
