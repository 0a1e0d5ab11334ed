import { setTimeout as sleep } from "node:timers/promises";
import type { Host } from "./host.ts";
import { LabError } from "./lab-error.ts";
import { execute } from "./lab-process.ts";
import { LinkBox, type LinkBoxCounters } from "./link-box.ts";
import {
  ethtoolFeatures,
  faultsOf,
  type LinkFaults,
  type LinkOptions,
  linkBoxSettings,
  needsLinkBox,
  tbfArguments,
} from "./link-options.ts";

export interface LinkEnd {
  readonly host: Host;
  readonly interfaceName: string;
}

/**
 * A cable between two machines.
 *
 * Without faults it is a veth pair, with a rate alone a veth pair with tbf on both ends; delay, loss and the like put
 * the user-space link box between two TAP interfaces.
 */
export class Link {
  /** The end whose view names the directions: `up` leaves it. */
  readonly a: LinkEnd;
  readonly b: LinkEnd;
  #options: LinkOptions;
  #box: LinkBox | undefined;

  private constructor(a: LinkEnd, b: LinkEnd, options: LinkOptions) {
    this.a = a;
    this.b = b;
    this.#options = options;
  }

  /** Creates both interfaces, down and without addresses. */
  static async create(a: LinkEnd, b: LinkEnd, options: LinkOptions = {}): Promise<Link> {
    const link = new Link(a, b, options);
    if (needsLinkBox(options)) await link.#openBox();
    else await link.#openVeth();
    return link;
  }

  get options(): LinkOptions {
    return this.#options;
  }

  /** Replaces the faults of a living link; what isn't named in `faults` stays. */
  async change(faults: LinkFaults & Pick<LinkOptions, "up" | "down">): Promise<void> {
    const options = { ...this.#options, ...faults };
    if (this.#box === undefined && needsLinkBox(options)) {
      throw new LabError('this link is a veth pair: open it with kind: "box" to give it delay or loss later');
    }
    this.#options = options;
    if (this.#box !== undefined) await this.#applyBoxFaults(this.#box);
    else await this.#applyRate();
  }

  /**
   * Waits until both ends, which must be up, have a carrier and pass packets, and makes both machines resolve addresses
   * afresh. The kernel tells the carrier asynchronously, and what it could not resolve meanwhile it tries again only a
   * second later.
   */
  async settle(): Promise<void> {
    await Promise.all([this.a, this.b].map((end) => waitForCarrier(end)));
    await this.forgetNeighbours();
  }

  /** Makes both machines resolve addresses afresh. */
  async forgetNeighbours(): Promise<void> {
    await Promise.all([this.a, this.b].map((end) => end.host.ip(["neigh flush all"])));
  }

  /** Pulls the cable: both ends lose the carrier and keep their addresses. */
  async cut(): Promise<void> {
    await this.#setCarrier(false);
  }

  async mend(): Promise<void> {
    await this.#setCarrier(true);
    await this.settle();
  }

  /** Counters of the link box: `up` leaves end a. */
  async counters(): Promise<{ up: LinkBoxCounters; down: LinkBoxCounters }> {
    if (this.#box === undefined) throw new LabError('only a link of kind "box" counts its packets');
    const { ab, ba } = await this.#box.counters();
    return { up: ab, down: ba };
  }

  async destroy(): Promise<void> {
    if (this.#box !== undefined) await this.#box.close();
    else await this.a.host.ip([`link del ${this.a.interfaceName}`]);
  }

  async #openVeth(): Promise<void> {
    const { a, b } = this;
    const mtu = this.#options.mtuBytes === undefined ? "" : `mtu ${this.#options.mtuBytes}`;
    const line =
      `link add name ${a.interfaceName} ${mtu} netns ${a.host.namespace} type veth ` +
      `peer name ${b.interfaceName} ${mtu} netns ${b.host.namespace}\n`;
    await execute(["ip", "-batch", "-"], { input: line });
    await this.#applyRate();
    await this.#applyOffloads();
  }

  async #openBox(): Promise<void> {
    const { a, b } = this;
    const seed = this.#options.seed ?? 1;
    const place = (end: LinkEnd): string => `${end.host.namespace}:${end.interfaceName}`;
    this.#box = await LinkBox.open(place(a), place(b), seed);
    a.host.scope.track(this.#box.process);
    // A deep transmit queue leaves dropping to the box, which counts it.
    const mtu = this.#options.mtuBytes === undefined ? "" : `mtu ${this.#options.mtuBytes}`;
    await Promise.all(
      [a, b].map(async (end) => end.host.ip([`link set ${end.interfaceName} txqueuelen 10000 ${mtu}`])),
    );
    await this.#applyBoxFaults(this.#box);
  }

  async #applyBoxFaults(box: LinkBox): Promise<void> {
    await box.command(`set ab ${linkBoxSettings(faultsOf(this.#options, "up"))}`);
    await box.command(`set ba ${linkBoxSettings(faultsOf(this.#options, "down"))}`);
  }

  async #applyRate(): Promise<void> {
    const ends = [
      [this.a, faultsOf(this.#options, "up")],
      [this.b, faultsOf(this.#options, "down")],
    ] as const;
    const limited = ends.filter(([, faults]) => (faults.rateMbit ?? 0) > 0);
    await Promise.all(
      limited.map(async ([end, faults]) => {
        const line = `qdisc replace dev ${end.interfaceName} root ${tbfArguments(faults)}`;
        await execute(["tc", "-n", end.host.namespace, ...line.split(" ")]);
      }),
    );
  }

  async #applyOffloads(): Promise<void> {
    const features = ethtoolFeatures(this.#options.offloads ?? {});
    if (features.length === 0) return;
    for (const end of [this.a, this.b]) await end.host.exec(["ethtool", "-K", end.interfaceName, ...features]);
  }

  async #setCarrier(on: boolean): Promise<void> {
    if (this.#box !== undefined) {
      const value = on ? 1 : 0;
      await this.#box.command(`carrier a ${value}`);
      await this.#box.command(`carrier b ${value}`);
      return;
    }
    // A veth end loses its carrier when its peer goes down: the far end is the wall socket of the near one.
    await this.b.host.ip([`link set ${this.b.interfaceName} ${on ? "up" : "down"}`]);
  }
}

const CARRIER_LIMIT_MS = 10_000;
const CARRIER_POLL_MS = 10;

async function waitForCarrier({ host, interfaceName }: LinkEnd): Promise<void> {
  const deadline = performance.now() + CARRIER_LIMIT_MS;
  const argv = ["ip", "-n", host.namespace, "-json", "link", "show", "dev", interfaceName];
  for (;;) {
    const { stdout } = await execute(argv);
    const state = (JSON.parse(stdout) as LinkState[])[0];
    if (state !== undefined && passesPackets(state)) return;
    if (performance.now() > deadline) {
      throw new LabError(`${host.name}'s ${interfaceName} got no carrier in ${CARRIER_LIMIT_MS} ms: ${stdout}`);
    }
    await sleep(CARRIER_POLL_MS);
  }
}

/** What `ip -json link show` says of an interface. */
interface LinkState {
  readonly flags: readonly string[];
  readonly operstate: string;
  readonly qdisc: string;
}

/** `noop` is the queue of an interface that the kernel has not activated yet: it drops everything. */
function passesPackets({ flags, operstate, qdisc }: LinkState): boolean {
  return flags.includes("LOWER_UP") && (operstate === "UP" || operstate === "UNKNOWN") && qdisc !== "noop";
}
