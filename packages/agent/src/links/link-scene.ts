import type { HostAddress } from "../platform/host-addresses.ts";
import { RouteTable } from "../platform/route-table.linux.ts";
import type { LinkScene } from "./wanted-links.ts";

export interface SceneSources {
  /** Of the host, without those of the overlays. */
  readonly addresses: readonly HostAddress[];
  readonly ownInterfaces: ReadonlySet<string>;
  /** Numeric addresses of relays and STUN servers. */
  readonly servers: readonly string[];
}

/** The host's network as it is now. */
export function readLinkScene({ addresses, ownInterfaces, servers }: SceneSources): LinkScene {
  const routes = RouteTable.read();
  const isForeign = (name: string): boolean => !ownInterfaces.has(name);
  return {
    addresses,
    defaultInterfaces: routes.defaultInterfaces().filter(isForeign),
    serverInterfaces: new Set(servers.flatMap((server) => routes.interfaceFor(server) ?? []).filter(isForeign)),
  };
}
