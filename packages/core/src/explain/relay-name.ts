import type { RelaySnapshot } from "../gathering/index.ts";
import { formatUdpAddress, type UdpAddress } from "../net/index.ts";

/** The relay that an address belongs to, its own or one that it receives at for somebody; else the address. */
export function relayName(address: UdpAddress, relays: readonly RelaySnapshot[]): string {
  const known = relays.find(({ addresses }) => addresses.some((own) => own.address === address.address));
  return known?.name ?? formatUdpAddress(address);
}
