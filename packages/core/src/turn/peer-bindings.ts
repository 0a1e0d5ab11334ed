/** The peers that a client wants to reach through its allocation, and what the relay has granted for them. */
import { backOffDelayMs } from "../back-off.ts";
import { formatUdpAddress, type UdpAddress } from "../net/index.ts";
import type { RandomBytes } from "../random.ts";
import { addMs, earliest, type Instant } from "../time.ts";
import { MAX_CHANNEL, MIN_CHANNEL } from "./channel-data.ts";
import type { TurnPeerSnapshot } from "./client-types.ts";
import { CHANNEL_REST_MS, MAX_PEERS, PERMISSION_REFRESH_MS, RETRY_BACK_OFF } from "./timings.ts";

export interface PeerBinding {
  readonly key: string;
  /** Without a channel only the address counts. */
  readonly peer: UdpAddress;
  /** Null: a permission alone is wanted. */
  readonly channel: number | null;
  state: TurnPeerSnapshot["state"];
  /** By the present allocation, also while it is being renewed. */
  isGranted: boolean;
  /** When to ask the relay (again). */
  dueAt: Instant | undefined;
  failures: number;
}

interface RestingChannel {
  readonly peerKey: string;
  readonly until: Instant;
}

export class PeerBindings {
  readonly #random: RandomBytes;
  readonly #byKey = new Map<string, PeerBinding>(); // bounded: MAX_PEERS
  readonly #byChannel = new Map<number, PeerBinding>(); // bounded: MAX_PEERS
  /** Numbers that the relay may still have bound to a former peer. */
  readonly #resting = new Map<number, RestingChannel>(); // bounded: numbers of channels
  #nextChannel = MIN_CHANNEL;

  constructor(random: RandomBytes) {
    this.#random = random;
  }

  /** The binding of a peer, new or old; undefined if there are too many. A refused one is asked for again. */
  want(peer: UdpAddress, kind: "channel" | "permission", now: Instant): PeerBinding | undefined {
    const key = kind === "channel" ? formatUdpAddress(peer) : permissionKey(peer.address);
    const known = this.#byKey.get(key);
    if (known !== undefined) {
      if (known.state === "refused") Object.assign(known, { state: "wanted", dueAt: now });
      return known;
    }
    if (this.#byKey.size >= MAX_PEERS) return undefined;
    const channel = kind === "channel" ? this.#takeChannel(key, now) : null;
    if (channel === undefined) return undefined;
    const binding: PeerBinding = { key, peer, channel, state: "wanted", isGranted: false, dueAt: now, failures: 0 };
    this.#byKey.set(key, binding);
    if (channel !== null) this.#byChannel.set(channel, binding);
    return binding;
  }

  /** Lets a channel run out; there is no way to unbind one. */
  release(peer: UdpAddress, kind: "channel" | "permission", now: Instant): void {
    const key = kind === "channel" ? formatUdpAddress(peer) : permissionKey(peer.address);
    const binding = this.#byKey.get(key);
    this.#byKey.delete(key);
    if (binding === undefined || binding.channel === null) return;
    this.#byChannel.delete(binding.channel);
    this.#resting.set(binding.channel, { peerKey: key, until: addMs(now, CHANNEL_REST_MS) });
  }

  get(key: string): PeerBinding | undefined {
    return this.#byKey.get(key);
  }

  getByChannel(channel: number): PeerBinding | undefined {
    return this.#byChannel.get(channel);
  }

  /** Whether the relay may forward from this address: for a permission or any channel's peer. */
  isWanted(address: string): boolean {
    if (this.#byKey.has(permissionKey(address))) return true;
    for (const { peer } of this.#byKey.values()) if (peer.address === address) return true;
    return false;
  }

  /** The next one to ask for. */
  takeDue(now: Instant): PeerBinding | undefined {
    for (const binding of this.#byKey.values()) {
      if (binding.state === "requested" || binding.dueAt === undefined || binding.dueAt > now) continue;
      binding.state = "requested";
      return binding;
    }
    return undefined;
  }

  nextAt(): Instant | undefined {
    let next: Instant | undefined;
    for (const { state, dueAt } of this.#byKey.values()) if (state !== "requested") next = earliest(next, dueAt);
    return next;
  }

  grant(binding: PeerBinding, now: Instant): void {
    binding.state = "granted";
    binding.isGranted = true;
    binding.failures = 0;
    binding.dueAt = addMs(now, PERMISSION_REFRESH_MS);
  }

  refuse(binding: PeerBinding): void {
    binding.state = "refused";
    binding.isGranted = false;
    binding.dueAt = undefined;
  }

  /** No verdict: asked again later. */
  postpone(binding: PeerBinding, now: Instant): void {
    binding.state = "wanted";
    binding.dueAt = addMs(now, Math.ceil(backOffDelayMs(RETRY_BACK_OFF, binding.failures, this.#random)));
    binding.failures += 1;
  }

  /** The allocation is gone and with it everything granted; a new one knows no former channels either. */
  reset(now: Instant): void {
    this.#resting.clear();
    for (const binding of this.#byKey.values()) {
      Object.assign(binding, { state: "wanted", isGranted: false, dueAt: now, failures: 0 });
    }
  }

  snapshot(): TurnPeerSnapshot[] {
    return Array.from(this.#byKey.values(), ({ peer, channel, state }) => ({ peer, channel, state }));
  }

  #takeChannel(peerKey: string, now: Instant): number | undefined {
    for (const [channel, resting] of this.#resting) {
      if (resting.peerKey !== peerKey && resting.until > now) continue;
      this.#resting.delete(channel);
      if (resting.peerKey === peerKey) return channel;
    }
    for (let tries = MIN_CHANNEL; tries <= MAX_CHANNEL; tries++) {
      const channel = this.#nextChannel;
      this.#nextChannel = channel === MAX_CHANNEL ? MIN_CHANNEL : channel + 1;
      if (!this.#byChannel.has(channel) && !this.#resting.has(channel)) return channel;
    }
    return undefined;
  }
}

/** A permission is for an address, whatever the port. */
function permissionKey(address: string): string {
  return `permission ${address}`;
}
