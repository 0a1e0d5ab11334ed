import type { UdpAddress } from "@asterism/core/net";

/** What a packet of a stream says, in numbers of packets. */
export interface StreamSegment {
  readonly kind: "open" | "opened" | "data" | "acknowledgement" | "reset";
  /** Of data, from 1. */
  readonly sequence: number;
  /** The first that has not come yet. */
  readonly acknowledged: number;
}

/** A UDP datagram on its way, or a packet of a stream. Devices that translate make a new one. */
export interface Packet {
  readonly source: UdpAddress;
  readonly destination: UdpAddress;
  readonly bytes: Uint8Array;
  /** Left out of UDP. */
  readonly stream?: StreamSegment;
}

/** Bytes on the wire: with UDP or TCP and IP headers. */
export function packetSizeBytes({ bytes, stream, destination }: Packet): number {
  return bytes.length + (stream === undefined ? 8 : 32) + (destination.address.includes(":") ? 40 : 20);
}
