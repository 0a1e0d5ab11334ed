import { formatUdpAddress, type UdpAddress, udpAddressEquals } from "./udp-address.ts";

/** Number of one UDP link of the engine device: a socket pair (v4, v6) on one local uplink. */
export type LinkId = number;

/**
 * One way a datagram can leave for, or has come from, a peer.
 * `channel` is the TURN channel (0x4000–0x4fff, RFC 8656 §12) when the datagram travels inside
 * ChannelData to or from the relay at `remote`; null when it travels as it is.
 */
export interface PathAddress {
  readonly linkId: LinkId;
  readonly remote: UdpAddress;
  readonly channel: number | null;
}

export function pathAddressEquals(a: PathAddress, b: PathAddress): boolean {
  return a.linkId === b.linkId && a.channel === b.channel && udpAddressEquals(a.remote, b.remote);
}

/** A map key that is equal exactly when the addresses are. */
export function pathAddressKey(a: PathAddress): string {
  return `${a.linkId}/${formatUdpAddress(a.remote)}/${a.channel ?? ""}`;
}
