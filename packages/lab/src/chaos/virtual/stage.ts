/** Twenty members behind every kind of NAT, the places where they go, three relays and a server. */

import { relaysMessage } from "../../virtual-internet/relays-message.ts";
import { SeededRandom } from "../../virtual-internet/seeded-random.ts";
import { VirtualInternet } from "../../virtual-internet/virtual-internet.ts";
import { VirtualRelay } from "../../virtual-internet/virtual-relay.ts";
import type { World } from "../../virtual-internet/world.ts";
import { ChaosMember } from "./chaos-member.ts";
import { ControlPlane } from "./control-plane.ts";
import { Site, type SiteKind } from "./site.ts";

/** Homes of the members, in turn; the last ones share the home of the one before. */
const HOMES: readonly (SiteKind | "as before")[] = [
  "public",
  "port-restricted cone",
  "symmetric",
  "public dual-stack",
  "full cone",
  "port-restricted with IPv6",
  "restricted cone",
  "double NAT",
  "symmetric with IPv6",
  "port-restricted cone",
  "symmetric sequential",
  "port-restricted cone",
  "as before",
  "full cone",
  "public",
  "symmetric port block",
  "restricted cone",
  "port-restricted cone",
  "symmetric",
  "as before",
];
/** Where members roam to. */
const CAFES: readonly SiteKind[] = ["port-restricted cone", "symmetric", "full cone", "port-restricted with IPv6"];
const RELAY_DELAYS_MS: readonly number[] = [2, 15, 40];

export class Stage {
  readonly net: VirtualInternet;
  readonly control: ControlPlane;
  readonly members: readonly ChaosMember[];
  readonly sites: readonly Site[];
  readonly cafes: readonly Site[];
  readonly relays: readonly VirtualRelay[];
  #addresses = 0;

  constructor(seed: number, agents: number, onDelivered: (to: ChaosMember, from: string, payload: string) => void) {
    this.net = new VirtualInternet(seed);
    const random = new SeededRandom(seed + 1);
    this.control = new ControlPlane(this.net.world, random.fork());
    this.relays = RELAY_DELAYS_MS.map((delayMs, index) => this.#createRelay(index, delayMs));
    const homes: Site[] = [];
    for (let number = 0; number < agents; number++) homes.push(this.#createHome(number, homes));
    this.cafes = CAFES.map((kind, index) => new Site(this.net, kind, 100 + index, this.nextAddress));
    this.sites = [...new Set(homes), ...this.cafes];
    this.members = homes.map(
      (home, index) =>
        new ChaosMember({
          number: index + 1,
          host: this.net.host(`m${String(index + 1).padStart(2, "0")}`),
          home,
          control: this.control,
          random: random.fork(),
          nextAddress: this.nextAddress,
          relays: () => relaysMessage(this.relays),
          others: (than) => this.members.filter((member) => member !== than).map(({ info }) => info),
          onDelivered,
        }),
    );
    for (const member of this.members) member.start();
  }

  get world(): World {
    return this.net.world;
  }

  /** A public address that nobody has had. */
  readonly nextAddress = (): string => {
    this.#addresses += 1;
    return `45.0.${this.#addresses >> 8}.${this.#addresses & 0xff}`;
  };

  find(name: string): ChaosMember | undefined {
    return this.members.find((member) => member.name === name);
  }

  #createHome(number: number, homes: readonly Site[]): Site {
    const kind = HOMES[number % HOMES.length] ?? "public";
    const before = homes.at(-1);
    if (kind !== "as before") return new Site(this.net, kind, number + 1, this.nextAddress);
    return before ?? new Site(this.net, "public", number + 1, this.nextAddress);
  }

  #createRelay(index: number, delayMs: number): VirtualRelay {
    const host = this.net.host(`relay${index}`);
    const line = { up: { delayMs }, down: { delayMs } };
    const on = host.connect(this.net.public, { ipv4: this.nextAddress(), ...line });
    return new VirtualRelay({ host, interface: on, streamPorts: { tcp: 3_478, tls: 443 } });
  }
}
