import { discoverNat64Prefixes } from "@asterism/client";
import {
  CONTINUITY_ADDRESS,
  extract,
  formatNat64Prefix,
  type Nat64Prefix,
  synthesise,
  WELL_KNOWN_PREFIX,
} from "@asterism/core/nat64";
import type { UdpAddress } from "@asterism/core/net";
import type { Logger } from "pino";
import type { HostAddress } from "./host-addresses.ts";
import { RouteTable } from "./route-table.linux.ts";

/**
 * The IPv4 that this host has through its network's NAT64 when it has none of its own: a default route for IPv6 and none
 * for IPv4. Without it, and on hosts that translate for themselves (464XLAT), addresses pass as they are.
 *
 * The prefix is what the resolver tells (RFC 7050), else the well-known one: asking there costs nothing if it is wrong.
 */
export class Nat64 {
  readonly #logger: Logger;
  readonly #onChange: () => void;
  #routes: RouteTable | undefined;
  #prefix: Nat64Prefix | undefined;
  /** Answers of the resolver to earlier questions than the last one mean nothing. */
  #question = 0;

  /** `onChange`: other addresses are reachable, or by other ways, from now on. */
  constructor(logger: Logger, onChange: () => void) {
    this.#logger = logger;
    this.#onChange = onChange;
  }

  /** The host's addresses or routes may have changed. */
  refresh(): void {
    const routes = RouteTable.read();
    const isNeeded = routes.hasDefault(6) && !routes.hasDefault(4);
    this.#routes = routes;
    const question = ++this.#question;
    if (!isNeeded) {
      this.#setPrefix(undefined);
      return;
    }
    void discoverNat64Prefixes().then(([prefix = WELL_KNOWN_PREFIX]) => {
      if (question === this.#question) this.#setPrefix(prefix);
    });
  }

  /** With one that stands for the IPv4 through the NAT64. */
  withOwn(addresses: readonly HostAddress[]): readonly HostAddress[] {
    if (this.#prefix === undefined) return addresses;
    return [...addresses, { interfaceName: "", address: CONTINUITY_ADDRESS, family: "IPv4" }];
  }

  /** Where to send what is for this address. */
  outward(to: UdpAddress): UdpAddress {
    if (this.#prefix === undefined || to.address.includes(":") || this.#routes?.leadsTo(to.address) === true) return to;
    const address = synthesise(this.#prefix, to.address);
    return address === undefined ? to : { address, port: to.port };
  }

  /** Whom something from this address is from. */
  inward(from: UdpAddress): UdpAddress {
    const address = this.#prefix === undefined ? undefined : extract(this.#prefix, from.address);
    return address === undefined ? from : { address, port: from.port };
  }

  #setPrefix(prefix: Nat64Prefix | undefined): void {
    const text = prefix && formatNat64Prefix(prefix);
    if (text === (this.#prefix && formatNat64Prefix(this.#prefix))) return;
    this.#prefix = prefix;
    this.#logger.info({ prefix: text ?? null }, text === undefined ? "NAT64 is not used" : "IPv4 is reached by NAT64");
    this.#onChange();
  }
}
