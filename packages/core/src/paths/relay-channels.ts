/**
 * The channels through our allocations that one peer needs: which addresses of the peer's a relay should carry to, and
 * which channels there are. Bounded, whatever the peer claims.
 *
 * A peer is reached through a relay of ours at its own relayed address, at its server-reflexive ones (its NAT lets the
 * relay in once the peer has sent there), at public host addresses, and at those that the relay has heard it from.
 */
import { formatUdpAddress, type LinkId, type UdpAddress, udpAddressEquals } from "../net/index.ts";
import { classifyAddress, ipFamilyOf } from "./address-class.ts";
import { type CandidateKind, isRelayedPriority, type LocalCandidate, type RemoteCandidate } from "./candidate.ts";

/** Where a channel leads through: link of ours, TURN server there, address of the peer behind it. */
export interface ChannelPlace {
  readonly linkId: LinkId;
  readonly relay: UdpAddress;
  readonly peer: UdpAddress;
}

export interface RelayChannel {
  readonly place: ChannelPlace;
  readonly candidate: RemoteCandidate;
  /** Null while the relay has not bound one. */
  channel: number | null;
}

export interface ChannelChanges {
  readonly wanted: readonly ChannelPlace[];
  readonly unwanted: readonly RelayChannel[];
}

type Needed = Pick<RelayChannel, "place" | "candidate">;

const NO_CHANGES: ChannelChanges = { wanted: [], unwanted: [] };
/** Allocations that are used for one peer. */
const MAX_ALLOCATIONS = 4;
/** Channels for one peer through one allocation. */
export const MAX_CHANNELS_EACH = 6;
/** Among them, addresses that only the relay has heard the peer from. */
const MAX_LEARNT = 2;

/** The surest first: a relayed address is behind no NAT. */
const KIND_ORDER: readonly CandidateKind[] = ["relayed", "server-reflexive", "port-mapped", "host", "peer-reflexive"];

export class RelayChannels {
  readonly #channels = new Map<string, RelayChannel>(); // bounded: MAX_ALLOCATIONS × MAX_CHANNELS_EACH
  #learnt: readonly Needed[] = []; // bounded: MAX_ALLOCATIONS × MAX_LEARNT
  /** Candidates have changed since the channels were fitted to them. */
  #isStale = false;

  /** Our candidates have changed, or the peer's. */
  handleCandidatesChanged(): void {
    this.#isStale = true;
  }

  /** Fits the channels to the candidates if these have changed. With `mayAsk` false none are added before it is true. */
  update(local: readonly LocalCandidate[], remote: readonly RemoteCandidate[], mayAsk: boolean): ChannelChanges {
    if (!this.#isStale) return NO_CHANGES;
    this.#isStale = !mayAsk;
    const needed = new Map<string, Needed>();
    for (const allocation of local.filter(isAllocation).slice(0, MAX_ALLOCATIONS)) {
      for (const entry of this.#neededThrough(allocation, remote)) needed.set(placeKey(entry.place), entry);
    }
    const unwanted = [...this.#channels].filter(([key]) => !needed.has(key));
    for (const [key] of unwanted) this.#channels.delete(key);
    const wanted: ChannelPlace[] = [];
    for (const [key, { place, candidate }] of mayAsk ? needed : []) {
      if (this.#channels.has(key)) continue;
      this.#channels.set(key, { place, candidate, channel: null });
      wanted.push(place);
    }
    return { wanted, unwanted: unwanted.map(([, channel]) => channel) };
  }

  /**
   * The relay has heard the peer from an address without a channel: one should be asked for if that can be a place.
   * `priority` is that of the peer's check, which tells whether the address is one of its relay's.
   */
  learn(place: ChannelPlace, priority: number): void {
    if (this.#channels.has(placeKey(place)) || classifyAddress(place.peer.address) !== "global") return;
    const others = this.#learnt.filter((known) => placeKey(known.place) !== placeKey(place));
    const kind = isRelayedPriority(priority) ? "relayed" : "peer-reflexive";
    const learnt = { place, candidate: { kind, address: place.peer, priority } } as const;
    this.#learnt = [learnt, ...others].slice(0, MAX_ALLOCATIONS * MAX_LEARNT);
    this.#isStale = true;
  }

  /** The relay has bound a channel; undefined if it is not wanted (any more). */
  bind(place: ChannelPlace, channel: number): RelayChannel | undefined {
    const known = this.#channels.get(placeKey(place));
    if (known !== undefined) known.channel = channel;
    return known;
  }

  /** The channel works no more, but is wanted still. Returns it as it was. */
  lose(place: ChannelPlace): RelayChannel | undefined {
    const known = this.#channels.get(placeKey(place));
    if (known === undefined) return undefined;
    const before = { ...known };
    known.channel = null;
    return before;
  }

  #neededThrough({ linkId, address, relay }: Allocation, remote: readonly RemoteCandidate[]): Needed[] {
    const heard = this.#learnt
      .filter(({ place }) => place.linkId === linkId && udpAddressEquals(place.relay, relay))
      .slice(0, MAX_LEARNT)
      .map(({ candidate }) => candidate);
    const reachable = [...remote]
      .filter((candidate) => classifyAddress(candidate.address.address) === "global")
      .sort((a, b) => KIND_ORDER.indexOf(a.kind) - KIND_ORDER.indexOf(b.kind) || b.priority - a.priority)
      .slice(0, MAX_CHANNELS_EACH - heard.length);
    return [...reachable, ...heard]
      .filter((candidate) => ipFamilyOf(candidate.address.address) === ipFamilyOf(address.address))
      .map((candidate) => ({ place: { linkId, relay, peer: candidate.address }, candidate }));
  }
}

type Allocation = LocalCandidate & { readonly relay: UdpAddress };

function isAllocation(candidate: LocalCandidate): candidate is Allocation {
  return candidate.kind === "relayed" && candidate.relay !== undefined;
}

function placeKey({ linkId, relay, peer }: ChannelPlace): string {
  return `${linkId}/${formatUdpAddress(relay)}/${formatUdpAddress(peer)}`;
}
