/**
 * Which relay is used, and how: the nearest on every link over UDP, and by a stream beside it while UDP brings no answer.
 * A relay that has been left stays for a while, as peers know its addresses; so does a stream after UDP works again.
 */
import type { LinkId, UdpAddress } from "../net/index.ts";
import { addMs, earliest, type Instant } from "../time.ts";
import type { Relay } from "./gathering-types.ts";
import type { GatheringLinks } from "./own-candidates.ts";
import type { ReflexiveFacts } from "./reflexive-facts.ts";
import { chooseRelay, type RelayOption } from "./relay-choice.ts";
import type { RelayClients } from "./relay-clients.ts";
import type { StreamProbes } from "./stream-probes.ts";
import {
  MAX_RELAYS_AT_ONCE,
  MAX_STREAM_RETIRE_MS,
  NEED_MS,
  RASH_RETIRE_FACTOR,
  RELAY_CHOICE_MS,
  RELAY_PATIENCE_MS,
  RELAY_RETIRE_MS,
  STREAM_RETIRE_MS,
  UDP_PATIENCE_MS,
} from "./timings.ts";

/** What there is to choose from. */
export interface RelayOffer {
  readonly relays: readonly Relay[];
  readonly links: GatheringLinks;
  /** The last examination of the NATs found no way out over UDP. */
  readonly isUdpBlocked: boolean;
}

export class RelayUse {
  readonly #clients: RelayClients;
  readonly #facts: ReflexiveFacts;
  readonly #probes: StreamProbes;
  #preferredId: string | undefined;
  /** Until then an answer may show which relay is the nearest. */
  #chooseBy: Instant | undefined;
  /** When the stream to the preferred relay is given up, as UDP works. */
  #streamRetireAt: Instant | undefined;
  /** When that was done last, and how long UDP has to work before it is done again. */
  #streamRetiredAt: Instant | undefined;
  #streamRetireMs = STREAM_RETIRE_MS;
  /** Since when the relay in use is silent, if it is no news any more that it has been so for too long. */
  #reviewedSilence: Instant | undefined;
  /** Until then a stream is wanted although UDP brings answers. */
  #streamWantedUntil: Instant | undefined;
  /** A second relay, in case the first one dies when nobody can be called any more. */
  #standbyId: string | undefined;
  /** When relays other than these two are given up. */
  #retireAt: Instant | undefined;

  constructor(clients: RelayClients, facts: ReflexiveFacts, probes: StreamProbes) {
    this.#probes = probes;
    this.#clients = clients;
    this.#facts = facts;
  }

  /** Id of the relay for new allocations. */
  get preferredId(): string | undefined {
    return this.#preferredId;
  }

  /** The choice waits for the first answer. */
  get isChoosing(): boolean {
    return this.#chooseBy !== undefined;
  }

  /** The relay in use has been silent for too long, and no other one has answered. */
  get isImpatient(): boolean {
    return this.#reviewedSilence !== undefined;
  }

  /** The round trip to a relay by what leads to it; null before the first answer. */
  distanceMs({ id, udp }: Relay, isUdpBlocked: boolean): number | null {
    return isUdpBlocked ? this.#probes.rttMs(id) : this.#facts.rttMs(udp);
  }

