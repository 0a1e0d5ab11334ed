/** Where a member of the chaos run is: its local network, the NATs in front of it, and its line to the internet. */
import type { NatBehaviour, NatOptions } from "../../virtual-internet/nat-table.ts";
import type { Attachment, Segment } from "../../virtual-internet/segment.ts";
import type { VirtualInternet } from "../../virtual-internet/virtual-internet.ts";
import type { VirtualRouter } from "../../virtual-internet/virtual-router.ts";

const CONE = "endpoint-independent";
const BY_ADDRESS = "address-dependent";
const BY_PORT = "address-and-port-dependent";
const RANDOM = { kind: "random" } as const;
const LINE = { up: { delayMs: 10 }, down: { delayMs: 10 } } as const;

/** NATs, the one next to the member first; none for a public address. */
interface SitePlan {
  readonly nats: readonly NatOptions[];
  readonly hasIpv6?: boolean;
}

/** Every kind of place; the timeouts are those that RFC 4787 §4.3 and home routers have. */
export const SITE_PLANS = {
  public: { nats: [] },
  "public dual-stack": { nats: [], hasIpv6: true },
  "full cone": { nats: [{ mapping: CONE, filtering: CONE, ports: RANDOM, mappingTimeoutMs: 300_000 }] },
  "restricted cone": {
    nats: [{ mapping: CONE, filtering: BY_ADDRESS, ports: RANDOM, mappingTimeoutMs: 60_000, refreshedBy: "both" }],
  },
  "port-restricted cone": {
    nats: [{ mapping: CONE, filtering: BY_PORT, ports: { kind: "preserving" }, mappingTimeoutMs: 30_000 }],
  },
  "port-restricted with IPv6": {
    nats: [{ mapping: CONE, filtering: BY_PORT, ports: RANDOM, mappingTimeoutMs: 120_000, refreshedBy: "both" }],
    hasIpv6: true,
  },
  "double NAT": {
    nats: [
      { mapping: CONE, filtering: BY_PORT, ports: { kind: "preserving" }, mappingTimeoutMs: 60_000 },
      { mapping: CONE, filtering: BY_PORT, ports: RANDOM, mappingTimeoutMs: 120_000 },
    ],
  },
  symmetric: { nats: [{ mapping: BY_PORT, filtering: BY_PORT, ports: RANDOM, mappingTimeoutMs: 60_000 }] },
  "symmetric with IPv6": {
    nats: [{ mapping: BY_PORT, filtering: BY_PORT, ports: RANDOM, mappingTimeoutMs: 30_000 }],
    hasIpv6: true,
  },
  "symmetric sequential": {
    nats: [{ mapping: BY_PORT, filtering: BY_PORT, ports: { kind: "sequential" }, mappingTimeoutMs: 60_000 }],
  },
  "symmetric port block": {
    nats: [
      { mapping: BY_PORT, filtering: BY_PORT, ports: { kind: "port-block", sizePorts: 512 }, mappingTimeoutMs: 60_000 },
    ],
  },
} as const satisfies Record<string, SitePlan>;

export type SiteKind = keyof typeof SITE_PLANS;

/** A local network that members can be in; `public` ones have no router and every member is a network of its own. */
export class Site {
  readonly name: string;
  readonly kind: SiteKind;
  readonly segment: Segment;
  /** The one next to the members first. */
  readonly routers: readonly VirtualRouter[];
  readonly hasIpv6: boolean;
  readonly #number: number;
  #hosts = 0;

  constructor(net: VirtualInternet, kind: SiteKind, number: number, nextAddress: () => string) {
    const plan: SitePlan = SITE_PLANS[kind];
    this.name = `${kind} ${number}`;
    this.kind = kind;
    this.#number = number;
    this.hasIpv6 = plan.hasIpv6 ?? false;
    const routers: VirtualRouter[] = [];
    let outside = net.public;
    for (const [index, nat] of [...plan.nats].reverse().entries()) {
      const outsideIpv4 = index === 0 ? nextAddress() : `10.${number}.0.2`;
      const conditions = index === 0 ? LINE : {};
      const router = net.lan(`site${number}r${index}`, { outsideIpv4, nat, firewall: "stateful", conditions }, outside);
      routers.unshift(router);
      outside = router.inside;
    }
    this.routers = routers;
    this.segment = outside;
  }

  /** The router at the internet's end; undefined for a public address. */
  get border(): VirtualRouter | undefined {
    return this.routers.at(-1);
  }

  get isUdpBlocked(): boolean {
    return this.routers.some((router) => router.isUdpBlocked);
  }

  /** What a member gets that comes here: `number` tells members apart who come again. */
  lease(nextAddress: () => string): { ipv4: string; ipv6?: string; up?: object; down?: object } {
    this.#hosts += 1;
    const isPublic = this.routers.length === 0;
    // Most home networks have the same addresses inside.
    const ipv4 = isPublic ? nextAddress() : `192.168.1.${1 + this.#hosts}`;
    const ipv6 = this.hasIpv6 ? { ipv6: `2001:db8:${this.#number}::${(1 + this.#hosts).toString(16)}` } : {};
    return { ipv4, ...ipv6, ...(isPublic ? LINE : {}) };
  }

  /** Where a member's packets enter the internet. */
  entrance(own: Attachment): Attachment {
    return this.border?.line ?? own;
  }
}

/** How restrictive the NATs of a site are together. */
export function natOf(kind: SiteKind): { readonly mapping: NatBehaviour; readonly filtering: NatBehaviour } {
  const rank = [CONE, BY_ADDRESS, BY_PORT] as const;
  const { nats }: SitePlan = SITE_PLANS[kind];
  const worst = (of: (nat: NatOptions) => NatBehaviour): NatBehaviour =>
    rank[Math.max(0, ...nats.map((nat) => rank.indexOf(of(nat))))] ?? CONE;
  return { mapping: worst(({ mapping }) => mapping), filtering: worst(({ filtering }) => filtering) };
}
