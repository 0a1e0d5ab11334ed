import { type Addresses, Attachment, type AttachOptions, NO_ADDRESSES, type Port, routeMetric } from "./attachment.ts";
import { Host } from "./host.ts";
import { LabError } from "./lab-error.ts";
import { Link } from "./link.ts";
import type { LabScope } from "./scope.ts";
import type { Segment } from "./segment.ts";

const GATEWAY_IPV4 = "203.0.113.1";
const FIRST_HOST = 10;
const LAST_HOST = 250;

/**
 * The public internet of the lab: a router with a point-to-point link to every customer.
 *
 * Customers get 203.0.113.10 onwards (198.51.100.x on demand) and 2001:db8:0:N::2; a customer that is a router is
 * delegated 2001:db8:N::/48. Nothing else is routed: private sources get no answers.
 */
export class Internet implements Segment {
  readonly name = "internet";
  readonly router: Host;
  readonly #scope: LabScope;
  #customers = 0;
  #delegations = 0;
  #nextIpv4 = FIRST_HOST;

  private constructor(scope: LabScope, router: Host) {
    this.#scope = scope;
    this.router = router;
  }

  static async create(scope: LabScope): Promise<Internet> {
    const router = await Host.create(scope, "internet", { forwarding: true });
    await router.ip([
      `addr add ${GATEWAY_IPV4}/32 dev lo`,
      "addr add 2001:db8::1/128 dev lo",
      "route add unreachable 2001:db8::/32 metric 4096",
    ]);
    return new Internet(scope, router);
  }

  /** Adds a machine with public addresses. */
  async host(name: string, options: AttachOptions = {}): Promise<Host> {
    const host = await Host.create(this.#scope, name);
    await this.attach(host, options);
    return host;
  }

  async attach(host: Host, options: AttachOptions = {}): Promise<Attachment> {
    const number = ++this.#customers;
    const index = host.attachments.length;
    const interfaceName = options.interfaceName ?? host.nextInterfaceName();
    const port = `p${number}`;
    const addresses: Addresses = {
      ipv4: options.ipv4 === false ? undefined : (options.ipv4 ?? this.#freeIpv4()),
      ipv6: options.ipv6 === false ? undefined : (options.ipv6 ?? `2001:db8:0:${number.toString(16)}::2`),
    };
    const far = { host: this.router, interfaceName: port };
    const link = await Link.create({ host, interfaceName }, far, options.link);
    await this.router.ip([`link set ${port} up`]);
    const metric = options.defaultRoute === false ? undefined : routeMetric(index);
    const customer = new CustomerPort(this.router, port, interfaceName, metric);
    await Promise.all([
      customer.reroute(NO_ADDRESSES, addresses),
      host.ip([`link set ${interfaceName} up`, ...customer.hostLines(addresses)]),
    ]);
    const attachment = new Attachment(host, interfaceName, link, addresses, customer);
    host.attachments.push(attachment);
    return attachment;
  }

  async delegateIpv6(to: Attachment): Promise<string | undefined> {
    if (to.ipv6 === undefined) return undefined;
    const prefix = `2001:db8:${(0x1000 + ++this.#delegations).toString(16)}`;
    await this.router.ip([`route replace ${prefix}::/48 via ${to.ipv6}`]);
    return prefix;
  }

  #freeIpv4(): string {
    if (this.#nextIpv4 > LAST_HOST) throw new LabError("the lab's internet has no free public IPv4 address");
    return `203.0.113.${this.#nextIpv4++}`;
  }
}

class CustomerPort implements Port {
  readonly #router: Host;
  readonly #port: string;
  readonly #interfaceName: string;
  readonly #metric: number | undefined;

  constructor(router: Host, port: string, interfaceName: string, metric: number | undefined) {
    this.#router = router;
    this.#port = port;
    this.#interfaceName = interfaceName;
    this.#metric = metric;
  }

  hostLines(addresses: Addresses, metric?: number): string[] {
    const { ipv4, ipv6 } = addresses;
    const dev = this.#interfaceName;
    const lines: string[] = [];
    if (ipv4 !== undefined) lines.push(`addr add ${ipv4}/32 dev ${dev}`);
    if (ipv6 !== undefined) lines.push(`addr add ${ipv6}/64 dev ${dev} nodad`);
    if (this.#metric === undefined) return lines;
    return [...lines, ...this.defaultRouteLines("replace", addresses, metric ?? this.#metric)];
  }

  defaultRouteLines(action: "replace" | "del", { ipv4, ipv6 }: Addresses, metric: number): string[] {
    if (this.#metric === undefined) return [];
    const dev = this.#interfaceName;
    const lines: string[] = [];
    if (ipv4 !== undefined) {
      lines.push(`route ${action} default via ${GATEWAY_IPV4} dev ${dev} onlink metric ${metric}`);
    }
    if (ipv6 !== undefined) lines.push(`route ${action} default via fe80::1 dev ${dev} metric ${metric}`);
    return lines;
  }

  hostRemovalLines({ ipv4, ipv6 }: Addresses): string[] {
    const dev = this.#interfaceName;
    const lines: string[] = [];
    if (ipv4 !== undefined) lines.push(`addr del ${ipv4}/32 dev ${dev}`);
    if (ipv6 !== undefined) lines.push(`addr del ${ipv6}/64 dev ${dev}`);
    return lines;
  }

  async reroute(from: Addresses, to: Addresses): Promise<void> {
    const lines: string[] = [];
    if (from.ipv4 !== undefined && from.ipv4 !== to.ipv4) lines.push(`route del ${from.ipv4}/32 dev ${this.#port}`);
    if (from.ipv6 !== undefined && from.ipv6 !== to.ipv6) lines.push(`route del ${from.ipv6}/128 dev ${this.#port}`);
    if (to.ipv4 !== undefined) lines.push(`route replace ${to.ipv4}/32 dev ${this.#port}`);
    if (to.ipv6 !== undefined) lines.push(`addr replace fe80::1/64 dev ${this.#port} nodad`);
    if (to.ipv6 !== undefined) lines.push(`route replace ${to.ipv6}/128 dev ${this.#port}`);
    await this.#router.ip(lines);
  }
}
