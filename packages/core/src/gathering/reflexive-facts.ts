import { formatUdpAddress, type LinkId, type UdpAddress, udpAddressEquals } from "../net/index.ts";
import type { Instant } from "../time.ts";
import { serverKey } from "./binding-requests.ts";
import type { ReflexiveFact } from "./gathering-types.ts";
import { MAX_REFLEXIVE, REFLEXIVE_STALE_MS } from "./timings.ts";

const MAX_FACTS = 256;

/** What STUN servers have told of our addresses and of their distance. */
export class ReflexiveFacts {
  readonly #facts = new Map<string, ReflexiveFact>(); // bounded: MAX_FACTS, oldest dropped

  #doubtedAt: Instant | undefined;

  /** What was told before is out of date as soon as anything newer is told. */
  get doubtedAt(): Instant | undefined {
    return this.#doubtedAt;
  }

  doubt(since: Instant): void {
    this.#doubtedAt = Math.max(since, this.#doubtedAt ?? 0) as Instant;
  }

  get all(): readonly ReflexiveFact[] {
    return [...this.#facts.values()];
  }

  /** `rttMs` null leaves what was measured before. */
  add(linkId: LinkId, server: UdpAddress, mapped: UdpAddress, rttMs: number | null, now: Instant): void {
    const key = serverKey(linkId, server);
    const before = this.#facts.get(key);
    this.#facts.delete(key);
    this.#facts.set(key, { linkId, server, mapped, rttMs: rttMs ?? before?.rttMs ?? null, answeredAt: now });
    if (this.#facts.size > MAX_FACTS) this.#facts.delete(this.#facts.keys().next().value ?? "");
  }

  /** The link is gone, or has other addresses. */
  forgetLink(linkId: LinkId): void {
    for (const [key, fact] of this.#facts) if (fact.linkId === linkId) this.#facts.delete(key);
  }

  /** The shortest round trip to any of these addresses. */
  rttMs(servers: readonly UdpAddress[]): number | null {
    let shortest: number | null = null;
    for (const { server, rttMs } of this.#facts.values()) {
      if (rttMs === null || !servers.some((one) => udpAddressEquals(one, server))) continue;
      shortest = shortest === null ? rttMs : Math.min(shortest, rttMs);
    }
    return shortest;
  }

  /** True if one of these has answered after that, on any link. */
  hasAnsweredSince(servers: readonly UdpAddress[], since: Instant): boolean {
    return this.all.some(({ server, answeredAt }) => {
      return answeredAt > since && servers.some((one) => udpAddressEquals(one, server));
    });
  }

  hasAnswered(linkId: LinkId, server: UdpAddress): boolean {
    return this.#facts.has(serverKey(linkId, server));
  }

  /** Whether a server has told lately how it sees this link. */
  isFresh(linkId: LinkId, family: 4 | 6, now: Instant): boolean {
    return this.all.some(
      ({ linkId: id, mapped, answeredAt }) =>
        id === linkId && mapped.address.includes(":") === (family === 6) && now - answeredAt < REFLEXIVE_STALE_MS,
    );
  }

  /**
   * Our addresses on a link, one for each IP address, as the first of `servers` sees them. The order of the servers
   * decides, not that of their answers: behind a symmetric NAT each server tells another port, and an offer that
   * changes with every answer would have peers called for nothing.
   */
  mapped(linkId: LinkId, family: 4 | 6, servers: readonly UdpAddress[]): UdpAddress[] {
    const facts = this.all.filter(
      (fact) => fact.linkId === linkId && fact.mapped.address.includes(":") === (family === 6),
    );
    const newestAt = Math.max(...facts.map(({ answeredAt }) => answeredAt));
    const order = servers.map(formatUdpAddress);
    const rank = ({ server }: ReflexiveFact): number => {
      const index = order.indexOf(formatUdpAddress(server));
      return index === -1 ? order.length : index;
    };
    const byAddress = new Map<string, UdpAddress>();
    const doubtedAt = this.#doubtedAt ?? 0;
    const validFrom = newestAt > doubtedAt ? doubtedAt : 0;
    const fresh = facts.filter(
      ({ answeredAt }) => answeredAt >= validFrom && newestAt - answeredAt < REFLEXIVE_STALE_MS,
    );
    for (const { mapped } of fresh.sort((a, b) => rank(a) - rank(b))) {
      if (byAddress.size < MAX_REFLEXIVE && !byAddress.has(mapped.address)) byAddress.set(mapped.address, mapped);
    }
    return [...byAddress.values()];
  }
}
