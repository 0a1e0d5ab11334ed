import { networkInterfaces } from "node:os";

export interface HostAddress {
  readonly interfaceName: string;
  readonly address: string;
  readonly family: "IPv4" | "IPv6";
}

/**
 * Addresses of the host's interfaces that could be reached by a peer: no loopback, no IPv6 link-local,
 * none of the interfaces in `exclude` (the overlays' own).
 */
export function listHostAddresses(exclude: ReadonlySet<string>): HostAddress[] {
  const found: HostAddress[] = [];
  for (const [interfaceName, addresses] of Object.entries(networkInterfaces())) {
    if (exclude.has(interfaceName)) continue;
    for (const { address, family, internal, scopeid } of addresses ?? []) {
      if (internal || (family === "IPv6" && scopeid !== undefined && scopeid !== 0)) continue;
      found.push({ interfaceName, address, family: family as "IPv4" | "IPv6" });
    }
  }
  return found;
}

/** True if an interface of the host, loopback included, has this local address of a socket. */
export function hostHasAddress(localAddress: string): boolean {
  // That of an IPv4 connection on a socket for both families is written as an IPv6 one.
  return interfaceWithAddress(localAddress.replace(/^::ffff:/, "").replace(/%.*$/, "")) !== undefined;
}

/** The interface of the host, loopback included, that has the address. */
export function interfaceWithAddress(address: string): string | undefined {
  const all = Object.entries(networkInterfaces());
  return all.find(([, addresses]) => addresses?.some((one) => one.address === address) === true)?.[0];
}
