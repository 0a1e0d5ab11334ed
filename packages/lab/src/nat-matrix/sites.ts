import { setTimeout as sleep } from "node:timers/promises";
import { AgentClient } from "@asterism/client/agent";
import type { AttachOptions } from "../net/attachment.ts";
import type { Host } from "../net/host.ts";
import { Lab } from "../net/lab.ts";
import { LabError } from "../net/lab-error.ts";
import { AgentProcess } from "../product/agent-process.ts";
import { warmUp } from "../product/asterism-command.ts";
import { ServerProcess } from "../product/server-process.ts";
import { isBlockedKind, type SiteKind } from "./pair-kinds.ts";
import { RelayWatch } from "./relay-watch.ts";

/** A machine with an agent, alone behind a router of its kind. */
export interface Site {
  readonly name: string;
  readonly kind: SiteKind;
  readonly agent: AgentProcess;
  readonly client: AgentClient;
}

export interface SitesOptions {
  /** From each site to the internet, and the same back. 0: as fast as the machine is. */
  readonly delayMs: number;
}

const READY_LIMIT_MS = 30_000;

/** A server, which is the relay too, and agents behind NATs, all with IPv4 alone, on one lab. */
export class Sites implements AsyncDisposable {
  readonly serverHost: Host;
  readonly relayWatch: RelayWatch;
  readonly #lab: Lab;
  readonly #server: ServerProcess;
  readonly #options: SitesOptions;

  private constructor(lab: Lab, server: ServerProcess, watch: RelayWatch, options: SitesOptions) {
    this.#lab = lab;
    this.#server = server;
    this.serverHost = server.host;
    this.relayWatch = watch;
    this.#options = options;
  }

  static async create(tag: string, options: SitesOptions): Promise<Sites> {
    const lab = Lab.create(tag);
    try {
      const internet = await lab.internet();
      const host = await internet.host("server", IPV4);
      // With a second address agents find out how their NAT filters, too.
      await internet.attach(host, IPV4);
      await warmUp(host);
      const watch = await RelayWatch.start(host);
      return new Sites(lab, await ServerProcess.start(host), watch, options);
    } catch (error: unknown) {
      await lab[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Adds sites by name and waits until each agent knows its relay and its NAT. */
  async add(sites: Readonly<Record<string, SiteKind>>): Promise<Site[]> {
    const key = await this.#server.createKey({ reusable: true });
    const added = await Promise.all(
      Object.entries(sites).map(async ([name, kind]): Promise<Site> => {
        const agent = await AgentProcess.start(await this.#host(name, kind), { timeoutMs: READY_LIMIT_MS });
        await agent.join(key);
        return { name, kind, agent, client: new AgentClient(agent.socket) };
      }),
    );
    await Promise.all(added.map((site) => untilSettled(site, added.length - 1)));
    return added;
  }

  /** Runs `asterism admin`. */
  async admin(args: readonly string[]): Promise<void> {
    await this.#server.admin(args);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#lab[Symbol.asyncDispose]();
  }

  async #host(name: string, kind: SiteKind): Promise<Host> {
    const internet = await this.#lab.internet();
    const { delayMs } = this.#options;
    const access: AttachOptions = delayMs > 0 ? { ...IPV4, link: { delayMs } } : IPV4;
    if (kind === "public") return internet.host(name, access);
    const options = isBlockedKind(kind)
      ? ({ nat: "port-restricted", firewall: FIREWALLS[kind] } as const)
      : ({ nat: kind } as const);
    const router = await this.#lab.router(`${name}-nat`, internet, { ...options, ipv6: false, uplink: access });
    return router.host(name);
  }
}

const FIREWALLS = { "udp-blocked": "block-udp", "https-only": "https-only" } as const;

const IPV4: AttachOptions = { ipv6: false };

async function untilSettled({ name, client }: Site, peers: number): Promise<void> {
  const deadline = performance.now() + READY_LIMIT_MS;
  for (;;) {
    const [network] = (await client.status()).networks;
    const online = network?.peers.filter((peer) => peer.online).length ?? 0;
    const isKnown = network !== undefined && (network.self.nat.mapping !== "unknown" || network.self.nat.udp === false);
    if (isKnown && online >= peers) return;
    if (performance.now() > deadline) {
      throw new LabError(
        `${name}'s agent knows ${online} peers and this of its NAT: ${JSON.stringify(network?.self.nat)}`,
      );
    }
    await sleep(100);
  }
}
