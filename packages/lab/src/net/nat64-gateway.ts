import { writeFile } from "node:fs/promises";
import type { Host } from "./host.ts";
import type { Router } from "./router.ts";

/** What tayga gives to IPv6 hosts on its IPv4 side; the router's own NAT is behind it. */
const POOL = "10.64.64.0/24";
const TAYGA_IPV4 = "10.64.64.1";
/** RFC 7050 §8.2. */
const WELL_KNOWN = { ipv4: "192.0.0.170", hex: "c000:aa" };

/**
 * Makes a router of the lab a stateful NAT64: Debian's tayga translates between the families, statelessly, in user space;
 * the router's own NAT (choose one when creating it) then shares its public address among the hosts, and so decides how
 * the NAT64 as a whole maps and filters. A dnsmasq tells the prefix by the name that exists for it (RFC 7050). It does
 * not synthesise addresses of other names, as a real DNS64 does.
 */
export class Nat64Gateway {
  /** Of the router's own IPv6 delegation, as tayga refuses documentation addresses under the well-known one. */
  readonly prefix: string;
  /** Where the resolver answers. */
  readonly resolver: string;

  private constructor(prefix: string, resolver: string) {
    this.prefix = prefix;
    this.resolver = resolver;
  }

  /** The router's LAN must have IPv6. */
  static async start({ machine, lan }: Router): Promise<Nat64Gateway> {
    const base = lan.ipv6Prefix;
    if (base === undefined) throw new Error(`${machine.name}: a NAT64 needs IPv6`);
    const gateway = new Nat64Gateway(`${base}:64::`, `${base}::1`);
    await gateway.#startTayga(machine);
    await gateway.#startResolver(machine);
    return gateway;
  }

  async #startTayga(machine: Host): Promise<void> {
    const folder = await machine.folder("tayga");
    const lines = ["tun-device nat64", `ipv4-addr ${TAYGA_IPV4}`, `prefix ${this.prefix}/96`, `dynamic-pool ${POOL}`];
    await writeFile(`${folder}/conf`, `${lines.join("\n")}\ndata-dir ${folder}\n`);
    await machine.exec(["tayga", "-c", `${folder}/conf`, "--mktun"]);
    await machine.ip([
      "link set nat64 up",
      `route add ${POOL} dev nat64`,
      `addr add ${this.prefix}ffff:1/128 dev nat64`,
      `route add ${this.prefix}/96 dev nat64`,
    ]);
    machine.spawn(["tayga", "-c", `${folder}/conf`, "-d"]);
    // It says nothing of its own accord; the interface has a carrier as soon as it is read.
    await machine.shell("until [ $(cat /sys/class/net/nat64/carrier) = 1 ]; do sleep 0.05; done", {
      timeoutMs: 10_000,
    });
  }

  async #startResolver(machine: Host): Promise<void> {
    const names = [`${WELL_KNOWN.ipv4},${this.prefix}${WELL_KNOWN.hex}`];
    const options = ["no-daemon", "no-resolv", "no-hosts", "bind-interfaces", `listen-address=${this.resolver}`];
    const records = names.map((addresses) => `host-record=ipv4only.arpa,${addresses}`);
    const argv = ["dnsmasq", "--conf-file=/dev/null", ...[...options, ...records].map((option) => `--${option}`)];
    await machine.spawn(argv).waitForOutput(/started/, { stream: "stderr" });
  }
}
