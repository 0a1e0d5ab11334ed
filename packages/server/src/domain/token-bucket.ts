export interface BucketLimits {
  /** Tokens that can be saved up. */
  readonly burst: number;
  readonly perSecond: number;
}

/** A token bucket: `burst` at once, `perSecond` on the long run. Times are monotonic milliseconds. */
export class TokenBucket {
  readonly #limits: BucketLimits;
  #tokens: number;
  #updatedAt: number;

  constructor(limits: BucketLimits, now: number) {
    this.#limits = limits;
    this.#tokens = limits.burst;
    this.#updatedAt = now;
  }

  /** Takes `cost` tokens, or none and says false. */
  take(now: number, cost = 1): boolean {
    this.#refill(now);
    if (this.#tokens < cost) return false;
    this.#tokens -= cost;
    return true;
  }

  /** Whether the bucket would be full: then forgetting it makes no difference. */
  isFull(now: number): boolean {
    this.#refill(now);
    return this.#tokens >= this.#limits.burst;
  }

  #refill(now: number): void {
    const elapsedMs = Math.max(0, now - this.#updatedAt);
    this.#tokens = Math.min(this.#limits.burst, this.#tokens + (elapsedMs / 1000) * this.#limits.perSecond);
    this.#updatedAt = now;
  }
}

const MAX_BUCKETS = 10_000;

/** One bucket per source, forgotten when full. When too many sources are active, new ones share one bucket. */
export class KeyedBuckets {
  readonly #limits: BucketLimits;
  readonly #buckets = new Map<string, TokenBucket>(); // bounded: MAX_BUCKETS
  readonly #overflow: TokenBucket;

  constructor(limits: BucketLimits, now: number) {
    this.#limits = limits;
    this.#overflow = new TokenBucket(limits, now);
  }

  take(key: string, now: number, cost = 1): boolean {
    return this.#bucket(key, now).take(now, cost);
  }

  get size(): number {
    return this.#buckets.size;
  }

  #bucket(key: string, now: number): TokenBucket {
    const known = this.#buckets.get(key);
    if (known !== undefined) return known;
    if (this.#buckets.size >= MAX_BUCKETS) this.#forgetFull(now);
    if (this.#buckets.size >= MAX_BUCKETS) return this.#overflow;
    const bucket = new TokenBucket(this.#limits, now);
    this.#buckets.set(key, bucket);
    return bucket;
  }

  #forgetFull(now: number): void {
    for (const [key, bucket] of this.#buckets) if (bucket.isFull(now)) this.#buckets.delete(key);
  }
}

/** What counts as one source: an IPv4 address, or the /64 of an IPv6 address, which one host has to itself. */
export function sourceOf(address: string): string {
  const ipv4 = address.startsWith("::ffff:") ? address.slice(7) : address;
  if (!ipv4.includes(":")) return ipv4;
  const [head = "", tail = ""] = ipv4.split("::");
  const headGroups = head === "" ? [] : head.split(":");
  const tailGroups = tail === "" ? [] : tail.split(":");
  const zeros = ipv4.includes("::") ? Array.from({ length: 8 - headGroups.length - tailGroups.length }, () => "0") : [];
  return `${[...headGroups, ...zeros, ...tailGroups].slice(0, 4).join(":")}::/64`;
}
