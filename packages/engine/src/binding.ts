/**
 * The one place that touches the native module: loads it, checks that it fits, and types it.
 *
 * Functions take the device handle first and return a status number (0: done) or a value.
 */
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import type { EngineEvent } from "./contract.ts";
import { EngineError } from "./errors.ts";
import type { NetworkEvent } from "./network-watch.ts";
import type { RelayBinding } from "./relay-binding.ts";

const ABI_VERSION = 6;
const COUNTERS_LAYOUT_VERSION = 2;
const MODULE_PATH = fileURLToPath(new URL("../native/build/asterism-engine.node", import.meta.url));

/** Opaque; made and understood by the native module only. */
export type NativeHandle = object & { readonly __native: "device" };

export interface CountersLayout {
  readonly version: number;
  readonly peersPerChunk: number;
  readonly peerWords: number;
  readonly peerHeaderWords: number;
  readonly pathWords: number;
  readonly maxPaths: number;
  readonly dropReasons: readonly string[];
}

export interface NativeFailure {
  readonly status: number;
  readonly errno: number;
  readonly what: string;
}

export interface NativeDevice extends NativeFailure {
  readonly handle: NativeHandle;
  readonly interfaceName: string;
  readonly interfaceIndex: number;
  readonly tso: boolean;
  readonly uso: boolean;
  readonly udpGso: boolean;
  readonly udpGro: boolean;
  readonly drops: ArrayBuffer;
}

export interface NativeLink extends NativeFailure {
  readonly id: number;
  readonly port: number;
  readonly ipv4: boolean;
  readonly ipv6: boolean;
}

/** linkId, address, port, channel (0 for none), relayed, weight, mtuBytes, capBytesPerSecond (0 for none) */
export type NativePath = readonly [number, string, number, number, boolean, number, number, number];

export type NativeWatchHandle = object & { readonly __native: "network-watch" };

export interface NetworkBinding {
  watch(onEvents: (events: readonly NetworkEvent[]) => void): NativeFailure & { readonly handle: NativeWatchHandle };
  unwatch(handle: NativeWatchHandle): number;
}

export interface Binding {
  readonly abiVersion: number;
  readonly relay: RelayBinding;
  readonly network: NetworkBinding;
  readonly layout: CountersLayout;
  describe(): { readonly crypto: boolean; readonly onePass: boolean };
  /** Milliseconds of the engine's clock. */
  now(): number;
  open(
    interfaceName: string,
    mtuBytes: number,
    publicKey: Uint8Array,
    pingIdentifier: number,
    threads: number,
    workers: number,
    onEvents: (events: readonly EngineEvent[]) => void,
  ): NativeDevice;
  close(device: NativeHandle): number;
  openLink(
    device: NativeHandle,
    port: number,
    ipv4: string | null,
    ipv6: string | null,
    bindInterface: string | null,
    mark: number,
  ): NativeLink;
  openStreamLink(device: NativeHandle, address: string, port: number): NativeFailure & { readonly id: number };
  receiveFrames(device: NativeHandle, linkId: number, bytes: Uint8Array): number;
  closeLink(device: NativeHandle, linkId: number): number;
  /** The peer's id, or minus the status. */
  addPeer(device: NativeHandle): number;
  removePeer(device: NativeHandle, peerId: number): number;
  dropStaged(device: NativeHandle, peerId: number): number;
  sendKeepalive(device: NativeHandle, peerId: number): number;
  setAllowedIps(device: NativeHandle, peerId: number, prefixes: readonly string[]): number;
  /** The counter slot of each path, or the status. */
  setPaths(
    device: NativeHandle,
    peerId: number,
    paths: readonly NativePath[],
    mode: number,
  ): number | readonly number[];
  installSession(
    device: NativeHandle,
    peerId: number,
    localIndex: number,
    remoteIndex: number,
    sendKey: Uint8Array,
    receiveKey: Uint8Array,
    aead: number,
    initiator: boolean,
    expiresAtMs: number,
  ): number;
  removeSession(device: NativeHandle, peerId: number, localIndex: number): number;
  send(
    device: NativeHandle,
    linkId: number,
    address: string,
    port: number,
    channel: number,
    bytes: Uint8Array,
    dontFragment: boolean,
  ): number;
  sendInner(device: NativeHandle, peerId: number, packet: Uint8Array): number;
  counterChunk(device: NativeHandle, index: number): ArrayBuffer | null;
}

let loaded: Binding | undefined;

/** Loads the native module once. Throws EngineError `not-built` or `wrong-version`. */
export function loadBinding(modulePath: string = MODULE_PATH): Binding {
  if (loaded !== undefined && modulePath === MODULE_PATH) return loaded;
  const binding = requireModule(modulePath);
  if (binding.abiVersion !== ABI_VERSION || binding.layout.version !== COUNTERS_LAYOUT_VERSION) {
    throw new EngineError(
      "wrong-version",
      `The built packet engine does not fit this version of Asterism (ABI ${binding.abiVersion}, ${ABI_VERSION} wanted). ` +
        "Build it again: npm run build",
      { path: modulePath },
    );
  }
  if (modulePath === MODULE_PATH) loaded = binding;
  return binding;
}

function requireModule(modulePath: string): Binding {
  try {
    // SAFETY: the module's version, which stands for its whole interface, is checked by the caller.
    return createRequire(import.meta.url)(modulePath) as Binding;
  } catch (cause) {
    throw new EngineError(
      "not-built",
      "The packet engine can't be loaded. Build it (needs g++ and make): npm run build",
      { path: modulePath },
      cause,
    );
  }
}
