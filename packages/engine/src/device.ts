import type { LinkId, PathAddress, UdpAddress } from "@asterism/core/net";
import { type Binding, loadBinding, type NativeDevice, type NativeHandle, type NativePath } from "./binding.ts";
import type {
  Aead,
  DeviceOptions,
  EngineDevice,
  EnginePath,
  LinkInfo,
  LinkOptions,
  OnEvents,
  PathCounters,
  PathMode,
  PeerCounters,
  PeerId,
  SessionOptions,
} from "./contract.ts";
import { PeerCounterBlock, readDropCounters } from "./counters.ts";
import { EngineError, reasonOf } from "./errors.ts";
import { linkFailure, openFailure } from "./failures.ts";

const AEAD_NUMBERS: Readonly<Record<Aead, number>> = { "chacha20-poly1305": 0, "aes-256-gcm": 1 };

const MODE_NUMBERS: Readonly<Record<PathMode, number>> = { best: 0, redundant: 1, aggregate: 2, auto: 3 };

/** Lets the engine choose by the number of cores. */
const AUTO_WORKERS = 0xffff_ffff;

/**
 * Creates the overlay interface and starts the data threads. The interface has no address and is down.
 *
 * `onEvents` is called on this thread, never during a command. Throws EngineError: see `failures.ts`.
 */
export function openDevice(options: DeviceOptions, onEvents: OnEvents): EngineDevice {
  const binding = loadBinding();
  requireBytes("publicKey", options.publicKey, 32);
  const threads = options.threads === undefined || options.threads === "auto" ? 0 : options.threads;
  const workers = options.workers === undefined || options.workers === "auto" ? AUTO_WORKERS : options.workers;
  const native = binding.open(
    options.interfaceName,
    options.mtuBytes,
    options.publicKey,
    options.pingIdentifier,
    threads,
    workers,
    onEvents,
  );
  if (native.status !== 0) throw openFailure(native, options);
  return new NativeEngineDevice(binding, native);
}

interface PeerEntry {
  readonly counters: PeerCounterBlock;
  paths: readonly EnginePath[];
  slots: readonly number[];
}

class NativeEngineDevice implements EngineDevice {
  readonly interfaceName: string;
  readonly interfaceIndex: number;
  readonly offloads: Readonly<Record<"tso" | "uso" | "udpGso" | "udpGro", boolean>>;

  readonly #binding: Binding;
  readonly #handle: NativeHandle;
  readonly #drops: BigUint64Array;
  readonly #chunks: ArrayBuffer[] = []; // bounded: by the engine's table of peers
  readonly #peers = new Map<PeerId, PeerEntry>(); // bounded: by the engine's table of peers
  #closed = false;

  constructor(binding: Binding, native: NativeDevice) {
    this.interfaceName = native.interfaceName;
    this.interfaceIndex = native.interfaceIndex;
    this.offloads = { tso: native.tso, uso: native.uso, udpGso: native.udpGso, udpGro: native.udpGro };
    this.#binding = binding;
    this.#handle = native.handle;
    this.#drops = new BigUint64Array(native.drops);
  }

