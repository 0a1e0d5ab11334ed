/** Whatever becomes of the host's interfaces and of the settings: sockets, links and what the mesh offers fit together. */
import type { LinkSettings } from "@asterism/core/local-api";
import type { Mesh } from "@asterism/core/mesh";
import type { LinkId } from "@asterism/core/net";
import type { ClockReading } from "@asterism/core/time";
import { EngineError, type LinkInfo, type LinkOptions } from "@asterism/engine";
import fc from "fast-check";
import pino from "pino";
import { expect, test } from "vitest";
import { seededRandom } from "../../../core/test/seeded-random.ts";
import { loneMesh } from "../../test/lone-mesh.ts";
import type { HostAddress } from "../platform/host-addresses.ts";
import { RouteTable } from "../platform/route-table.linux.ts";
import { NetworkLinks } from "./network-links.ts";

const NAMES = ["eth0", "eth1", "wlan0"] as const;
const ADDRESSES = ["192.0.2.7", "192.0.2.8", "192.0.2.9"] as const;
const HEADING = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT";

interface Interface {
  readonly index: number;
  readonly hasAddress: boolean;
}

type Event =
  | { readonly kind: "interface"; readonly which: number; readonly state: "gone" | "bare" | "up" | "replaced" }
  | { readonly kind: "settings"; readonly settings: LinkSettings }
  | { readonly kind: "sockets"; readonly areRefused: boolean }
  /** The host says what has changed, where it did; `everywhere`: it does not know where. */
  | { readonly kind: "told"; readonly everywhere: boolean };

/** A host with three interfaces, each with a default route while it has an address. */
class Host {
  /** Sockets, by what they are bound to: an interface is another one after it was replaced. */
  readonly open = new Map<LinkId, string>();
  readonly links: NetworkLinks;
  readonly mesh: Mesh;
  readonly #interfaces = new Map<string, Interface>();
  readonly #changed = new Set<string>();
  #settings: LinkSettings = {};
  #areRefused = false;
  #nextIndex = 1;
  #nextLinkId = 1;
  #nowMs = 1_000_000;

