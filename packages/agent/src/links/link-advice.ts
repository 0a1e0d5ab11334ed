import { addressesOf, type LinkScene, type WantedLink } from "./wanted-links.ts";

/** What of a link that is up decides whether it is of use. */
export interface LinkUsefulness {
  readonly wanted: WantedLink;
  /** All links of the network, this one included. */
  readonly all: readonly WantedLink[];
  readonly scene: LinkScene;
  /** No STUN server that was asked by it has answered, and no path over it is in use. */
  readonly isSilent: boolean;
}

/** Why a link that is up may be of no use, with what to do about it; null if nothing is wrong. */
export function linkAdvice({ wanted, all, scene, isSilent }: LinkUsefulness): string | null {
  const { name, boundTo } = wanted;
  if (boundTo === null) return null;
  const [interfaceName] = addressesOf(wanted, scene.addresses).map((own) => own.interfaceName);
  if (interfaceName === undefined) return null;
  if (boundTo === "address" && all.some((other) => other.name === interfaceName)) {
    return `${interfaceName}, whose address this is, is a link as well: both use the same line, so name one of them`;
  }
  const leadsOut = scene.defaultInterfaces.includes(name) || scene.serverInterfaces.has(name);
  if (boundTo === "interface" && !leadsOut) {
    return `no default route leads over ${name}, so it reaches its own network only: give it one, with a higher metric than the first one's (\`ip route show default\`)`;
  }
  if (!isSilent) return null;
  return boundTo === "address"
    ? `nothing answers by it: UDP is blocked there, or this host sends what comes from ${name} by another line (\`ip rule\`)`
    : "nothing answers by it: UDP is blocked there, or this host drops what comes in (`sysctl net.ipv4.conf.all.rp_filter` must be 0 or 2)";
}
