import { writeFile } from "node:fs/promises";
import type { Host } from "./host.ts";
import type { LabProcess } from "./lab-process.ts";

export interface PortMappingOptions {
  /** Default true. */
  readonly upnp?: boolean;
  /** NAT-PMP and PCP, which miniupnpd has behind one switch. Default true. */
  readonly natPmp?: boolean;
  /** Longest time that it grants by PCP, whatever it is asked for. */
  readonly maxLifetimeSeconds?: number;
}

const TABLE = "lab_port_mapping";

/**
 * Debian's miniupnpd on a router of the lab: maps ports for the LAN by PCP, NAT-PMP and UPnP. It believes public uplink
 * addresses only, and documentation ranges are none: give the router another one.
 */
export class PortMappingDaemon {
  readonly #router: Host;
  readonly #argv: readonly string[];
  #process: LabProcess;

  private constructor(router: Host, argv: readonly string[]) {
    this.#router = router;
    this.#argv = argv;
    this.#process = router.spawn(argv);
  }

  static async start(router: Host, lanInterface: string, options: PortMappingOptions): Promise<PortMappingDaemon> {
    await router.nft(CHAINS);
    const folder = await router.folder("miniupnpd");
    await writeFile(`${folder}/conf`, configuration(router.uplink.interfaceName, lanInterface, options));
    const daemon = new PortMappingDaemon(router, ["miniupnpd", "-d", "-f", `${folder}/conf`, "-P", `${folder}/pid`]);
    await daemon.#ready();
    return daemon;
  }

  /** What the kernel maps at the moment: external port, `->`, and where it leads. */
  async mappings(): Promise<string[]> {
    const { stdout } = await this.#router.exec(["nft", "list", "chain", "inet", TABLE, "prerouting_miniupnpd"]);
    return [...stdout.matchAll(/dport (\d+) dnat ip to (\S+)/g)].map(([, port, inside]) => `${port} -> ${inside}`);
  }

  /** As when the router loses its power: it knows nothing any more. */
  async kill(): Promise<void> {
    this.#process.kill("SIGKILL");
    await this.#process.exited;
    const chains = ["miniupnpd", "prerouting_miniupnpd", "postrouting_miniupnpd"];
    await this.#router.nft(chains.map((chain) => `flush chain inet ${TABLE} ${chain}\n`).join(""));
  }

  async startAgain(): Promise<void> {
    this.#process = this.#router.spawn(this.#argv);
    await this.#ready();
  }

  async #ready(): Promise<void> {
    await this.#process.waitForOutput(/starting NAT-PMP|HTTP listening on port/, {
      stream: "stderr",
    });
  }
}

/** What its own script makes, without the policy: the lab's routers have rules of their own. */
const CHAINS = `
table inet ${TABLE} {
  chain miniupnpd { }
  chain prerouting_miniupnpd { }
  chain postrouting_miniupnpd { }
  chain forward {
    type filter hook forward priority filter;
    jump miniupnpd
  }
  chain prerouting {
    type nat hook prerouting priority dstnat - 1;
    jump prerouting_miniupnpd
  }
  chain postrouting {
    type nat hook postrouting priority srcnat - 1;
    jump postrouting_miniupnpd
  }
}
`;

function configuration(uplink: string, lan: string, options: PortMappingOptions): string {
  const { upnp = true, natPmp = true, maxLifetimeSeconds } = options;
  const lifetimes = `min_lifetime=1\nmax_lifetime=${maxLifetimeSeconds}`;
  return `
ext_ifname=${uplink}
listening_ip=${lan}
enable_upnp=${upnp ? "yes" : "no"}
enable_natpmp=${natPmp ? "yes" : "no"}
secure_mode=yes
${maxLifetimeSeconds === undefined ? "" : lifetimes}
ipv6_disable=yes
upnp_table_name=${TABLE}
upnp_nat_table_name=${TABLE}
uuid=00000000-0000-4000-8000-000000000001
allow 1024-65535 0.0.0.0/0 1024-65535
deny 0-65535 0.0.0.0/0 0-65535
`;
}
