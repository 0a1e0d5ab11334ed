/** Eight machines with agents behind NATs of several kinds, a server, and a relay of its own, in network namespaces. */
import { AgentClient } from "@asterism/client/agent";
import type { Attachment } from "../../net/attachment.ts";
import type { Host } from "../../net/host.ts";
import type { Internet } from "../../net/internet.ts";
import { Lab } from "../../net/lab.ts";
import type { LabProcess } from "../../net/lab-process.ts";
import type { NatKind } from "../../net/nat.ts";
import type { Router } from "../../net/router.ts";
import { AgentProcess } from "../../product/agent-process.ts";
import { ASTERISM_COMMAND, warmUp } from "../../product/asterism-command.ts";
import { ServerProcess } from "../../product/server-process.ts";
import type { MemberFacts } from "../oracle.ts";

type Place = "public" | "two uplinks" | "as before" | Exclude<NatKind, "none">;

/** Homes of the members, in turn. */
const PLACES: readonly Place[] = [
  "public",
  "port-restricted",
  "symmetric",
  "full-cone",
  "port-restricted",
  "as before",
  "restricted-cone",
  "two uplinks",
];
const RELAY_SECRET = "a secret of the chaos relay";
const ACCESS = { ipv6: false, link: { delayMs: 5 } } as const;
const READY_MS = 60_000;

/** A machine with an agent. What is wrong with it at present is counted here. */
export interface RealMember {
  readonly name: string;
  readonly agent: AgentProcess;
  readonly client: AgentClient;
  readonly router: Router | undefined;
  readonly place: Place;
  /** Of two uplinks. */
  readonly uplinks: readonly Attachment[];
  readonly overlayIpv4: string;
  /** Faults under way, by what they keep from working. */
  readonly troubles: Map<string, number>;
}

export class RealStage implements AsyncDisposable {
  readonly lab: Lab;
  readonly internet: Internet;
  readonly server: ServerProcess;
  readonly relayHost: Host;
  readonly members: RealMember[] = []; // bounded: agents of the run
  #relay: LabProcess;

  private constructor(lab: Lab, internet: Internet, server: ServerProcess, relayHost: Host, relay: LabProcess) {
    this.lab = lab;
    this.internet = internet;
    this.server = server;
    this.relayHost = relayHost;
    this.#relay = relay;
  }

  static async create(agents: number): Promise<RealStage> {
    const lab = Lab.create("chaos");
    try {
      const internet = await lab.internet();
      const [serverHost, relayHost] = await Promise.all(
        ["server", "relay"].map((name) => internet.host(name, { ipv6: false })),
      );
      if (serverHost === undefined || relayHost === undefined) throw new Error("the lab has made no hosts");
      await warmUp(serverHost);
      const server = await ServerProcess.start(serverHost);
      const stage = new RealStage(lab, internet, server, relayHost, await startRelay(relayHost));
      await server.admin(["relay", "add", relayHost.ipv4, "--secret", RELAY_SECRET]);
      await stage.#addMembers(agents);
      return stage;
    } catch (error: unknown) {
      await lab[Symbol.asyncDispose]();
      throw error;
    }
  }

  async killRelay(): Promise<void> {
    this.#relay.kill("SIGKILL");
    await this.#relay.exited;
  }

  async startRelay(): Promise<void> {
    this.#relay = await startRelay(this.relayHost);
  }

  /** Everything is up again in the quiet, so only what stays of the places matters. */
  factsOf({ place, router, troubles }: RealMember): MemberFacts {
    const isAlive = [...troubles.values()].every((count) => count === 0);
    const isSymmetric = place === "symmetric";
    const isByPort = isSymmetric || place === "port-restricted";
    return {
      isAlive,
      hasLine: isAlive,
      isUdpBlocked: false,
      hasIpv6: false,
      lan: router,
      mapping: isSymmetric ? "address-and-port-dependent" : "endpoint-independent",
      filtering: isByPort ? "address-and-port-dependent" : "address-dependent",
      reachesRelay: true,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.lab[Symbol.asyncDispose]();
  }

  async #addMembers(agents: number): Promise<void> {
    const key = await this.server.createKey({ reusable: true });
    let before: Router | undefined;
    for (let number = 0; number < agents; number++) {
      const place = PLACES[number % PLACES.length] ?? "public";
      const name = `m${number + 1}`;
      const router = place === "as before" ? before : await this.#createRouter(name, place);
      before = router ?? before;
      const host = router === undefined ? await this.internet.host(name, ACCESS) : await router.host(name);
      if (place === "two uplinks") await this.internet.attach(host, ACCESS);
      const agent = await AgentProcess.start(host, { timeoutMs: READY_MS });
      await agent.join(key);
      const { self } = await agent.network();
      this.members.push({
        name,
        agent,
        client: new AgentClient(agent.socket),
        router,
        place,
        uplinks: [...host.attachments],
        overlayIpv4: self?.ipv4 ?? "",
        troubles: new Map(),
      });
    }
  }

  async #createRouter(name: string, place: Place): Promise<Router | undefined> {
    if (place === "public" || place === "two uplinks" || place === "as before") return undefined;
    return await this.lab.router(`${name}-router`, this.internet, { nat: place, ipv6: false, uplink: ACCESS });
  }
}

async function startRelay(host: Host): Promise<LabProcess> {
  const relay = host.spawn([ASTERISM_COMMAND, "relay", "--secret", RELAY_SECRET]);
  await relay.waitForOutput(/^ready/m, { timeoutMs: READY_MS });
  return relay;
}
