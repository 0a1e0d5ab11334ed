import { mkdirSync } from "node:fs";
import { AsterismError } from "@asterism/core/errors";
import type {
  AgentStatus,
  ExplainBody,
  JoinAnswer,
  JoinBody,
  LinksAnswer,
  LinksBody,
  ModeAnswer,
  ModeBody,
  NetcheckAnswer,
  NetworkBody,
  NetworksAnswer,
  PeerExplanation,
  PingAnswer,
  PingBody,
} from "@asterism/core/local-api";
import type { Aead } from "@asterism/core/mesh";
import { PunchTurn } from "@asterism/core/paths";
import { VERSION } from "@asterism/core/version";
import type { Logger } from "pino";
import { LocalApi } from "./api/local-api.ts";
import { changeLinkSettings } from "./links/check-settings.ts";
import { networkLinks } from "./links/link-status.ts";
import type { ServedMetrics } from "./metrics/serve-metrics.ts";
import { joinNetwork, leaveNetwork } from "./overlay/enrolment.ts";
import { explainPeer } from "./overlay/explain-peer.ts";
import { noNetwork } from "./overlay/find-peer.ts";
import type { MemberRelay, RelayOfferOptions } from "./overlay/member-relay.ts";
import { netcheck } from "./overlay/netcheck.ts";
import { networkStatus, serverStatus } from "./overlay/network-status.ts";
import { OverlayNetwork } from "./overlay/overlay-network.ts";
import { peerMode } from "./overlay/peer-mode.ts";
import { pingPeer } from "./overlay/ping-peer.ts";
import { listHostAddresses } from "./platform/host-addresses.ts";
import { Nat64 } from "./platform/nat64.ts";
import { NetworkChanges } from "./platform/network-changes.linux.ts";
import { nodeCrypto } from "./platform/node-crypto.ts";
import { checkHostPrivileges } from "./platform/privileges.linux.ts";
import { type LoadedIdentity, loadMachineIdentity } from "./state/machine-identity.ts";
import { type Membership, MembershipStore } from "./state/membership.ts";
import { StateLock } from "./state/state-lock.ts";

/** How long a join waits to be told who the other members are; they come later as well. */
const FIRST_MAP_LIMIT_MS = 2_000;

export interface AgentOptions {
  readonly stateDir: string;
  readonly socketPath: string;
  readonly logger: Logger;
  /** Ciphers of transport data to announce beyond ChaCha20-Poly1305. */
  readonly aeads: readonly Aead[];
  /** Whether routers are asked to map the UDP ports of the links. */
  readonly mapPorts: boolean;
  /** Proxy for all networks, or `none`; undefined leaves it to the memberships and the environment. */
  readonly proxy: string | undefined;
  /** `HOST:PORT` at which Prometheus metrics are served over HTTP; nowhere if left out. */
  readonly metrics?: string;
  /** Runs a relay and offers it to the networks of this machine. */
  readonly relay: RelayOfferOptions | undefined;
}

/** The daemon: the networks of this machine, and the local API over them. */
export class Agent {
  readonly #options: AgentOptions;
  readonly #lock: StateLock;
  readonly #identity: LoadedIdentity;
  readonly #store: MembershipStore;
  readonly #problems: string[];
  readonly #networks = new Map<string, OverlayNetwork>(); // bounded: memberships, each joined by hand
  readonly #punchTurn = new PunchTurn();
  readonly #startedAt = performance.now();
  readonly #nat64: Nat64;
  #api: LocalApi | undefined;
  #metrics: ServedMetrics | undefined;
  #changes: NetworkChanges | undefined;
  #relay: MemberRelay | undefined;
  /** Joins and leaves one after the other: each looks at what the others have left behind. */
  #turn: Promise<unknown> = Promise.resolve();

