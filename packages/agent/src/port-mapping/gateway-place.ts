import { BlockList } from "node:net";
import { networkInterfaces } from "node:os";
import { classifyAddress } from "@asterism/core/paths";
import type { GatewayPlace } from "@asterism/core/port-mapping";
import { RouteTable } from "../platform/route-table.linux.ts";

/**
 * The router that the default route of IPv4 leads to, and our address on the way to it; null if there is none, or none
 * is needed because our address is a public one. Routes through interfaces in `exclude` (the overlays' own) don't count.
 */
export function findGatewayPlace(exclude: ReadonlySet<string>): GatewayPlace | null {
  const route = RouteTable.read().defaultGateway(exclude);
  if (route === undefined) return null;
  const { gateway, interfaceName } = route;
  const own = (networkInterfaces()[interfaceName] ?? []).filter(({ family }) => family === "IPv4");
  const local = (own.find(({ cidr }) => cidr !== null && isWithin(cidr, gateway)) ?? own[0])?.address;
  if (local === undefined || classifyAddress(local) === "global") return null;
  return { gateway, local };
}

/** `cidr` is an address of an interface with the length of its prefix. */
function isWithin(cidr: string, address: string): boolean {
  const [own = "", prefixBits] = cidr.split("/");
  const subnet = new BlockList();
  subnet.addSubnet(own, Number(prefixBits));
  return subnet.check(address);
}
