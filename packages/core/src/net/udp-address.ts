/** A numeric IP address (never a name) with a UDP port. IPv6 in RFC 5952 form, without brackets or zone. */
export interface UdpAddress {
  readonly address: string;
  readonly port: number;
}

export function udpAddressEquals(a: UdpAddress, b: UdpAddress): boolean {
  return a.port === b.port && a.address === b.address;
}

/** `203.0.113.5:41641` or `[2001:db8::1]:41641`. */
export function formatUdpAddress(a: UdpAddress): string {
  return a.address.includes(":") ? `[${a.address}]:${a.port}` : `${a.address}:${a.port}`;
}
