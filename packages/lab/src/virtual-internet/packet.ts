import type { UdpAddress } from "@asterism/core/net";

/** A UDP datagram on its way. Devices that translate make a new one. */
export interface Packet {
  readonly source: UdpAddress;
  readonly destination: UdpAddress;
  readonly bytes: Uint8Array;
}

/** Bytes on the wire: with UDP and IP headers. */
export function packetSizeBytes(packet: Packet): number {
  return packet.bytes.length + 8 + (packet.destination.address.includes(":") ? 40 : 20);
}
