import { parseIpAddress } from "@asterism/core/addresses";
import { AsterismError } from "@asterism/core/errors";
import { type LinkSettings, MAX_LINKS_DESCRIBED } from "@asterism/core/local-api";
import { MAX_LINKS } from "@asterism/core/net";
import { classifyAddress, type LinkTraits } from "@asterism/core/paths";
import type { HostAddress } from "../platform/host-addresses.ts";

/** What of the host's network decides over links. */
export interface LinkScene {
  /** Of interfaces that are up and have a carrier, those of the overlays left out. */
  readonly addresses: readonly HostAddress[];
  /** Interfaces with a default route, the best first. */
  readonly defaultInterfaces: readonly string[];
  /** Interfaces by which routes lead to the server or to relays. */
  readonly serverInterfaces: ReadonlySet<string>;
}

export interface WantedLink {
  /** The interface or address; `any` for none. */
  readonly name: string;
  readonly boundTo: "interface" | "address" | null;
  readonly traits: LinkTraits;
}

export const UNBOUND = "any";

/** The links that a network should have at present, the best first. */
export function wantedLinks(settings: LinkSettings, scene: LinkScene): WantedLink[] {
  const { use = UNBOUND } = settings;
  const wanted = use === UNBOUND ? [] : namesOf(use, scene).map((name) => describe(name, settings));
  if (wanted.length === 0) return [{ name: UNBOUND, boundTo: null, traits: { cost: 0 } }];
  return wanted.sort((a, b) => a.traits.cost - b.traits.cost);
}

/**
 * A change of settings: what it does not mention stays.
 * @throws AsterismError `invalid-input` if that describes more links than can be kept
 */
export function mergeSettings(before: LinkSettings, change: LinkSettings): LinkSettings {
  return {
    use: change.use ?? before.use ?? UNBOUND,
    costs: withoutZeros({ ...before.costs, ...change.costs }, "cost", "--link-cost NAME=0"),
    capsBitsPerSecond: withoutZeros(
      { ...before.capsBitsPerSecond, ...change.capsBitsPerSecond },
      "limit",
      "--link-cap NAME=none",
    ),
  };
}

function withoutZeros(values: Readonly<Record<string, number>>, what: string, mend: string): Record<string, number> {
  const set = Object.entries(values).filter(([, value]) => value > 0);
  if (set.length <= MAX_LINKS_DESCRIBED) return Object.fromEntries(set);
  throw new AsterismError(
    "invalid-input",
    `${set.length} links would have a ${what}, and ${MAX_LINKS_DESCRIBED} can have one. Take it from those that are not ` +
      `used any more with \`${mend}\`: ${Object.keys(values).join(", ")}`,
  );
}

function namesOf(use: Exclude<LinkSettings["use"], undefined | "any">, scene: LinkScene): readonly string[] {
  if (use !== "auto") return use;
  const withAddress = new Set(scene.addresses.map(({ interfaceName }) => interfaceName));
  const byRoute = scene.addresses
    .filter(({ address, interfaceName }) => {
      return classifyAddress(address) === "global" && scene.serverInterfaces.has(interfaceName);
    })
    .map(({ interfaceName }) => interfaceName);
  const usable = [...new Set([...scene.defaultInterfaces, ...byRoute])].filter((name) => withAddress.has(name));
  return usable.slice(0, MAX_LINKS);
}

function describe(name: string, { costs, capsBitsPerSecond }: LinkSettings): WantedLink {
  const capBits = capsBitsPerSecond?.[name] ?? 0;
  return {
    name,
    boundTo: parseIpAddress(name) === undefined ? "interface" : "address",
    traits: { cost: costs?.[name] ?? 0, ...(capBits > 0 ? { capBytesPerSecond: Math.ceil(capBits / 8) } : {}) },
  };
}

/** The host's addresses that belong to a link. */
export function addressesOf({ name, boundTo }: WantedLink, addresses: readonly HostAddress[]): HostAddress[] {
  switch (boundTo) {
    case null:
      return [...addresses];
    case "address":
      return addresses.filter(({ address }) => address === name);
    case "interface": {
      const own = addresses.filter(({ interfaceName }) => interfaceName === name);
      // What stands for the IPv4 behind a NAT64 belongs to every interface with IPv6.
      const isIpv6Only = own.length > 0 && own.every(({ family }) => family === "IPv6");
      return isIpv6Only ? [...own, ...addresses.filter(({ interfaceName }) => interfaceName === "")] : own;
    }
  }
}
