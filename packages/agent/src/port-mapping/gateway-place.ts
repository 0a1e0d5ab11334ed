import { BlockList, isIP } from "node:net";
import { networkInterfaces } from "node:os";
import { classifyAddress } from "@asterism/core/paths";
import type { GatewayPlace } from "@asterism/core/port-mapping";
import { RouteTable } from "../platform/route-table.linux.ts";

/**
 * The router that the default route of IPv4 leads to, and our address on the way to it; null if there is none, or none
 * is needed because our address is a public one. Routes through interfaces in `exclude` (the overlays' own) don't count;
 * with `link`, an interface or an address of one, only those by that.
 */
export function findGatewayPlace(exclude: ReadonlySet<string>, link?: string): GatewayPlace | null {
  const ownAddress = link !== undefined && isIP(link) !== 0 ? link : undefined;
  const route = RouteTable.read().defaultGateway(exclude, ownAddress === undefined ? link : interfaceOf(ownAddress));
  if (route === undefined) return null;
  const { gateway, interfaceName } = route;
  const own = (networkInterfaces()[interfaceName] ?? []).filter(({ family }) => family === "IPv4");
  const usual = own.find(({ cidr }) => cidr !== null && isWithin(cidr, gateway)) ?? own[0];
  const local = own.find(({ address }) => address === ownAddress)?.address ?? usual?.address;
  if (local === undefined || classifyAddress(local) === "global") return null;
  return { gateway, local };
}

/** Empty, which is no interface's name, if none has it. */
function interfaceOf(ownAddress: string): string {
  const all = Object.entries(networkInterfaces());
  return all.find(([, own]) => own?.some(({ address }) => address === ownAddress) === true)?.[0] ?? "";
}

/** `cidr` is an address of an interface with the length of its prefix. */
function isWithin(cidr: string, address: string): boolean {
  const [own = "", prefixBits] = cidr.split("/");
  const subnet = new BlockList();
  subnet.addSubnet(own, Number(prefixBits));
  return subnet.check(address);
}