  private constructor(options: AgentOptions) {
    this.#options = options;
    mkdirSync(options.stateDir, { recursive: true, mode: 0o700 });
    this.#lock = StateLock.acquire(options.stateDir);
    this.#identity = loadMachineIdentity(options.stateDir, nodeCrypto);
    this.#store = new MembershipStore(options.stateDir);
    this.#nat64 = new Nat64(options.logger, () => this.#handleNat64Change());
    const { memberships, problems } = this.#store.load();
    this.#problems = [...(this.#identity.problem === null ? [] : [this.#identity.problem]), ...problems];
    for (const problem of this.#problems) options.logger.error(problem);
    for (const membership of memberships) this.#addNetwork(membership);
  }

  /**
   * Starts the agent; its local API answers when the promise resolves, and its networks come up meanwhile.
   * @throws AsterismError `not-root`, `no-tun`, `state-locked`, `address-in-use`
   */
  static async start(options: AgentOptions): Promise<Agent> {
    checkHostPrivileges();
    const agent = new Agent(options);
    try {
      const { metrics, relay, stateDir, logger, socketPath } = options;
      if (metrics !== undefined) {
        // Loaded on demand: an agent without it needs less memory.
        const { serveMetrics } = await import("./metrics/serve-metrics.ts");
        agent.#metrics = await serveMetrics(metrics, () => [...agent.#networks.values()]);
      }
      if (relay !== undefined) {
        const { MemberRelay } = await import("./overlay/member-relay.ts");
        agent.#relay = await MemberRelay.start(relay, stateDir, logger);
      }
      agent.#api = await LocalApi.start(socketPath, agent);
    } catch (error) {
      await agent.#metrics?.stop();
      await agent.#relay?.close();
      agent.#lock.release();
      throw error;
    }
    agent.#nat64.refresh();
    agent.#changes = new NetworkChanges(
      (name) => agent.#ownInterfaces().has(name),
      (interfaces) => agent.#handleNetworkChange(interfaces),
    );
    for (const network of agent.#networks.values()) {
      if (network.membership.enabled) void agent.#bringUp(network);
    }
    return agent;
  }

