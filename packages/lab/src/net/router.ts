import { setTimeout as sleep } from "node:timers/promises";
import type { AttachOptions } from "./attachment.ts";
import { type FirewallKind, firewallRuleset } from "./firewall.ts";
import { Host } from "./host.ts";
import { LabError } from "./lab-error.ts";
import { Lan, type LanOptions } from "./lan.ts";
import { type NatKind, natRuleset } from "./nat.ts";
import { PortMappingDaemon, type PortMappingOptions } from "./port-mapping-daemon.ts";
import type { LabScope } from "./scope.ts";
import type { Segment } from "./segment.ts";

export interface RouterOptions {
  /** Default `none`: then the LAN is reachable from upstream by IPv6 only, as nobody routes its private IPv4. */
  readonly nat?: NatKind;
  /** Whether machines inside reach each other by their outside addresses; default false. */
  readonly hairpin?: boolean;
  readonly firewall?: FirewallKind;
  /** Maps ports for the LAN; give the uplink an address for it, see `PortMappingDaemon`. Default none. */
  readonly portMapping?: PortMappingOptions;
  readonly uplink?: AttachOptions;
  readonly lan?: Pick<LanOptions, "ipv4Prefix">;
  /** Whether the LAN gets IPv6 addresses; default true where upstream has IPv6. */
  readonly ipv6?: boolean;
}

export interface RebootOptions {
  /** How long it passes nothing; default as long as the reboot takes by itself, some 50 ms. */
  readonly offMs?: number;
  /** The uplink's address afterwards; default the same. */
  readonly ipv4?: string;
}

/** A home or office router: one uplink, one LAN behind it. */
export class Router {
  /** The router itself as a machine. */
  readonly machine: Host;
  readonly lan: Lan;
  readonly portMapping: PortMappingDaemon | undefined;
  /** The rules for an address of the uplink. */
  readonly #rulesFor: (ipv4: string) => string;

  private constructor(machine: Host, lan: Lan, rulesFor: (ipv4: string) => string, portMapping?: PortMappingDaemon) {
    this.machine = machine;
    this.lan = lan;
    this.#rulesFor = rulesFor;
    this.portMapping = portMapping;
  }

  static async create(scope: LabScope, name: string, upstream: Segment, options: RouterOptions = {}): Promise<Router> {
    const machine = await Host.create(scope, name, { forwarding: true });
    const ipv6: AttachOptions = options.ipv6 === false ? { ipv6: false } : {};
    const uplink = await upstream.attach(machine, { ...options.uplink, ...ipv6 });
    const ipv6Prefix = options.ipv6 === false ? undefined : await upstream.delegateIpv6(uplink);
    const lan = await Lan.behind(machine, "lan0", { ...options.lan, ipv6Prefix });
    const nat = options.nat ?? "none";
    const { interfaceName, ipv4: address } = uplink;
    if (nat !== "none" && address === undefined) throw new LabError(`router ${name}: NAT needs an IPv4 address`);
    const rulesFor = (ipv4: string): string => {
      const place = { uplink: interfaceName, address: ipv4, hairpin: options.hairpin ?? false };
      return natRuleset(nat, place) + firewallRuleset(options.firewall ?? "open", interfaceName);
    };
    const rules = rulesFor(address ?? "");
    if (rules !== "") await machine.nft(rules);
    const { portMapping } = options;
    const daemon = portMapping && (await PortMappingDaemon.start(machine, "lan0", portMapping));
    return new Router(machine, lan, rulesFor, daemon);
  }

  /** Loses its power and comes back without a memory of mappings and connections. The LAN's cables see nothing of it. */
  async reboot({ offMs = 0, ipv4 }: RebootOptions = {}): Promise<void> {
    const { machine, portMapping } = this;
    await machine.silence();
    await portMapping?.kill();
    const rebooted = sleep(offMs);
    if (ipv4 !== undefined) await machine.uplink.renumber({ ipv4 });
    const rules = this.#rulesFor(machine.uplink.ipv4 ?? "");
    const tables = [...rules.matchAll(/^table (\w+ \w+)/gm)].map(([, table]) => `delete table ${table}\n`);
    if (tables.length > 0) await machine.nft(tables.join("") + rules);
    await machine.exec(["conntrack", "-F"]);
    await rebooted;
    await machine.unsilence();
    await portMapping?.startAgain();
  }

  /** Adds a machine to the LAN. */
  host(name: string, options: AttachOptions = {}): Promise<Host> {
    return this.lan.host(name, options);
  }
}
