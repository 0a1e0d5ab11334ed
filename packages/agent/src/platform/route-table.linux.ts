import { readFileSync } from "node:fs";
import {
  formatIpAddress,
  ipAddressFromBigInt,
  ipAddressToBigInt,
  parseIpAddress,
  parseIpv4,
} from "@asterism/core/addresses";

interface Route {
  readonly interfaceName: string;
  readonly first: bigint;
  readonly prefixBits: number;
  readonly metric: number;
  /** Next router; null for a network that is connected, and for IPv6, where nobody asks. */
  readonly gateway: string | null;
}

export interface DefaultGateway {
  readonly gateway: string;
  readonly interfaceName: string;
}

/**
 * The host's main routing table at one moment, read from /proc: which interface leads to an address.
 * Policy routing and other tables are not considered: this names a link for people, it routes nothing.
 */
export class RouteTable {
  readonly #ipv4: readonly Route[];
  readonly #ipv6: readonly Route[];

  private constructor(ipv4: readonly Route[], ipv6: readonly Route[]) {
    this.#ipv4 = ipv4;
    this.#ipv6 = ipv6;
  }

  static read(): RouteTable {
    return RouteTable.parse(readLines("/proc/net/route"), readLines("/proc/net/ipv6_route"));
  }

  /** Lines of /proc/net/route (with its heading) and /proc/net/ipv6_route. */
  static parse(ipv4Lines: readonly string[], ipv6Lines: readonly string[]): RouteTable {
    return new RouteTable(ipv4Lines.slice(1).flatMap(parseIpv4Route), ipv6Lines.flatMap(parseIpv6Route));
  }

  /**
   * Undefined if no route leads there. An IPv4 address without a route is reached through a NAT64, if at all: by the
   * default route of IPv6.
   */
  interfaceFor(address: string): string | undefined {
    const own = this.#interfaceFor(address);
    return own === undefined && parseIpv4(address) !== undefined ? this.#interfaceFor("::") : own;
  }

  /** Whether the kernel sends packets to this address by itself. */
  leadsTo(address: string): boolean {
    return this.#interfaceFor(address) !== undefined;
  }

  hasDefault(family: 4 | 6): boolean {
    return (family === 4 ? this.#ipv4 : this.#ipv6).some(({ prefixBits }) => prefixBits === 0);
  }

  /** Interfaces with a default route of either family, the best of IPv4 first. */
  defaultInterfaces(): string[] {
    const defaults = [this.#ipv4, this.#ipv6].flatMap((routes) =>
      routes.filter(({ prefixBits }) => prefixBits === 0).sort((a, b) => a.metric - b.metric),
    );
    return [...new Set(defaults.map(({ interfaceName }) => interfaceName))];
  }

  /**
   * The router of the best default route of IPv4 that does not leave by an interface in `exclude`; of those by `only`, if
   * that is given.
   */
  defaultGateway(exclude: ReadonlySet<string>, only?: string): DefaultGateway | undefined {
    let best: (Route & DefaultGateway) | undefined;
    for (const route of this.#ipv4) {
      const { gateway, prefixBits, interfaceName } = route;
      if (prefixBits !== 0 || gateway === null || exclude.has(interfaceName)) continue;
      if (only !== undefined && interfaceName !== only) continue;
      if (best === undefined || isBetter(route, best)) best = { ...route, gateway };
    }
    return best;
  }

  #interfaceFor(address: string): string | undefined {
    const bytes = parseIpAddress(address);
    if (bytes === undefined) return undefined;
    const bits = bytes.length * 8;
    const value = ipAddressToBigInt(bytes);
    let best: Route | undefined;
    for (const route of bits === 32 ? this.#ipv4 : this.#ipv6) {
      const shift = BigInt(bits - route.prefixBits);
      if (value >> shift !== route.first >> shift) continue;
      if (best === undefined || isBetter(route, best)) best = route;
    }
    return best?.interfaceName;
  }
}

function isBetter(a: Route, b: Route): boolean {
  return a.prefixBits === b.prefixBits ? a.metric < b.metric : a.prefixBits > b.prefixBits;
}

function readLines(path: string): string[] {
  try {
    return readFileSync(path, "utf8").trimEnd().split("\n");
  } catch {
    return []; // the family is switched off in this kernel
  }
}

/** `eth0 0000A8C0 00000000 0001 0 0 100 00FFFFFF …`: numbers in hexadecimal, addresses in host (little-endian) order. */
function parseIpv4Route(line: string): Route[] {
  const [interfaceName, destination, router, , , , metric, mask] = line.split(/\s+/);
  if (interfaceName === undefined || destination?.length !== 8 || router?.length !== 8 || mask?.length !== 8) return [];
  const ones = BigInt(`0x${mask}`).toString(2).replaceAll("0", "").length;
  const first = littleEndian(destination);
  const gateway = router === "00000000" ? null : formatIpAddress(ipAddressFromBigInt(littleEndian(router), 4));
  return [{ interfaceName, first, prefixBits: ones, metric: Number(metric), gateway }];
}

function littleEndian(hex: string): bigint {
  return ipAddressToBigInt(ipAddressFromBigInt(BigInt(`0x${hex}`), 4).reverse());
}

/** `fd00… 40 source prefix next-hop metric refcount use flags interface`; metric and lengths in hexadecimal. */
function parseIpv6Route(line: string): Route[] {
  const fields = line.trim().split(/\s+/);
  const [destination, prefixBits, , , , metric] = fields;
  const interfaceName = fields[9];
  if (interfaceName === undefined || interfaceName === "lo" || destination?.length !== 32) return [];
  return [
    {
      interfaceName,
      first: BigInt(`0x${destination}`),
      prefixBits: Number.parseInt(prefixBits ?? "0", 16),
      metric: Number.parseInt(metric ?? "0", 16),
      gateway: null,
    },
  ];
}
