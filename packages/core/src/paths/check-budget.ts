/**
 * Limits of the checks that go to places which have never answered one. A peer says what is checked, so without limits
 * it could make many members send to somebody who has nothing to do with them.
 */
import type { Instant } from "../time.ts";
import type { Path } from "./path.ts";
import {
  MAX_TARGETS,
  UNPROVEN_PEER_BURST,
  UNPROVEN_PEER_REFILL_MS,
  UNPROVEN_TARGET_BURST,
  UNPROVEN_TARGET_REFILL_MS,
} from "./timings.ts";
import { TokenBucket } from "./token-bucket.ts";

/** What one IP address gets of all peers together: several may claim the same one. */
export class TargetBudget {
  readonly #targets = new Map<string, TokenBucket>(); // bounded: MAX_TARGETS, the one that was made first dropped
  #relays: ReadonlySet<string> = new Set();

  /**
   * IP addresses of the network's relays: all relayed peers share them, and a relay drops what none of its clients asked
   * for.
   */
  setRelays(addresses: Iterable<string>): void {
    this.#relays = new Set(addresses);
  }

  /** Undefined if there is no limit. */
  of(address: string): TokenBucket | undefined {
    if (this.#relays.has(address)) return undefined;
    let bucket = this.#targets.get(address);
    if (bucket === undefined) {
      bucket = new TokenBucket(UNPROVEN_TARGET_BURST, UNPROVEN_TARGET_REFILL_MS);
      this.#targets.set(address, bucket);
      if (this.#targets.size > MAX_TARGETS) this.#targets.delete(this.#targets.keys().next().value ?? "");
    }
    return bucket;
  }
}

/** What one peer can have checked. */
export class CheckBudget {
  readonly #targets: TargetBudget;
  readonly #peer = new TokenBucket(UNPROVEN_PEER_BURST, UNPROVEN_PEER_REFILL_MS);

  constructor(targets: TargetBudget) {
    this.#targets = targets;
  }

  /** Undefined if the path may be checked now, which then counts; else when it may be asked again. */
  take(path: Pick<Path, "peer" | "answeredAt">, now: Instant): Instant | undefined {
    if (path.answeredAt !== undefined) return undefined;
    const target = this.#targets.of(path.peer.address);
    const readyAt = Math.max(this.#peer.readyAt(now), target?.readyAt(now) ?? now) as Instant;
    if (readyAt > now) return readyAt;
    this.#peer.take(now);
    target?.take(now);
    return undefined;
  }
}
