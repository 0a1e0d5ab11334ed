import type { UdpAddress } from "@asterism/core/net";
import type { Instant } from "@asterism/core/time";
import { loadBinding } from "./binding.ts";
import { readDropCounters } from "./counters.ts";
import { EngineError, type EngineErrorReason, reasonOf } from "./errors.ts";
import { linkFailure } from "./failures.ts";
import type { NativeRelay, NativeRelayHandle, RelayBinding } from "./relay-binding.ts";
import type {
  AllocationCounters,
  AllocationId,
  AllocationOptions,
  ListenerId,
  OnRelayEvents,
  RelayDevice,
  RelayDeviceOptions,
  RelayListenerInfo,
  RelayListenerOptions,
} from "./relay-contract.ts";

const DEFAULT_REQUESTS_PER_SOURCE_PER_SECOND = 500;
const DEFAULT_STRANGERS_PER_SECOND = 5_000;
const NS_PER_MS = 1e6;

/** Starts the data threads. `onEvents` is called on this thread, never during a command. Needs no root rights. */
export function openRelayDevice(options: RelayDeviceOptions, onEvents: OnRelayEvents): RelayDevice {
  const binding = loadBinding().relay;
  const native = binding.open(
    options.threads === undefined || options.threads === "auto" ? 0 : options.threads,
    options.requestsPerSourcePerSecond ?? DEFAULT_REQUESTS_PER_SOURCE_PER_SECOND,
    options.strangersPerSecond ?? DEFAULT_STRANGERS_PER_SECOND,
    onEvents,
  );
  if (native.status !== 0) throw refusal(native.status, "to open the relay");
  return new NativeRelayDevice(binding, native);
}

class NativeRelayDevice implements RelayDevice {
  readonly #binding: RelayBinding;
  readonly #handle: NativeRelayHandle;
  readonly #drops: BigUint64Array;
  readonly #chunks: BigUint64Array[] = []; // bounded: by the engine's table of allocations
  #closed = false;

  constructor(binding: RelayBinding, native: NativeRelay) {
    this.#binding = binding;
    this.#handle = native.handle;
    this.#drops = new BigUint64Array(native.drops);
  }

  openListener({ address, port }: RelayListenerOptions): RelayListenerInfo {
    this.#requireOpen();
    const [ipv4, ipv6] = byFamily(address);
    const listener = this.#binding.openListener(this.#handle, port, ipv4, ipv6);
    if (listener.status !== 0) throw linkFailure(listener, { port, ipv4, ipv6 });
    return { id: listener.id, port: listener.port };
  }

  closeListener(id: ListenerId): void {
    this.#require(this.#binding.closeListener(this.#handle, id), "to close a listener");
  }

  openAllocation(options: AllocationOptions): AllocationId | undefined {
    this.#requireOpen();
    const { client, relayed } = options;
    const ipv4 = relayed.find(({ address }) => !address.includes(":"));
    const ipv6 = relayed.find(({ address }) => address.includes(":"));
    const opened = this.#binding.openAllocation(
      this.#handle,
      client?.listenerId ?? null,
      client?.remote.address ?? "",
      client?.remote.port ?? 0,
      ipv4?.address ?? null,
      ipv4?.port ?? 0,
      ipv6?.address ?? null,
      ipv6?.port ?? 0,
      options.user,
      options.userBytesPerSecond,
      options.expiresAt,
    );
    if (opened.status === 0) return opened.id;
    if (reasonOf(opened.status) === "port-in-use") return undefined;
    throw refusal(opened.status, "an allocation", { system: opened.what, errno: opened.errno });
  }

  closeAllocation(id: AllocationId): void {
    this.#require(this.#binding.closeAllocation(this.#handle, id), "to close an allocation");
  }

  setExpiry(id: AllocationId, expiresAt: Instant): void {
    this.#require(this.#binding.setExpiry(this.#handle, id, expiresAt), "a lifetime");
  }

  setPermission(id: AllocationId, address: string, relayedOnly: boolean, expiresAt: Instant): boolean {
    const status = this.#binding.setPermission(this.#handle, id, address, relayedOnly, expiresAt);
    return this.#requireUnless("too-many-paths", status, "a permission");
  }

  setChannel(id: AllocationId, channel: number, { address, port }: UdpAddress, expiresAt: Instant): boolean {
    const status = this.#binding.setChannel(this.#handle, id, channel, address, port, expiresAt);
    return this.#requireUnless("too-many-paths", status, "a channel");
  }

  reply(listenerId: ListenerId, { address, port }: UdpAddress, bytes: Uint8Array): void {
    this.#require(this.#binding.reply(this.#handle, listenerId, address, port, bytes), "an answer");
  }

  sendFrames(id: AllocationId, bytes: Uint8Array): void {
    this.#requireUnless("unknown-peer", this.#binding.sendFrames(this.#handle, id, bytes), "frames");
  }

  readAllocation(id: AllocationId): AllocationCounters {
    this.#requireOpen();
    const { layout } = this.#binding;
    const place = id % layout.maxAllocations;
    const words = this.#chunk(Math.floor(place / layout.allocationsPerChunk));
    const start = (place % layout.allocationsPerChunk) * layout.allocationWords;
    const word = (index: number): number => Number(words[start + index] ?? 0n);
    return {
      toPeerPackets: word(0),
      toPeerBytes: word(1),
      toClientPackets: word(2),
      toClientBytes: word(3),
      lastToPeerAt: (word(4) / NS_PER_MS) as Instant,
      lastToClientAt: (word(5) / NS_PER_MS) as Instant,
    };
  }

  readDrops(): Readonly<Record<string, number>> {
    this.#requireOpen();
    return readDropCounters(this.#drops, this.#binding.layout);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#binding.close(this.#handle);
  }

  #chunk(index: number): BigUint64Array {
    const known = this.#chunks[index];
    if (known !== undefined) return known;
    const chunk = this.#binding.counterChunk(this.#handle, index);
    if (chunk === null) throw new EngineError("unknown-peer", `There are no counters for chunk ${index}.`);
    const words = new BigUint64Array(chunk);
    this.#chunks[index] = words;
    return words;
  }

  #requireOpen(): void {
    if (this.#closed) throw new EngineError("closed", "The relay device is closed; open another one.");
  }

  #require(status: number, what: string): void {
    if (status === 0) return;
    this.#requireOpen();
    throw refusal(status, what);
  }

  /** False for the one refusal that is the caller's to handle. */
  #requireUnless(reason: EngineErrorReason, status: number, what: string): boolean {
    if (status !== 0 && reasonOf(status) === reason) return false;
    this.#require(status, what);
    return true;
  }
}

function byFamily(address: string): readonly [ipv4: string | null, ipv6: string | null] {
  return address.includes(":") ? [null, address] : [address, null];
}

function refusal(status: number, what: string, details: Record<string, string | number> = {}): EngineError {
  const reason = reasonOf(status);
  return new EngineError(reason, `The packet engine refused ${what}: ${reason.replaceAll("-", " ")}.`, details);
}
