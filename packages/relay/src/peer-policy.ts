import { type IpRange, parseIpAddress, parseIpRange, rangeContains } from "@asterism/core/addresses";
import { classifyAddress } from "@asterism/core/paths";

/** `relayed-only`: an address of this host, where only other clients' relayed addresses may be reached. */
export type PeerVerdict = "allowed" | "relayed-only" | "forbidden";

/**
 * What clients may reach through the relay: the public internet, and what `allowed` says.
 *
 * Without this, a relay is a way into the network that its host stands in (RFC 8656 §21.1.3 and the advisories on it).
 */
export class PeerPolicy {
  readonly #allowed: readonly IpRange[];
  #relayAddresses: ReadonlySet<string> = new Set();
  #ownAddresses: ReadonlySet<string> = new Set();

  constructor(allowed: readonly IpRange[]) {
    this.#allowed = allowed;
  }

  /** `relay`: those of relayed addresses; `own`: all of this host. */
  setAddresses(relay: readonly string[], own: readonly string[]): void {
    this.#relayAddresses = new Set(relay.filter((address) => classifyAddress(address) !== "loopback"));
    this.#ownAddresses = new Set(own);
  }

  /** `address` is numeric, IPv6 in canonical form. */
  judge(address: string): PeerVerdict {
    const bytes = parseIpAddress(address);
    if (bytes === undefined) return "forbidden";
    if (this.#allowed.some((range) => rangeContains(range, bytes))) return "allowed";
    if (this.#relayAddresses.has(address)) return "relayed-only";
    if (this.#ownAddresses.has(address)) return "forbidden";
    if (TRANSLATED_OR_SPECIAL.some((range) => rangeContains(range, bytes))) return "forbidden";
    return classifyAddress(address) === "global" ? "allowed" : "forbidden";
  }
}

/** Public by their looks, but they lead to IPv4 addresses that are checked nowhere, or nowhere public. */
const TRANSLATED_OR_SPECIAL: readonly IpRange[] = [
  // IETF protocol assignments and benchmarking (RFC 6890).
  "192.0.0.0/24",
  "198.18.0.0/15",
  // IPv4-compatible, NAT64 (RFC 6052, RFC 8215), 6to4, Teredo, site-local.
  "::/96",
  "64:ff9b::/96",
  "64:ff9b:1::/48",
  "2002::/16",
  "2001::/32",
  "fec0::/10",
].flatMap((text) => parseIpRange(text) ?? []);
