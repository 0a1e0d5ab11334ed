/** The translation state of a NAT in the words of RFC 4787. */
import { formatUdpAddress, type UdpAddress } from "@asterism/core/net";
import { type PortAllocation, PortAllocator } from "./port-allocator.ts";
import { RecentUses } from "./recent-uses.ts";
import type { SeededRandom } from "./seeded-random.ts";

/** RFC 4787 §4.1 for mapping, §5 for filtering. */
export type NatBehaviour = "endpoint-independent" | "address-dependent" | "address-and-port-dependent";

export const NAT_BEHAVIOURS: readonly NatBehaviour[] = [
  "endpoint-independent",
  "address-dependent",
  "address-and-port-dependent",
];

export interface NatOptions {
  readonly mapping: NatBehaviour;
  readonly filtering: NatBehaviour;
  readonly ports?: PortAllocation;
  /** A mapping that nothing has gone out through for this long is forgotten. */
  readonly mappingTimeoutMs?: number;
  /** What keeps a mapping (RFC 4787 §4.3): packets from inside, the default, or those from outside as well. */
  readonly refreshedBy?: "outbound" | "both";
  /** Packets from inside to the outside address of another host inside are turned round (RFC 4787 §6). */
  readonly hairpin?: boolean;
}

interface Mapping {
  readonly inside: UdpAddress;
  readonly port: number;
  usedAtMs: number;
  /** Where packets went, by the granularity of the filter, and when last. */
  readonly permitted: RecentUses;
}

const DEFAULT_TIMEOUT_MS = 120_000;

export class NatTable {
  readonly #options: NatOptions;
  readonly #ports: PortAllocator;
  readonly #byInside = new Map<string, Mapping>(); // bounded: PORTS, expired ones swept
  readonly #byPort = new Map<number, Mapping>(); // bounded: PORTS, expired ones swept
  readonly #forwards = new Map<number, UdpAddress>(); // bounded: by the scenario

  constructor(options: NatOptions, random: SeededRandom) {
    this.#options = options;
    this.#ports = new PortAllocator(options.ports ?? { kind: "preserving" }, random);
  }

  get mappings(): number {
    return this.#byPort.size;
  }

  /** A permanent mapping, as made by hand or by PCP. */
  forward(port: number, inside: UdpAddress): void {
    this.#forwards.set(port, inside);
  }

  /** The external port for a packet that goes out. */
  outbound(inside: UdpAddress, remote: UdpAddress, nowMs: number): number | undefined {
    const forwarded = this.#forwardedPort(inside);
    if (forwarded !== undefined) return forwarded;
    const key = `${formatUdpAddress(inside)} ${granularity(this.#options.mapping, remote)}`;
    let mapping = this.#byInside.get(key);
    if (mapping === undefined || this.#isExpired(mapping, nowMs)) {
      this.#sweep(nowMs);
      const port = this.#ports.take(inside.port, (candidate) => this.#isFree(candidate), nowMs);
      if (port === undefined) return undefined;
      mapping = { inside, port, usedAtMs: nowMs, permitted: new RecentUses(this.#timeoutMs()) };
      this.#byInside.set(key, mapping);
      this.#byPort.set(port, mapping);
    }
    mapping.usedAtMs = nowMs;
    mapping.permitted.note(granularity(this.#options.filtering, remote), nowMs);
    return mapping.port;
  }

  /** The host inside that a packet to this port is for, or why it is dropped. */
  inbound(port: number, remote: UdpAddress, nowMs: number): UdpAddress | string {
    const forwarded = this.#forwards.get(port);
    if (forwarded !== undefined) return forwarded;
    const mapping = this.#byPort.get(port);
    if (mapping === undefined || this.#isExpired(mapping, nowMs)) return "no NAT mapping";
    const isPermitted = mapping.permitted.isRecent(granularity(this.#options.filtering, remote), nowMs);
    if (!isPermitted) return "filtered by the NAT";
    if (this.#options.refreshedBy === "both") {
      mapping.usedAtMs = nowMs;
      mapping.permitted.note(granularity(this.#options.filtering, remote), nowMs);
    }
    return mapping.inside;
  }

  /** Forgets everything but the forwards, as a reboot does. */
  clear(): void {
    this.#byInside.clear();
    this.#byPort.clear();
  }

  #forwardedPort(inside: UdpAddress): number | undefined {
    for (const [port, target] of this.#forwards) {
      if (target.address === inside.address && target.port === inside.port) return port;
    }
    return undefined;
  }

  #isFree(port: number): boolean {
    return !this.#byPort.has(port) && !this.#forwards.has(port);
  }

  #isExpired(mapping: Mapping, nowMs: number): boolean {
    return nowMs - mapping.usedAtMs >= this.#timeoutMs();
  }

  #timeoutMs(): number {
    return this.#options.mappingTimeoutMs ?? DEFAULT_TIMEOUT_MS;
  }

  #sweep(nowMs: number): void {
    for (const [key, mapping] of this.#byInside) {
      if (!this.#isExpired(mapping, nowMs)) continue;
      this.#byInside.delete(key);
      this.#byPort.delete(mapping.port);
    }
  }
}

/** The part of a remote address that a behaviour tells apart. */
function granularity(behaviour: NatBehaviour, remote: UdpAddress): string {
  if (behaviour === "endpoint-independent") return "";
  return behaviour === "address-dependent" ? remote.address : formatUdpAddress(remote);
}
