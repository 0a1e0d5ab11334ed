/**
 * Decides how much of the incoming handshakes a device computes on (WireGuard paper §5.3).
 *
 * Everything counts per window of one second. Above UNDER_LOAD_PER_SECOND the device is under load: only senders
 * that returned a cookie are served, each source at a bounded rate, all together up to a ceiling.
 */
import type { PathAddress } from "../net/index.ts";
import type { Instant } from "../time.ts";
import {
  COOKIE_REPLIES_PER_SECOND,
  HANDSHAKES_UNDER_LOAD_PER_SECOND,
  SOURCE_HANDSHAKES_BURST,
  SOURCE_HANDSHAKES_PER_SECOND,
  SOURCES_MAX,
  UNDER_LOAD_HOLD_MS,
  UNDER_LOAD_PER_SECOND,
} from "./constants.ts";

const WINDOW_MS = 1_000;

interface Bucket {
  tokens: number;
  filledAt: Instant;
}

export class HandshakeLoad {
  readonly #sources = new Map<string, Bucket>(); // bounded: SOURCES_MAX, the longest unused goes first
  #windowAt: Instant | undefined;
  #arrived = 0;
  #computed = 0;
  #cookieReplies = 0;
  #underLoadUntil: Instant | undefined;

  /** Counts one handshake message with a valid `mac1`. True if the device is under load. */
  countArrival(now: Instant): boolean {
    this.#turnWindow(now);
    this.#arrived += 1;
    if (this.#arrived > UNDER_LOAD_PER_SECOND) this.#underLoadUntil = (now + UNDER_LOAD_HOLD_MS) as Instant;
    return this.isUnderLoad(now);
  }

  isUnderLoad(now: Instant): boolean {
    return this.#underLoadUntil !== undefined && now < this.#underLoadUntil;
  }

  /** Under load: true if one more handshake of a source that has proved its address may be computed on. */
  admit(from: PathAddress, now: Instant): boolean {
    this.#turnWindow(now);
    if (this.#computed >= HANDSHAKES_UNDER_LOAD_PER_SECOND || !this.#takeToken(sourceOf(from), now)) return false;
    this.#computed += 1;
    return true;
  }

  /** True if one more cookie reply may be made. */
  admitCookieReply(now: Instant): boolean {
    this.#turnWindow(now);
    if (this.#cookieReplies >= COOKIE_REPLIES_PER_SECOND) return false;
    this.#cookieReplies += 1;
    return true;
  }

  get trackedSources(): number {
    return this.#sources.size;
  }

  #turnWindow(now: Instant): void {
    if (this.#windowAt !== undefined && now - this.#windowAt < WINDOW_MS) return;
    this.#windowAt = now;
    this.#arrived = 0;
    this.#computed = 0;
    this.#cookieReplies = 0;
  }

  #takeToken(source: string, now: Instant): boolean {
    const bucket = this.#sources.get(source) ?? { tokens: SOURCE_HANDSHAKES_BURST, filledAt: now };
    const gained = ((now - bucket.filledAt) * SOURCE_HANDSHAKES_PER_SECOND) / 1_000;
    bucket.tokens = Math.min(SOURCE_HANDSHAKES_BURST, bucket.tokens + gained);
    bucket.filledAt = now;
    // Deleted and set again, so that the map is ordered by last use.
    this.#sources.delete(source);
    this.#sources.set(source, bucket);
    if (this.#sources.size > SOURCES_MAX) this.#forgetOldest();
    if (bucket.tokens < 1) return false;
    bucket.tokens -= 1;
    return true;
  }

  #forgetOldest(): void {
    for (const oldest of this.#sources.keys()) {
      this.#sources.delete(oldest);
      return;
    }
  }
}

/** A host, whatever its ports: the IPv4 address or the IPv6 /64, and the channel of one that sends through a relay. */
function sourceOf(from: PathAddress): string {
  const { address } = from.remote;
  const host = address.includes(":") ? prefix64Of(address) : address;
  return from.channel === null ? host : `${host}#${from.channel}`;
}

/** The first four groups of an IPv6 address in RFC 5952 form, zeros filled in. */
function prefix64Of(address: string): string {
  const [head = "", tail] = address.split("::");
  const groups = head === "" ? [] : head.split(":");
  if (tail !== undefined) {
    const tailGroups = tail === "" ? 0 : tail.split(":").length;
    while (groups.length + tailGroups < 8) groups.push("0");
  }
  return groups.slice(0, 4).join(":");
}
