import { formatUdpAddress } from "@asterism/core/net";
import type { Packet } from "./packet.ts";

export interface LogEntry {
  readonly atMs: number;
  /** Device that sent or forwarded. */
  readonly from: string;
  /** Device that got the packet, or where it was dropped. */
  readonly to: string;
  readonly packet: Packet;
  /** Why it was dropped; null if it arrived. */
  readonly dropped: string | null;
}

const MAX_ENTRIES = 5_000;
const MAX_LINES = 300;

/** What went over the wires, for the reader of a failed test. */
export class PacketLog {
  readonly #entries: LogEntry[] = []; // bounded: twice MAX_ENTRIES, oldest dropped
  readonly #drops = new Map<string, number>(); // bounded: number of reasons
  #delivered = 0;
  #total = 0;

  /** The last packets, by lines of the way: a packet that a router forwards is there twice. */
  get entries(): readonly LogEntry[] {
    return this.#entries.slice(-MAX_ENTRIES);
  }

  /** Packets that reached a device. */
  get delivered(): number {
    return this.#delivered;
  }

  /** Packets that reached a device or were dropped. */
  get total(): number {
    return this.#total;
  }

  /** Packets that were dropped, by reason. */
  get drops(): ReadonlyMap<string, number> {
    return this.#drops;
  }

  add(atMs: number, from: string, to: string, packet: Packet, dropped: string | null): void {
    this.#total += 1;
    if (dropped === null) this.#delivered += 1;
    else this.#drops.set(dropped, (this.#drops.get(dropped) ?? 0) + 1);
    this.#entries.push({ atMs, from, to, packet, dropped });
    // In one go, as each removal at the front moves all the others.
    if (this.#entries.length >= 2 * MAX_ENTRIES) this.#entries.splice(0, MAX_ENTRIES);
  }

  /** A mermaid sequence diagram of the last packets. */
  toMermaid(): string {
    const lines = this.#entries.slice(-MAX_LINES).map(({ atMs, from, to, packet, dropped }) => {
      const way = `${formatUdpAddress(packet.source)} → ${formatUdpAddress(packet.destination)}`;
      const text = `${atMs.toFixed(1)} ms ${describeDatagram(packet.bytes)} ${way}`;
      return dropped === null ? `  ${from}->>${to}: ${text}` : `  ${from}--x${to}: ${text} (${dropped})`;
    });
    return ["sequenceDiagram", ...lines].join("\n");
  }
}

const WIREGUARD_TYPES = ["", "initiation", "response", "cookie reply", "data"];
const STUN_CLASSES = ["request", "indication", "answer", "refusal"];

/** What a datagram seems to be, by its first bytes (RFC 7983). */
function describeDatagram(bytes: Uint8Array): string {
  const [first = 0, second = 0, third = 0, fourth = 0] = bytes;
  if (bytes.length >= 20 && first < 4 && bytes[4] === 0x21 && bytes[5] === 0x12) {
    return `STUN ${STUN_CLASSES[((first & 1) << 1) | ((second >> 4) & 1)]}`;
  }
  if (first >= 1 && first <= 4 && second + third + fourth === 0) return `WireGuard ${WIREGUARD_TYPES[first]}`;
  return `${bytes.length} bytes`;
}
