/**
 * What TypeScript may ask of the relay half of the packet engine, and what it tells.
 *
 * It forwards between TURN clients and peers (RFC 8656) by tables that TypeScript writes, and answers nothing by itself:
 * STUN requests come up as events. Commands are synchronous. Data of UDP clients never becomes a JavaScript object; data
 * of clients behind TCP or TLS comes up as ready frames, many at once.
 *
 * Misuse throws `EngineError`; it never crashes.
 */
import type { UdpAddress } from "@asterism/core/net";
import type { Instant } from "@asterism/core/time";

export type ListenerId = number;

/** Never used again while the device is open. */
export type AllocationId = number;

export interface RelayDeviceOptions {
  /** 1–8 that share the clients among them; `auto` is one per core that this process may use. */
  readonly threads?: "auto" | number;
  /** Requests that come up per second of one IPv4 address or IPv6 /64; twice as many at once. Default 500. */
  readonly requestsPerSourcePerSecond?: number;
  /** Requests that come up per second of all clients without an allocation together. Default 5,000. */
  readonly strangersPerSecond?: number;
}

export interface RelayListenerOptions {
  /** Numeric address of this host. */
  readonly address: string;
  /** 0 lets the kernel choose. */
  readonly port: number;
}

export interface RelayListenerInfo {
  readonly id: ListenerId;
  readonly port: number;
}

export interface AllocationOptions {
  /** Where the client's datagrams come from and to; null if a stream carries them. */
  readonly client: { readonly listenerId: ListenerId; readonly remote: UdpAddress } | null;
  /** Addresses of this host with free ports: one, or one of each family. */
  readonly relayed: readonly UdpAddress[];
  /** Allocations with equal numbers share the limit of bytes. */
  readonly user: number;
  /** Of the user, in each direction; 0 is unlimited. The newest value counts for all of the user's allocations. */
  readonly userBytesPerSecond: number;
  /** The engine forwards nothing after this. */
  readonly expiresAt: Instant;
}

export type RelayEvent =
  /** A STUN message of a UDP client, other than a Send indication. */
  | {
      readonly kind: "request";
      /** Written by RFC 3489: a Binding request without the magic cookie. */
      readonly classic: boolean;
      readonly listenerId: ListenerId;
      readonly from: UdpAddress;
      readonly bytes: Uint8Array;
    }
  /** Whole frames (padded ChannelData, Data indications) for the client of an allocation that a stream carries. */
  | { readonly kind: "frames"; readonly allocationId: AllocationId; readonly bytes: Uint8Array };

export type OnRelayEvents = (events: readonly RelayEvent[]) => void;

/** Payload without headers of TURN, since the allocation was opened. Times are 0 if it never happened. */
export interface AllocationCounters {
  readonly toPeerPackets: number;
  readonly toPeerBytes: number;
  readonly toClientPackets: number;
  readonly toClientBytes: number;
  readonly lastToPeerAt: Instant;
  readonly lastToClientAt: Instant;
}

export interface RelayDevice {
  /** Throws EngineError `port-in-use`, `address-not-available`, … */
  openListener(options: RelayListenerOptions): RelayListenerInfo;
  /** Its allocations must be closed before. */
  closeListener(id: ListenerId): void;

  /** Undefined if one of the ports is taken. */
  openAllocation(options: AllocationOptions): AllocationId | undefined;
  closeAllocation(id: AllocationId): void;
  setExpiry(id: AllocationId, expiresAt: Instant): void;
  /**
   * Lets the allocation talk with every port of `address` until `expiresAt`. `relayedOnly`, for addresses of this host:
   * only with ports that are relayed addresses. False if the allocation has too many permissions.
   */
  setPermission(id: AllocationId, address: string, relayedOnly: boolean, expiresAt: Instant): boolean;
  /** Binds the channel to the peer; the permission is apart. False if the allocation has too many channels. */
  setChannel(id: AllocationId, channel: number, peer: UdpAddress, expiresAt: Instant): boolean;

  /** Sends a datagram to a client as it is. */
  reply(listenerId: ListenerId, to: UdpAddress, bytes: Uint8Array): void;
  /** Forwards whole frames (ChannelData, Send indications) of a client behind a stream. Unknown allocations are ignored. */
  sendFrames(id: AllocationId, bytes: Uint8Array): void;

  readAllocation(id: AllocationId): AllocationCounters;
  /** Datagrams dropped since the device was opened, by reason. */
  readDrops(): Readonly<Record<string, number>>;
  close(): void;
}