  constructor() {
    this.#bringUp("eth0", true);
    this.links = new NetworkLinks({
      device: { openLink: (options) => this.#openLink(options), closeLink: (id) => this.#closeLink(id) },
      logger: pino({ level: "silent" }),
      settings: () => this.#settings,
      ports: () => ({ first: 0, byName: {} }),
      onPort: () => undefined,
      ownInterfaces: () => new Set(),
      interfaceIndex: (name) => this.#interfaces.get(name)?.index ?? null,
      withOwn: () => this.#addresses(),
      portMappingNonce: null,
      readRoutes: () => this.#routes(),
    });
    this.mesh = loneMesh(seededRandom(1));
    this.links.start((input) => this.#run(input));
    const stunServers = [{ address: "198.51.100.1", port: 3_478, alternatePort: null }];
    this.#run((mesh, time) => mesh.handleRelays({ type: "relays", relays: [], stunServers }, time));
  }

  apply(event: Event): void {
    switch (event.kind) {
      case "interface":
        this.#change(NAMES[event.which]!, event.state);
        return;
      case "settings":
        this.#settings = event.settings;
        this.links.handleSettings();
        return;
      case "sockets":
        this.#areRefused = event.areRefused;
        return;
      case "told":
        this.links.handleNetworkChange(event.everywhere ? undefined : new Set(this.#changed));
        this.#changed.clear();
        this.#run((mesh, time) => mesh.handleTimeout(time));
        return;
    }
  }

  /** After the host has told: what is bound to an interface is bound to the one that there is. */
  check(): void {
    const { set } = this.links;
    const open = set.open.map(({ info, wanted }): [LinkId, string] => [info.id, this.#binding(wanted.name)]);
    expect([...this.open]).toEqual(expect.arrayContaining(open));
    expect(this.open.size).toBe(open.length);
    for (const { name } of set.wanted) expect(set.get(name) !== undefined).toBe(set.problemOf(name) === undefined);
    for (const { linkId } of this.mesh.gathering().candidates) expect(this.open.has(linkId)).toBe(true);
    const offered = new Set(this.mesh.gathering().candidates.map(({ linkId }) => linkId));
    for (const { info, wanted } of set.open) {
      expect(offered.has(info.id)).toBe(this.links.addressesOf(wanted).length > 0);
    }
  }

  #run(input: (mesh: Mesh, time: ClockReading) => void): void {
    this.#nowMs += 97;
    input(this.mesh, { now: this.#nowMs, wall: this.#nowMs } as ClockReading);
    for (let effect = this.mesh.pollEffect(); effect !== undefined; effect = this.mesh.pollEffect()) {
      if (effect.kind === "send-datagram") expect(this.open.has(effect.to.linkId)).toBe(true);
    }
  }

  #binding(name: string): string {
    const { index } = this.#interfaces.get(name) ?? {};
    return index === undefined ? name : `${name}%${index}`;
  }

  #change(name: string, state: Extract<Event, { kind: "interface" }>["state"]): void {
    this.#changed.add(name);
    const known = this.#interfaces.get(name);
    if (state === "gone") this.#interfaces.delete(name);
    else if (state === "replaced" || known === undefined) this.#bringUp(name, state !== "bare");
    else this.#interfaces.set(name, { ...known, hasAddress: state === "up" });
  }

  #bringUp(name: string, hasAddress: boolean): void {
    this.#interfaces.set(name, { index: this.#nextIndex++, hasAddress });
  }

  #addresses(): HostAddress[] {
    return NAMES.flatMap((interfaceName, index): HostAddress[] => {
      if (this.#interfaces.get(interfaceName)?.hasAddress !== true) return [];
      return [{ interfaceName, address: ADDRESSES[index]!, family: "IPv4" }];
    });
  }

  #routes(): RouteTable {
    const lines = this.#addresses().map(
      ({ interfaceName }) => `${interfaceName}\t00000000\t010200C0\t0003\t0\t0\t1\t00000000\t0\t0\t0`,
    );
    return RouteTable.parse([HEADING, ...lines], []);
  }

  #openLink({ bindInterface, ipv4, port }: LinkOptions): LinkInfo {
    if (bindInterface !== undefined && !this.#interfaces.has(bindInterface)) throw refusal("no-such-interface");
    const isBound = ipv4 !== null && ipv4 !== "0.0.0.0";
    if (isBound && !this.#addresses().some(({ address }) => address === ipv4)) throw refusal("address-not-available");
    if (this.#areRefused) throw refusal("system-error");
    const id = this.#nextLinkId++;
    this.open.set(id, this.#binding(bindInterface ?? (isBound ? ipv4 : "any")));
    return { id, port: port || 40_000 + id, ipv4: true, ipv6: false };
  }

  #closeLink(id: LinkId): void {
    if (!this.open.delete(id)) throw refusal("unknown-link");
  }
}

function refusal(reason: ConstructorParameters<typeof EngineError>[0]): EngineError {
  return new EngineError(reason, reason);
}

const use = fc.oneof(
  fc.constantFrom("any", "auto"),
  fc.subarray([...NAMES, ...ADDRESSES, "eth9"], { minLength: 1 }),
) as fc.Arbitrary<NonNullable<LinkSettings["use"]>>;
const costs = fc.dictionary(fc.constantFrom(...NAMES), fc.constantFrom(0, 1, 5), { noNullPrototype: true });
const event: fc.Arbitrary<Event> = fc.oneof(
  fc.record({
    kind: fc.constant("interface" as const),
    which: fc.nat({ max: 2 }),
    state: fc.constantFrom("gone", "bare", "up", "replaced"),
  }),
  fc.record({ kind: fc.constant("settings" as const), settings: fc.record({ use, costs }) }),
  fc.record({ kind: fc.constant("sockets" as const), areRefused: fc.boolean() }),
  fc.record({ kind: fc.constant("told" as const), everywhere: fc.boolean() }),
);

test("whatever happens, in whatever order", () => {
  const property = fc.property(fc.array(event, { maxLength: 30 }), (events) => {
    const host = new Host();
    host.check();
    for (const one of events) {
      host.apply(one);
      if (one.kind !== "told") continue;
      host.check();
    }
    host.apply({ kind: "told", everywhere: true });
    host.check();
  });
  fc.assert(property, { numRuns: 150 });
});
