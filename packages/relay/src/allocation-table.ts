import type { UdpAddress } from "@asterism/core/net";
import { earliest, type Instant, type WallTime } from "@asterism/core/time";
import type { AllocationId } from "@asterism/engine";
import { clientKey, type TurnClientAddress } from "./client.ts";
import type { ForwardingTable } from "./forwarding.ts";

export interface BoundChannel {
  readonly peer: UdpAddress;
  readonly expiresAt: Instant;
}

export interface Allocation {
  readonly id: AllocationId;
  readonly client: TurnClientAddress;
  readonly username: string;
  readonly user: string;
  readonly credentialsExpireAt: WallTime;
  /** As they are bound on this host; at most one of each family. A family is taken out when its part is deleted. */
  relayed: readonly UdpAddress[];
  expiresAt: Instant;
  readonly channels: Map<number, BoundChannel>; // bounded: by the engine, which refuses more
  /** The Allocate request that made it, whose repetition gets the same answer. */
  readonly transactionId: Uint8Array;
  readonly answer: readonly { readonly type: number; readonly value: Uint8Array }[];
}

interface User {
  readonly number: number;
  allocations: number;
}

export interface AllocationLimits {
  readonly maxAllocations: number;
  readonly maxAllocationsPerUser: number;
}

/** All allocations, by five-tuple; keeps the engine's table in step. */
export class AllocationTable {
  readonly #forwarding: ForwardingTable;
  readonly #limits: AllocationLimits;
  readonly #byClient = new Map<string, Allocation>(); // bounded: maxAllocations
  readonly #users = new Map<string, User>(); // bounded: one per user with an allocation
  #nextUserNumber = 1;
  /** No allocation ends before this. */
  #nextExpiry: Instant | undefined;

  constructor(forwarding: ForwardingTable, limits: AllocationLimits) {
    this.#forwarding = forwarding;
    this.#limits = limits;
  }

  get size(): number {
    return this.#byClient.size;
  }

  values(): IterableIterator<Allocation> {
    return this.#byClient.values();
  }

  find(client: TurnClientAddress): Allocation | undefined {
    return this.#byClient.get(clientKey(client));
  }

  /** Why the user may not have another one. */
  refusal(user: string): "user-quota" | "full" | undefined {
    if ((this.#users.get(user)?.allocations ?? 0) >= this.#limits.maxAllocationsPerUser) return "user-quota";
    return this.#byClient.size >= this.#limits.maxAllocations ? "full" : undefined;
  }

  /** The number by which the engine knows the user; it stays while the user has allocations. */
  userNumber(user: string): number {
    return this.#users.get(user)?.number ?? this.#nextUserNumber;
  }

  add(allocation: Allocation): void {
    this.#byClient.set(clientKey(allocation.client), allocation);
    let user = this.#users.get(allocation.user);
    if (user === undefined) {
      user = { number: this.#nextUserNumber, allocations: 0 };
      this.#nextUserNumber += 1;
      this.#users.set(allocation.user, user);
    }
    user.allocations += 1;
    this.#nextExpiry = earliest(this.#nextExpiry, allocation.expiresAt);
  }

  extend(allocation: Allocation, expiresAt: Instant): void {
    allocation.expiresAt = expiresAt;
    this.#nextExpiry = earliest(this.#nextExpiry, expiresAt);
    this.#forwarding.setExpiry(allocation.id, expiresAt);
  }

  remove(allocation: Allocation): void {
    this.#byClient.delete(clientKey(allocation.client));
    this.#forwarding.closeAllocation(allocation.id);
    const user = this.#users.get(allocation.user);
    if (user === undefined) return;
    user.allocations -= 1;
    if (user.allocations === 0) this.#users.delete(allocation.user);
  }

  pollTimeout(): Instant | undefined {
    return this.#nextExpiry;
  }

  /** Removes what is over. */
  handleTimeout(now: Instant): void {
    if (this.#nextExpiry === undefined || now < this.#nextExpiry) return;
    this.#nextExpiry = undefined;
    for (const allocation of [...this.#byClient.values()]) {
      if (now >= allocation.expiresAt) this.remove(allocation);
      else this.#nextExpiry = earliest(this.#nextExpiry, allocation.expiresAt);
    }
  }
}
