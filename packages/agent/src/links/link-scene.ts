import type { HostAddress } from "../platform/host-addresses.ts";
import type { RouteTable } from "../platform/route-table.linux.ts";
import type { LinkScene } from "./wanted-links.ts";

export interface SceneSources {
  /** Of the host, without those of the overlays. */
  readonly addresses: readonly HostAddress[];
  readonly routes: RouteTable;
  readonly ownInterfaces: ReadonlySet<string>;
  /** Numeric addresses of relays and STUN servers. */
  readonly servers: readonly string[];
}

/** The host's network, as far as links depend on it. */
export function linkScene({ addresses, routes, ownInterfaces, servers }: SceneSources): LinkScene {
  const isForeign = (name: string): boolean => !ownInterfaces.has(name);
  return {
    addresses,
    defaultInterfaces: routes.defaultInterfaces().filter(isForeign),
    serverInterfaces: new Set(servers.flatMap((server) => routes.interfaceFor(server) ?? []).filter(isForeign)),
  };
}
