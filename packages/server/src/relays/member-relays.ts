import type { OfferedRelay } from "@asterism/core/control";
import { AsterismError } from "@asterism/core/errors";
import type { NetworkRelay } from "../domain/network-relays.ts";

/** A device may offer a relay if an administrator gave it this tag. */
export const RELAY_TAG = "relay";

/** One place of those that a network has is the server's, and administrators' relays come first. */
const MAX_OFFERS = 8;
/** A member that went away, or came back without a word of its relay, is taken to have one for this long. */
export const OFFER_KEPT_MS = 60_000;

export interface MemberRelay {
  readonly nodeId: string;
  /** Name of the device. */
  readonly name: string;
  readonly relay: OfferedRelay;
  /** Milliseconds since 1970. */
  readonly offeredAt: number;
}

type Offer = MemberRelay & { doubtedSince: number | undefined };

/**
 * Relays that members offer. Not on disk: a member offers again whenever it connects, and after a restart of the server
 * that is when it can be told of others too.
 */
export class MemberRelays {
  readonly #offers = new Map<string, Map<string, Offer>>(); // bounded: networks × MAX_OFFERS

  of(networkId: string): readonly MemberRelay[] {
    return [...(this.#offers.get(networkId)?.values() ?? [])];
  }

  /** All there are, by network. */
  all(): readonly { readonly networkId: string; readonly offer: Readonly<Offer> }[] {
    return [...this.#offers].flatMap(([networkId, offers]) =>
      [...offers.values()].map((offer) => ({ networkId, offer })),
    );
  }

  /** True if that changes what the others are told. Throws `limit-reached`. */
  set(networkId: string, member: MemberRelay): boolean {
    const offers = this.#offers.get(networkId) ?? new Map<string, Offer>();
    const former = offers.get(member.nodeId);
    if (former === undefined && offers.size >= MAX_OFFERS) {
      throw new AsterismError("limit-reached", `The network has ${MAX_OFFERS} relays of members already.`);
    }
    this.#offers.set(networkId, offers);
    offers.set(member.nodeId, { ...member, doubtedSince: undefined });
    return former === undefined || JSON.stringify(content(former)) !== JSON.stringify(content(member));
  }

  /** True if there was one. */
  remove(networkId: string, nodeId: string): boolean {
    const offers = this.#offers.get(networkId);
    const existed = offers?.delete(nodeId) === true;
    if (offers?.size === 0) this.#offers.delete(networkId);
    return existed;
  }

  /** The member's stream has ended or begun: an offer is over soon unless it is made again. `now`: ms since 1970. */
  doubt(networkId: string, nodeId: string, now: number): void {
    const offer = this.#offers.get(networkId)?.get(nodeId);
    if (offer !== undefined) offer.doubtedSince ??= now;
  }

  /** Forgets offers that were not made again in time; gives the networks that had them. `now`: ms since 1970. */
  expire(now: number): string[] {
    const changed = new Set<string>();
    for (const { networkId, offer } of this.all()) {
      const { nodeId, doubtedSince } = offer;
      // The clock may have been set back.
      if (doubtedSince === undefined || Math.abs(now - doubtedSince) < OFFER_KEPT_MS) continue;
      this.remove(networkId, nodeId);
      changed.add(networkId);
    }
    return [...changed];
  }
}

export function memberRelayId(nodeId: string): string {
  return `relay-${nodeId}`;
}

/** As the network's members are told of it. */
export function offeredNetworkRelay({ nodeId, name, relay }: MemberRelay): NetworkRelay {
  return {
    id: memberRelayId(nodeId),
    host: name,
    addresses: relay.addresses,
    ports: { ...relay.ports, tls: null },
    alternateUdpPort: relay.alternateUdpPort,
    tlsName: null,
    tlsFingerprint: null,
    realm: relay.realm,
    auth: { kind: "secret", secret: relay.secret },
    offeredBy: nodeId,
  };
}

function content({ name, relay }: MemberRelay): unknown {
  return [name, relay];
}
