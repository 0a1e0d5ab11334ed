import { type Addresses, Attachment, type AttachOptions, type Port, routeMetric } from "./attachment.ts";
import { Host } from "./host.ts";
import { Link } from "./link.ts";
import type { LabScope } from "./scope.ts";
import type { Segment } from "./segment.ts";

export interface LanOptions {
  /** First three numbers of the /24, e.g. `192.168.7`; default a fresh one. Two LANs may have the same. */
  readonly ipv4Prefix?: string;
  /** Leading groups of the IPv6 prefix, e.g. `2001:db8:1001`; `undefined`: no IPv6. */
  readonly ipv6Prefix?: string | undefined;
}

const FIRST_HOST = 10;

/** One Ethernet: a bridge with machines on it; with a gateway when a router owns it. */
export class Lan implements Segment {
  readonly name: string;
  /** The machine that holds the bridge: the router, or a switch without addresses. */
  readonly owner: Host;
  readonly ipv4Prefix: string;
  readonly ipv6Prefix: string | undefined;
  readonly #bridge: string;
  readonly #hasGateway: boolean;
  #hosts = 0;
  #delegations = 0;

  private constructor(owner: Host, bridge: string, hasGateway: boolean, ipv4Prefix: string, ipv6Prefix?: string) {
    this.name = `${owner.name}/${bridge}`;
    this.owner = owner;
    this.#bridge = bridge;
    this.#hasGateway = hasGateway;
    this.ipv4Prefix = ipv4Prefix;
    this.ipv6Prefix = ipv6Prefix;
  }

  /** A LAN with no way out. */
  static async isolated(scope: LabScope, name: string, options: LanOptions = {}): Promise<Lan> {
    const owner = await Host.create(scope, name);
    const number = scope.nextNumber();
    const ipv6Prefix = "ipv6Prefix" in options ? options.ipv6Prefix : `fd00:1ab:${number.toString(16)}`;
    const lan = new Lan(owner, "lan0", false, options.ipv4Prefix ?? `192.168.${number}`, ipv6Prefix);
    await owner.ip(lan.#bridgeLines());
    return lan;
  }

  /** The LAN side of a router. */
  static async behind(router: Host, bridge: string, options: LanOptions): Promise<Lan> {
    const ipv4Prefix = options.ipv4Prefix ?? `192.168.${router.scope.nextNumber()}`;
    const lan = new Lan(router, bridge, true, ipv4Prefix, options.ipv6Prefix);
    await router.ip([...lan.#bridgeLines(), ...lan.#gatewayLines()]);
    return lan;
  }

  get gatewayIpv4(): string {
    return `${this.ipv4Prefix}.1`;
  }

  async host(name: string, options: AttachOptions = {}): Promise<Host> {
    const host = await Host.create(this.owner.scope, name);
    await this.attach(host, options);
    return host;
  }

  async attach(host: Host, options: AttachOptions = {}): Promise<Attachment> {
    const number = this.#hosts++;
    const index = host.attachments.length;
    const interfaceName = options.interfaceName ?? host.nextInterfaceName();
    const port = `${this.#bridge}p${number}`;
    const suffix = FIRST_HOST + number;
    const ipv6 = this.ipv6Prefix === undefined ? undefined : `${this.ipv6Prefix}::${suffix.toString(16)}`;
    const addresses: Addresses = {
      ipv4: options.ipv4 === false ? undefined : (options.ipv4 ?? `${this.ipv4Prefix}.${suffix}`),
      ipv6: options.ipv6 === false ? undefined : (options.ipv6 ?? ipv6),
    };
    const link = await Link.create({ host, interfaceName }, { host: this.owner, interfaceName: port }, options.link);
    const routed = this.#hasGateway && options.defaultRoute !== false;
    const lanPort = new LanPort(this, interfaceName, routed ? routeMetric(index) : undefined);
    await Promise.all([
      this.owner.ip([`link set ${port} master ${this.#bridge} up`]),
      host.ip([`link set ${interfaceName} up`, ...lanPort.hostLines(addresses)]),
    ]);
    const attachment = new Attachment(host, interfaceName, link, addresses, lanPort);
    host.attachments.push(attachment);
    return attachment;
  }

  async delegateIpv6(to: Attachment): Promise<string | undefined> {
    if (this.ipv6Prefix === undefined || to.ipv6 === undefined) return undefined;
    const prefix = `${this.ipv6Prefix}:${(++this.#delegations).toString(16)}`;
    await this.owner.ip([`route replace ${prefix}::/64 via ${to.ipv6}`]);
    return prefix;
  }

  #bridgeLines(): string[] {
    return [`link add ${this.#bridge} type bridge forward_delay 0 mcast_snooping 0`, `link set ${this.#bridge} up`];
  }

  #gatewayLines(): string[] {
    const lines = [
      `addr add ${this.gatewayIpv4}/24 dev ${this.#bridge}`,
      `addr add fe80::1/64 dev ${this.#bridge} nodad`,
    ];
    if (this.ipv6Prefix !== undefined) lines.push(`addr add ${this.ipv6Prefix}::1/64 dev ${this.#bridge} nodad`);
    return lines;
  }
}

class LanPort implements Port {
  readonly #lan: Lan;
  readonly #interfaceName: string;
  readonly #metric: number | undefined;

  constructor(lan: Lan, interfaceName: string, metric: number | undefined) {
    this.#lan = lan;
    this.#interfaceName = interfaceName;
    this.#metric = metric;
  }

  hostLines(addresses: Addresses, metric?: number): string[] {
    const { ipv4, ipv6 } = addresses;
    const dev = this.#interfaceName;
    const lines: string[] = [];
    if (ipv4 !== undefined) lines.push(`addr add ${ipv4}/24 dev ${dev}`);
    if (ipv6 !== undefined) lines.push(`addr add ${ipv6}/64 dev ${dev} nodad`);
    if (this.#metric === undefined) return lines;
    return [...lines, ...this.defaultRouteLines("replace", addresses, metric ?? this.#metric)];
  }

  defaultRouteLines(action: "replace" | "del", { ipv4, ipv6 }: Addresses, metric: number): string[] {
    if (this.#metric === undefined) return [];
    const end = `dev ${this.#interfaceName} metric ${metric}`;
    const lines: string[] = [];
    if (ipv4 !== undefined) lines.push(`route ${action} default via ${this.#lan.gatewayIpv4} ${end}`);
    if (ipv6 !== undefined) lines.push(`route ${action} default via fe80::1 ${end}`);
    return lines;
  }

  hostRemovalLines({ ipv4, ipv6 }: Addresses): string[] {
    const dev = this.#interfaceName;
    const lines: string[] = [];
    if (ipv4 !== undefined) lines.push(`addr del ${ipv4}/24 dev ${dev}`);
    if (ipv6 !== undefined) lines.push(`addr del ${ipv6}/64 dev ${dev}`);
    return lines;
  }

  async reroute(): Promise<void> {
    // The bridge learns by itself.
  }
}
