import { setTimeout as sleep } from "node:timers/promises";
import type { Host } from "./host.ts";
import type { Link } from "./link.ts";
import type { LinkOptions } from "./link-options.ts";

export interface AttachOptions {
  /** Default: eth0, eth1, … */
  readonly interfaceName?: string;
  /** Address without prefix length; default the next free one; `false`: none. */
  readonly ipv4?: string | false;
  readonly ipv6?: string | false;
  /** Default true; further interfaces of a host get a default route of a higher metric. */
  readonly defaultRoute?: boolean;
  /** `up` leaves the attached host. */
  readonly link?: LinkOptions;
}

export interface Addresses {
  readonly ipv4: string | undefined;
  readonly ipv6: string | undefined;
}

export const NO_ADDRESSES: Addresses = { ipv4: undefined, ipv6: undefined };

/** What a network knows about one attached interface. */
export interface Port {
  /** `ip` lines that give the host these addresses and its default route, of this metric if it has one. */
  hostLines(addresses: Addresses, metric?: number): string[];
  /** `ip` lines that add (or `del`) the host's default route of a metric; none where it has no such route. */
  defaultRouteLines(action: "replace" | "del", addresses: Addresses, metric: number): string[];
  /** `ip` lines that take the addresses away. */
  hostRemovalLines(addresses: Addresses): string[];
  /** Makes the network route to the new addresses and not to the old ones. */
  reroute(from: Addresses, to: Addresses): Promise<void>;
}

/** One interface of a host, plugged into a network of the lab. */
export class Attachment {
  readonly host: Host;
  readonly interfaceName: string;
  readonly link: Link;
  #addresses: Addresses;
  #port: Port;
  readonly #ownMetric: number;
  /** Of the default route, if there is one. */
  #metric: number;

  constructor(host: Host, interfaceName: string, link: Link, addresses: Addresses, port: Port) {
    this.host = host;
    this.interfaceName = interfaceName;
    this.link = link;
    this.#addresses = addresses;
    this.#port = port;
    this.#ownMetric = routeMetric(host.attachments.length);
    this.#metric = this.#ownMetric;
  }

  get ipv4(): string | undefined {
    return this.#addresses.ipv4;
  }

  get ipv6(): string | undefined {
    return this.#addresses.ipv6;
  }

  /** Gives the interface other addresses, as a new lease does: the old ones go first. */
  async renumber(change: { readonly ipv4?: string; readonly ipv6?: string }): Promise<void> {
    const from = this.#addresses;
    const to: Addresses = { ipv4: change.ipv4 ?? from.ipv4, ipv6: change.ipv6 ?? from.ipv6 };
    await this.#port.reroute(from, to);
    await this.host.ip([...this.#port.hostRemovalLines(from), ...this.#port.hostLines(to, this.#metric)]);
    await this.link.forgetNeighbours();
    this.#addresses = to;
  }

  /** Pulls the cable: the host sees no carrier and keeps its addresses. */
  async cut(): Promise<void> {
    await this.link.cut();
  }

  async mend(): Promise<void> {
    await this.link.mend();
    // The network's end of a veth was down, which took its routes along.
    await this.#port.reroute(NO_ADDRESSES, this.#addresses);
  }

  /** Cuts and mends the cable so many times, as a bad contact or a weak signal does. */
  async flap(times: number, options: { readonly downMs?: number; readonly upMs?: number } = {}): Promise<void> {
    for (let round = 0; round < times; round++) {
      await this.cut();
      await sleep(options.downMs ?? 200);
      await this.mend();
      if (round + 1 < times) await sleep(options.upMs ?? 200);
    }
  }

  /** Gives the default route over this interface another metric, or its first one; a host's lowest carries. */
  async setRouteMetric(metric = this.#ownMetric): Promise<void> {
    const before = this.#metric;
    this.#metric = metric;
    if (metric === before) return;
    await this.host.ip([
      ...this.#port.defaultRouteLines("replace", this.#addresses, metric),
      ...this.#port.defaultRouteLines("del", this.#addresses, before),
    ]);
  }

  /** Takes the interface down, as `ip link set down` does: routes and IPv6 addresses go. */
  async setDown(): Promise<void> {
    await this.host.ip([`link set ${this.interfaceName} down`]);
  }

  /** Brings the interface up again with its addresses and default route. */
  async setUp(): Promise<void> {
    await this.host.ip([
      `addr flush dev ${this.interfaceName} scope global`,
      `link set ${this.interfaceName} up`,
      ...this.#port.hostLines(this.#addresses, this.#metric),
    ]);
    await this.link.settle();
    // A veth that was down took the network's routes over it along.
    await this.#port.reroute(NO_ADDRESSES, this.#addresses);
  }

  /** Unplugs the interface for good. */
  async detach(): Promise<void> {
    await this.#port.reroute(this.#addresses, NO_ADDRESSES);
    await this.link.destroy();
    const index = this.host.attachments.indexOf(this);
    if (index >= 0) this.host.attachments.splice(index, 1);
  }
}

/** Metric of a host's default route over its n-th interface (from 0). */
export function routeMetric(interfaceIndex: number): number {
  return 100 + interfaceIndex;
}
