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

/** A resolver that knows no prefix may just not be reachable yet: it is asked again after these pauses. */
const ASK_AGAIN_MS: readonly number[] = [2_000, 4_000, 8_000, 16_000, 32_000, 64_000];

/** What the host tells. */
export interface Nat64Sources {
  readonly readRoutes: () => RouteTable;
  readonly discover: () => Promise<readonly Nat64Prefix[]>;
}

const HOST: Nat64Sources = { readRoutes: () => RouteTable.read(), discover: discoverNat64Prefixes };

/**
 * The IPv4 that this host has through its network's NAT64 when it has none of its own: a default route for IPv6 and none
 * for IPv4. Without it, and on hosts that translate for themselves (464XLAT), addresses pass as they are.
 *
 * The prefix is what the resolver tells (RFC 7050), else the well-known one: asking there costs nothing if it is wrong.
 */
export class Nat64 {
  readonly #logger: Logger;
  readonly #onChange: () => void;
  readonly #sources: Nat64Sources;
  #routes: RouteTable | undefined;
  #prefix: Nat64Prefix | undefined;
  /** Answers of the resolver to earlier questions than the last one mean nothing. */
  #question = 0;
  #askAgain: NodeJS.Timeout | undefined;

  /** `onChange`: other addresses are reachable, or by other ways, from now on. */
  constructor(logger: Logger, onChange: () => void, sources: Nat64Sources = HOST) {
    this.#logger = logger;
    this.#onChange = onChange;
    this.#sources = sources;
  }

  /** The host's addresses or routes may have changed. */
  refresh(): void {
    const routes = this.#sources.readRoutes();
    const isNeeded = routes.hasDefault(6) && !routes.hasDefault(4);
    this.#routes = routes;
    this.stop();
    if (isNeeded) void this.#ask(0);
    else this.#setPrefix(undefined);
  }

  /** Asks nobody any more. */
  stop(): void {
    this.#question += 1;
    clearTimeout(this.#askAgain);
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

  async #ask(times: number): Promise<void> {
    const question = this.#question;
    const [prefix] = await this.#sources.discover();
    if (question !== this.#question) return;
    this.#setPrefix(prefix ?? WELL_KNOWN_PREFIX);
    const pauseMs = ASK_AGAIN_MS[times];
    if (prefix === undefined && pauseMs !== undefined) {
      this.#askAgain = setTimeout(() => void this.#ask(times + 1), pauseMs);
    }
  }

  #setPrefix(prefix: Nat64Prefix | undefined): void {
    const text = prefix && formatNat64Prefix(prefix);
    if (text === (this.#prefix && formatNat64Prefix(this.#prefix))) return;
    this.#prefix = prefix;
    this.#logger.info({ prefix: text ?? null }, text === undefined ? "NAT64 is not used" : "IPv4 is reached by NAT64");
    this.#onChange();
  }
}
