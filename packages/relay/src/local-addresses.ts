import { networkInterfaces } from "node:os";
import { formatIpAddress, parseIpAddress } from "@asterism/core/addresses";
import { classifyAddress } from "@asterism/core/paths";

/** A relay listens on each address by itself, so that answers leave from where they were asked. */
const MAX_ADDRESSES = 24;

/** Numeric addresses of this host that others may send to, public ones first; loopback last. */
export function localAddresses(): string[] {
  const addresses = Object.values(networkInterfaces())
    .flatMap((entries) => entries ?? [])
    .flatMap(({ address }) => {
      const bytes = parseIpAddress(address.split("%")[0] ?? "");
      return bytes === undefined ? [] : [formatIpAddress(bytes)];
    })
    .filter((address) => classifyAddress(address) !== "link-local");
  const rank = (address: string): number => {
    const kind = classifyAddress(address);
    if (kind === "loopback") return 2;
    return kind === "global" ? 0 : 1;
  };
  return [...new Set(addresses)].toSorted((a, b) => rank(a) - rank(b)).slice(0, MAX_ADDRESSES);
}

/** The addresses that a host to listen on stands for. `::` means both families, as it does for TCP. */
export function expandHost(host: string, addresses: readonly string[]): string[] {
  if (host === "::") return [...addresses];
  if (host === "0.0.0.0") return addresses.filter((address) => !address.includes(":"));
  const bytes = parseIpAddress(host);
  return [bytes === undefined ? host : formatIpAddress(bytes)];
}