  openLink(options: LinkOptions): LinkInfo {
    this.#requireOpen();
    const link = this.#binding.openLink(
      this.#handle,
      options.port,
      options.ipv4,
      options.ipv6,
      options.bindInterface ?? null,
      options.mark ?? 0,
    );
    if (link.status !== 0) throw linkFailure(link, options);
    return { id: link.id, port: link.port, ipv4: link.ipv4, ipv6: link.ipv6 };
  }

  openStreamLink({ address, port }: UdpAddress): LinkId {
    this.#requireOpen();
    const link = this.#binding.openStreamLink(this.#handle, address, port);
    this.#require(link.status, "openStreamLink", { address, port, errno: link.errno });
    return link.id;
  }

  receiveFrames(id: LinkId, bytes: Uint8Array): boolean {
    const status = this.#binding.receiveFrames(this.#handle, id, bytes);
    if (status !== 0 && reasonOf(status) === "invalid-argument") return false;
    this.#require(status, "receiveFrames", { linkId: id });
    return true;
  }

  closeLink(id: LinkId): void {
    this.#require(this.#binding.closeLink(this.#handle, id), "closeLink", { linkId: id });
  }

  addPeer(): PeerId {
    const id = this.#binding.addPeer(this.#handle);
    if (id < 0) this.#require(-id, "addPeer", {});
    const perChunk = this.#binding.layout.peersPerChunk;
    const counters = new PeerCounterBlock(this.#chunk(Math.floor(id / perChunk)), id % perChunk, this.#binding.layout);
    this.#peers.set(id, { counters, paths: [], slots: [] });
    return id;
  }

  removePeer(peerId: PeerId): void {
    this.#require(this.#binding.removePeer(this.#handle, peerId), "removePeer", { peerId });
    this.#peers.delete(peerId);
  }

  setAllowedIps(peerId: PeerId, prefixes: readonly string[]): void {
    const status = this.#binding.setAllowedIps(this.#handle, peerId, prefixes);
    this.#require(status, "setAllowedIps", { peerId, prefixes });
  }

  setPaths(peerId: PeerId, paths: readonly EnginePath[], mode: PathMode): void {
    const native = paths.map(toNativePath);
    const slots = this.#binding.setPaths(this.#handle, peerId, native, MODE_NUMBERS[mode]);
    if (typeof slots === "number") {
      this.#require(slots, "setPaths", { peerId, paths: JSON.stringify(paths) });
      return;
    }
    const peer = this.#peer(peerId);
    peer.paths = paths.map((path) => ({ ...path }));
    peer.slots = slots;
  }

  installSession(peerId: PeerId, session: SessionOptions): void {
    requireBytes("sendKey", session.sendKey, 32);
    requireBytes("receiveKey", session.receiveKey, 32);
    const status = this.#binding.installSession(
      this.#handle,
      peerId,
      session.localIndex,
      session.remoteIndex,
      session.sendKey,
      session.receiveKey,
      AEAD_NUMBERS[session.aead],
      session.role === "initiator",
      session.expiresAt,
    );
    this.#require(status, "installSession", { peerId, localIndex: session.localIndex });
  }

  removeSession(peerId: PeerId, localIndex: number): void {
    const status = this.#binding.removeSession(this.#handle, peerId, localIndex);
    if (status !== 0 && reasonOf(status) === "unknown-session") return;
    this.#require(status, "removeSession", { peerId, localIndex });
  }

  dropStaged(peerId: PeerId): void {
    this.#require(this.#binding.dropStaged(this.#handle, peerId), "dropStaged", { peerId });
  }

  send(to: PathAddress, bytes: Uint8Array, dontFragment = false): void {
    const { address, port } = to.remote;
    const status = this.#binding.send(this.#handle, to.linkId, address, port, to.channel ?? 0, bytes, dontFragment);
    this.#require(status, "send", { linkId: to.linkId, address, port, lengthBytes: bytes.length });
  }

  sendKeepalive(peerId: PeerId): void {
    this.#require(this.#binding.sendKeepalive(this.#handle, peerId), "sendKeepalive", { peerId });
  }

  sendInner(peerId: PeerId, packet: Uint8Array): void {
    const status = this.#binding.sendInner(this.#handle, peerId, packet);
    this.#require(status, "sendInner", { peerId, lengthBytes: packet.length });
  }

  readPeer(peerId: PeerId): PeerCounters {
    return this.#peer(peerId).counters.readPeer();
  }

  readPaths(peerId: PeerId): PathCounters[] {
    const { counters, paths, slots } = this.#peer(peerId);
    return paths.map((path, index) => counters.readPath(path, slots[index] ?? 0));
  }

  readDrops(): Readonly<Record<string, number>> {
    this.#requireOpen();
    return readDropCounters(this.#drops, this.#binding.layout);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#peers.clear();
    this.#binding.close(this.#handle);
  }

  #chunk(index: number): ArrayBuffer {
    const known = this.#chunks[index];
    if (known !== undefined) return known;
    const chunk = this.#binding.counterChunk(this.#handle, index);
    if (chunk === null) throw new EngineError("unknown-peer", `There are no counters for chunk ${index}.`);
    this.#chunks[index] = chunk;
    return chunk;
  }

  #peer(peerId: PeerId): PeerEntry {
    this.#requireOpen();
    const peer = this.#peers.get(peerId);
    if (peer === undefined) throw new EngineError("unknown-peer", `Peer ${peerId} is not in the engine.`);
    return peer;
  }

  #requireOpen(): void {
    if (this.#closed) throw new EngineError("closed", "The engine device is closed; open another one.");
  }

  #require(status: number, command: string, details: Record<string, string | number | readonly string[]>): void {
    if (status === 0) return;
    this.#requireOpen();
    const reason = reasonOf(status);
    throw new EngineError(reason, `The engine refused ${command}: ${reason.replaceAll("-", " ")}.`, details);
  }
}

function toNativePath(path: EnginePath): NativePath {
  const { linkId, remote, channel, relayed, weight, mtuBytes, capBytesPerSecond } = path;
  return [linkId, remote.address, remote.port, channel ?? 0, relayed, weight, mtuBytes, capBytesPerSecond ?? 0];
}

function requireBytes(name: string, bytes: Uint8Array, lengthBytes: number): void {
  if (bytes.length === lengthBytes) return;
  throw new EngineError("invalid-argument", `${name} must be ${lengthBytes} bytes long, not ${bytes.length}.`);
}