  /** Asks the best relay for what is missing; `neededAt` is when somebody last talked without a direct path. */
  use(offer: RelayOffer, neededAt: Instant | undefined, now: Instant): void {
    if (isNothing(offer)) return;
    const { relays, links, isUdpBlocked } = offer;
    if (this.#clients.relayIds().size === 0) this.#chooseBy ??= addMs(now, RELAY_CHOICE_MS);
    const byStream = relays.filter(({ streams }) => streams.length > 0);
    if (isUdpBlocked && byStream.length > 1) this.#probes.run(byStream, now);
    const options = this.#options(offer, now);
    const mayWait = this.#chooseBy !== undefined && now < this.#chooseBy;
    const chosenId = chooseRelay(options, this.#preferredId, mayWait);
    const chosen = relays.find(({ id }) => id === chosenId);
    if (chosen === undefined) return;
    this.#chooseBy = undefined;
    this.#prefer(chosen, now);
    this.#openOverUdp(chosen, links, now);
    const dueAt = this.#streamDueAt(offer, neededAt);
    if (dueAt !== undefined && now >= dueAt) this.#openStream(chosen, now);
  }

  /** Somebody has been without a direct path for a while: a second relay, so that the peer knows its addresses in time. */
  keepStandby(offer: RelayOffer, now: Instant): void {
    if (offer.relays.length < 2 || offer.isUdpBlocked || this.#preferredId === undefined) return;
    const working = this.#options(offer, now).filter(({ id, isFailing }) => id !== this.#preferredId && !isFailing);
    this.#standbyId = chooseRelay(working, this.#standbyId, false);
    const relay = offer.relays.find(({ id }) => id === this.#standbyId);
    if (relay !== undefined) this.#openOverUdp(relay, offer.links, now);
  }

  #options(offer: RelayOffer, now: Instant): RelayOption[] {
    const { relays, isUdpBlocked } = offer;
    return relays.map((relay) => {
      const { id, streams } = relay;
      // Looked at even if it fails anyway, as its silence is reviewed by that.
      const isSurpassed = this.#isSurpassed(id, relays, now);
      const isUnusable = this.#clients.isFailing(id) || (isUdpBlocked && streams.length === 0);
      return { id, rttMs: this.distanceMs(relay, isUdpBlocked), isFailing: isUnusable || isSurpassed };
    });
  }

  #openOverUdp(relay: Relay, links: GatheringLinks, now: Instant): void {
    for (const [linkId, link] of links) {
      const server = this.#serverOf(relay, linkId, link.hosts);
      if (server !== undefined) this.#clients.open(linkId, relay, server, now);
    }
  }

  /** UDP loses so much that a stream may serve better. */
  wantStream(now: Instant): void {
    this.#streamWantedUntil = addMs(now, NEED_MS);
  }

  /** Plans the end of the stream while UDP works, and calls it off when it ceases to. */
  review(now: Instant): void {
    const id = this.#preferredId;
    if (this.#streamWantedUntil !== undefined && now >= this.#streamWantedUntil) this.#streamWantedUntil = undefined;
    const isSpare = id !== undefined && this.#clients.hasStream(id) && this.#clients.worksOverUdp(id, now);
    const isIdle = isSpare && this.#streamWantedUntil === undefined;
    if (isIdle) this.#streamRetireAt ??= addMs(now, this.#streamRetireMs);
    else this.#streamRetireAt = undefined;
  }

  handleTimeout(now: Instant): void {
    if (this.#streamRetireAt !== undefined && now >= this.#streamRetireAt) this.#retireStream(now);
    if (this.#retireAt !== undefined && now >= this.#retireAt) {
      this.#retireAt = undefined;
      this.#clients.close((relayId) => relayId !== this.#preferredId && relayId !== this.#standbyId, now);
    }
  }

  /** When `handleTimeout` has something to do. */
  pollTimeout(): Instant | undefined {
    return earliest(earliest(this.#retireAt, this.#streamRetireAt), this.#streamWantedUntil);
  }

  /** When `use` has something to do, while somebody needs a relay. */
  pollUse(offer: RelayOffer, neededAt: Instant | undefined): Instant | undefined {
    if (isNothing(offer)) return undefined;
    return earliest(earliest(this.#chooseBy, this.#streamDueAt(offer, neededAt)), this.#patienceEndsAt());
  }

  /** When the relay in use, which answers nothing at present, is given up. */
  #patienceEndsAt(): Instant | undefined {
    const id = this.#preferredId;
    const silentSince = id === undefined || this.#clients.hasStream(id) ? undefined : this.#clients.silentSince(id);
    if (silentSince === undefined || silentSince === this.#reviewedSilence) return undefined;
    return addMs(silentSince, RELAY_PATIENCE_MS);
  }

  /** It answers nothing, and another one does. Where none does, the fault is not the relay's. */
  #isSurpassed(id: string, relays: readonly Relay[], now: Instant): boolean {
    const silentSince = this.#clients.hasStream(id) ? undefined : this.#clients.silentSince(id);
    const isSilent = silentSince !== undefined && now - silentSince >= RELAY_PATIENCE_MS;
    if (id === this.#preferredId) this.#reviewedSilence = isSilent ? silentSince : undefined;
    if (!isSilent) return false;
    return relays.some((other) => other.id !== id && this.#facts.hasAnsweredSince(other.udp, silentSince));
  }

  #openStream(relay: Relay, now: Instant): void {
    const retireMs = this.#streamRetireMs;
    const wasRash = this.#streamRetiredAt !== undefined && now - this.#streamRetiredAt < RASH_RETIRE_FACTOR * retireMs;
    this.#streamRetireMs = wasRash ? Math.min(2 * retireMs, MAX_STREAM_RETIRE_MS) : STREAM_RETIRE_MS;
    this.#clients.openStream(relay, now);
  }

  /** When the preferred relay is to be reached by a stream as well; undefined if that is so, or there is no reason. */
  #streamDueAt({ relays, links, isUdpBlocked }: RelayOffer, neededAt: Instant | undefined): Instant | undefined {
    const relay = relays.find(({ id }) => id === this.#preferredId);
    if (relay === undefined || relay.streams.length === 0 || this.#clients.hasStream(relay.id)) return undefined;
    const isUdpUsable = [...links].some(([linkId, { hosts }]) => this.#serverOf(relay, linkId, hosts) !== undefined);
    if (!isUdpUsable) return neededAt;
    if (this.#streamWantedUntil !== undefined) return neededAt;
    const silentSince = this.#clients.silentSince(relay.id);
    if (silentSince === undefined) return undefined;
    return addMs(silentSince, isUdpBlocked ? 0 : UDP_PATIENCE_MS);
  }

  #retireStream(now: Instant): void {
    const id = this.#preferredId;
    this.#streamRetireAt = undefined;
    if (id === undefined || !this.#clients.worksOverUdp(id, now)) return;
    this.#streamRetiredAt = now;
    this.#clients.closeStream(id, now);
  }

  /** The one that was used before stays for a while, as peers know its addresses. */
  #prefer({ id }: Relay, now: Instant): void {
    const former = this.#preferredId;
    this.#preferredId = id;
    if (this.#standbyId === id) this.#standbyId = undefined;
    const others = [...this.#clients.relayIds()].filter((other) => other !== id && other !== this.#standbyId);
    if (others.length === 0) return;
    this.#retireAt ??= addMs(now, RELAY_RETIRE_MS);
    if (others.length >= MAX_RELAYS_AT_ONCE) {
      const kept = new Set([id, former, this.#standbyId]);
      this.#clients.close((relayId) => !kept.has(relayId), now);
    }
  }

  /** The relay's address of an IP version that the link has, one that has answered rather than another. */
  #serverOf({ udp }: Relay, linkId: LinkId, hosts: readonly UdpAddress[]): UdpAddress | undefined {
    const usable = udp.filter((server) =>
      hosts.some(({ address }) => address.includes(":") === server.address.includes(":")),
    );
    return usable.find((server) => this.#facts.hasAnswered(linkId, server)) ?? usable[0];
  }
}

/** There is no relay, or no way to any. */
function isNothing({ relays, links }: RelayOffer): boolean {
  return relays.length === 0 || links.size === 0;
}
