/** Types of the native module's relay functions. They take the handle first and return a status number or a value. */
import type { NativeFailure } from "./binding.ts";
import type { RelayEvent } from "./relay-contract.ts";

/** Opaque; made and understood by the native module only. */
export type NativeRelayHandle = object & { readonly __native: "relay" };

export interface RelayCountersLayout {
  readonly allocationsPerChunk: number;
  readonly allocationWords: number;
  readonly maxAllocations: number;
  readonly dropReasons: readonly string[];
}

export interface NativeRelay extends NativeFailure {
  readonly handle: NativeRelayHandle;
  readonly drops: ArrayBuffer;
}

export interface RelayBinding {
  readonly layout: RelayCountersLayout;
  open(
    threads: number,
    requestsPerSourcePerSecond: number,
    strangersPerSecond: number,
    onEvents: (events: readonly RelayEvent[]) => void,
  ): NativeRelay;
  close(relay: NativeRelayHandle): number;
  openListener(
    relay: NativeRelayHandle,
    port: number,
    ipv4: string | null,
    ipv6: string | null,
  ): NativeFailure & { readonly id: number; readonly port: number };
  closeListener(relay: NativeRelayHandle, id: number): number;
  openAllocation(
    relay: NativeRelayHandle,
    listenerId: number | null,
    clientAddress: string,
    clientPort: number,
    ipv4: string | null,
    ipv4Port: number,
    ipv6: string | null,
    ipv6Port: number,
    user: number,
    userBytesPerSecond: number,
    expiresAtMs: number,
  ): NativeFailure & { readonly id: number };
  closeAllocation(relay: NativeRelayHandle, id: number): number;
  setExpiry(relay: NativeRelayHandle, id: number, expiresAtMs: number): number;
  setPermission(
    relay: NativeRelayHandle,
    id: number,
    address: string,
    relayedOnly: boolean,
    expiresAtMs: number,
  ): number;
  setChannel(
    relay: NativeRelayHandle,
    id: number,
    channel: number,
    address: string,
    port: number,
    expiresAtMs: number,
  ): number;
  reply(relay: NativeRelayHandle, listenerId: number, address: string, port: number, bytes: Uint8Array): number;
  sendFrames(relay: NativeRelayHandle, id: number, bytes: Uint8Array): number;
  counterChunk(relay: NativeRelayHandle, index: number): ArrayBuffer | null;
}
