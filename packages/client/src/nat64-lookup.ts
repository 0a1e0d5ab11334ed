import { lookup } from "node:dns/promises";
import { isIPv4 } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { IPV4_ONLY_NAME, type Nat64Prefix, prefixesOf, synthesise, WELL_KNOWN_PREFIX } from "@asterism/core/nat64";

/** While somebody waits to be connected; resolvers that can't be reached take 10 s and more. */
const PATIENCE_MS = 2_000;
/** The kernel has no way to the address. */
const NO_ROUTE: ReadonlySet<unknown> = new Set(["ENETUNREACH", "EHOSTUNREACH", "EADDRNOTAVAIL"]);

/**
 * The prefixes by which this network's NAT64 reaches IPv4 addresses, as the host's resolver tells (RFC 7050); none where
 * there is no NAT64, or the resolver does not know of it. A resolver that does not answer takes its time.
 */
export async function discoverNat64Prefixes(): Promise<Nat64Prefix[]> {
  try {
    const answers = await lookup(IPV4_ONLY_NAME, { family: 6, all: true });
    return prefixesOf(answers.map(({ address }) => address));
  } catch {
    return []; // the name has no IPv6 addresses: the resolver knows of no NAT64
  }
}

/**
 * Connects to a host, and if it is a numeric IPv4 address without a route, as on an IPv6-only network, through the NAT64:
 * by the prefix that the resolver tells, else by the well-known one.
 */
export async function connectThroughNat64<T>(host: string, connect: (host: string) => Promise<T>): Promise<T> {
  try {
    return await connect(host);
  } catch (error) {
    if (!isIPv4(host) || !hasNoRoute(error)) throw error;
    const none = sleep<Nat64Prefix[]>(PATIENCE_MS, [], { ref: false });
    const [prefix = WELL_KNOWN_PREFIX] = await Promise.race([discoverNat64Prefixes(), none]);
    const translated = synthesise(prefix, host);
    if (translated === undefined) throw error;
    return await connect(translated);
  }
}

function hasNoRoute(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return NO_ROUTE.has((error as NodeJS.ErrnoException).code) || hasNoRoute(error.cause);
}