  /** Takes interfaces, routes and the socket away again. */
  async stop(): Promise<void> {
    this.#changes?.stop();
    this.#nat64.stop();
    await this.#api?.stop();
    await this.#metrics?.stop();
    await Promise.all([...this.#networks.values()].map((network) => network.stop()));
    await this.#relay?.close();
    this.#lock.release();
  }

  status(): Promise<AgentStatus> {
    const networks = [...this.#networks.values()];
    const [first] = networks;
    return Promise.resolve({
      version: VERSION,
      agent: {
        machineKey: this.#identity.machine.publicKey,
        uptimeSeconds: Math.floor((performance.now() - this.#startedAt) / 1000),
        problem: this.#problems.length === 0 ? null : this.#problems.join("\n"),
      },
      server: first === undefined ? null : serverStatus(first),
      networks: networks.map(networkStatus),
    });
  }

  join(body: JoinBody): Promise<JoinAnswer> {
    return this.#inTurn(async () => {
      const membership = await joinNetwork(body, {
        machine: this.#identity.machine,
        crypto: nodeCrypto,
        aeads: this.#options.aeads,
        networks: this.#networks,
        ownInterfaces: () => this.#ownInterfaces(),
        proxy: this.#options.proxy,
        logger: this.#options.logger,
      });
      const former = this.#networks.get(membership.network.id);
      if (former !== undefined) await former.stop();
      this.#store.save(membership);
      const network = this.#addNetwork(membership);
      await network.up();
      await network.waitForPeers(FIRST_MAP_LIMIT_MS);
      return { network: networkStatus(network) };
    });
  }

  leave({ network: name }: NetworkBody): Promise<NetworksAnswer> {
    return this.#inTurn(async () => {
      const network = this.#findOne(name);
      await leaveNetwork(network, this.#identity.machine, nodeCrypto, this.#options.logger);
      await network.stop();
      this.#networks.delete(network.membership.network.id);
      this.#store.remove(network.membership.network.id);
      return { networks: [network.membership.network.name] };
    });
  }

  up(body: NetworkBody): Promise<NetworksAnswer> {
    return this.#forEach(body, (network) => network.up());
  }

  down(body: NetworkBody): Promise<NetworksAnswer> {
    return this.#forEach(body, (network) => network.down());
  }

  links(): Promise<LinksAnswer> {
    return Promise.resolve({ networks: [...this.#networks.values()].map(networkLinks) });
  }

  setLinks({ network: name, ...change }: LinksBody): Promise<LinksAnswer> {
    return this.#inTurn(() => {
      const network = this.#findOne(name);
      network.setLinks(changeLinkSettings(network.membership.links ?? {}, change, this.#ownInterfaces()));
      return Promise.resolve({ networks: [networkLinks(network)] });
    });
  }

  mode(body: ModeBody): Promise<ModeAnswer> {
    return Promise.resolve(peerMode([...this.#networks.values()], body));
  }

  explain(body: ExplainBody, signal: AbortSignal): Promise<PeerExplanation> {
    return explainPeer([...this.#networks.values()], body, signal);
  }

  netcheck(signal: AbortSignal): Promise<NetcheckAnswer> {
    return netcheck([...this.#networks.values()], signal);
  }

  ping(body: PingBody, signal: AbortSignal): Promise<PingAnswer> {
    return pingPeer([...this.#networks.values()], body, signal);
  }

  #addNetwork(membership: Membership): OverlayNetwork {
    const network = new OverlayNetwork({
      membership,
      store: this.#store,
      machine: this.#identity.machine,
      crypto: nodeCrypto,
      aeads: this.#options.aeads,
      mapPorts: this.#options.mapPorts,
      proxy: this.#options.proxy,
      onPair: (pair) => this.#metrics?.countPair(pair),
      logger: this.#options.logger.child({ network: membership.network.name }),
      host: {
        ownInterfaces: () => this.#ownInterfaces(),
        interfaceIndex: (name) => this.#changes?.indexOf(name),
        overlayRanges: () => this.#overlayRanges(),
        nat64: this.#nat64,
        punchTurn: this.#punchTurn,
        relayOffer: () => this.#relay?.offer(listHostAddresses(this.#ownInterfaces()).map(({ address }) => address)),
      },
    });
    this.#networks.set(membership.network.id, network);
    return network;
  }

  async #bringUp(network: OverlayNetwork): Promise<void> {
    try {
      await network.up();
    } catch (error) {
      // The network's status says so as well; the others go on.
      this.#options.logger.error({ network: network.membership.network.name }, String(error));
    }
  }

  async #forEach(
    { network: name }: NetworkBody,
    step: (network: OverlayNetwork) => Promise<void>,
  ): Promise<NetworksAnswer> {
    const networks = name === undefined ? [...this.#networks.values()] : [this.#findOne(name)];
    if (networks.length === 0) throw noNetwork();
    for (const network of networks) await step(network);
    return { networks: networks.map(({ membership }) => membership.network.name) };
  }

  #findOne(name: string | undefined): OverlayNetwork {
    const all = [...this.#networks.values()];
    if (all.length === 0) throw noNetwork();
    const known = all.map(({ membership }) => membership.network.name).join(", ");
    const found =
      name === undefined
        ? all
        : all.filter(({ membership: { network } }) => network.name === name || network.id === name);
    const [only, another] = found;
    if (only === undefined) {
      throw new AsterismError("network-unknown", `this machine is in no network "${name}"; it is in: ${known}`);
    }
    if (another !== undefined) {
      throw new AsterismError("invalid-input", `this machine is in several networks; name one (or its id): ${known}`);
    }
    return only;
  }

  #ownInterfaces(): Set<string> {
    return new Set([...this.#networks.values()].flatMap(({ interfaceName }) => interfaceName ?? []));
  }

  #overlayRanges(): string[] {
    return [...this.#networks.values()].flatMap(({ membership: { network } }) => [
      network.ipv4Range,
      network.ipv6Range,
    ]);
  }

  #handleNat64Change(): void {
    for (const network of this.#networks.values()) network.handleNat64Change();
  }

  #handleNetworkChange(interfaces: ReadonlySet<string> | undefined): void {
    this.#nat64.refresh();
    for (const network of this.#networks.values()) network.handleNetworkChange(interfaces);
  }

  #inTurn<T>(step: () => Promise<T>): Promise<T> {
    const run = this.#turn.then(step);
    this.#turn = run.catch(() => undefined); // the caller gets the error; the next one may go on
    return run;
  }
}
