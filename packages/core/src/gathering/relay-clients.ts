/**
 * The TURN clients of this host, one for each link and relay, and the channels through their allocations.
 *
 * Over UDP on the links' own sockets, so that an allocation's packets are a path like any other. Several peers may want
 * the same channel; it is released when the last one does not want it any more.
 */
import { formatUdpAddress, type LinkId, type PathAddress, type UdpAddress, udpAddressEquals } from "../net/index.ts";
import type { ChannelPlace } from "../paths/index.ts";
import type { RandomBytes } from "../random.ts";
import { earliest, type Instant } from "../time.ts";
import { TurnClient, type TurnClientEvent } from "../turn/index.ts";
import type { AllocationSnapshot, GatheringEvent, Relay } from "./gathering-types.ts";
import { RELAY_DOUBT_GAP_MS } from "./timings.ts";

export interface RelayedAddress {
  readonly linkId: LinkId;
  readonly relay: UdpAddress;
  readonly address: UdpAddress;
}

interface Channel {
  readonly place: ChannelPlace;
  readonly owners: Set<string>;
  /** Null until the relay has bound it. */
  channel: number | null;
}

interface RelayClient {
  readonly linkId: LinkId;
  readonly relay: Relay;
  readonly client: TurnClient;
  readonly channels: Map<string, Channel>; // bounded: the client refuses to bind too many
  /** Where it is, after redirects. */
  server: UdpAddress;
  relayedAddresses: readonly UdpAddress[];
  isFailing: boolean;
  isClosing: boolean;
  doubtedAt: Instant | undefined;
}

export class RelayClients {
  readonly #random: RandomBytes;
  readonly #clients: RelayClient[] = []; // bounded: links × MAX_RELAYS_AT_ONCE, and those that are closing
  readonly #events: GatheringEvent[] = []; // bounded: drained after every input

  constructor(random: RandomBytes) {
    this.#random = random;
  }

  /** Asks the relay for an allocation, unless there is one, or one is asked for. */
  open(linkId: LinkId, relay: Relay, server: UdpAddress, now: Instant): void {
    if (this.#clients.some((known) => known.linkId === linkId && known.relay.id === relay.id && !known.isClosing))
      return;
    const families = ([4, 6] as const).filter((family) =>
      relay.udp.some(({ address }) => address.includes(":") === (family === 6)),
    );
    const { username, password } = relay;
    const credentials = { username, password };
    const random = this.#random;
    const client = new TurnClient({ transport: "udp", server, linkId, credentials, families, random });
    client.start(now);
    this.#clients.push({
      linkId,
      relay,
      client,
      channels: new Map(),
      server,
      relayedAddresses: [],
      isFailing: false,
      isClosing: false,
      doubtedAt: undefined,
    });
  }

  /** Ids of the relays with an allocation, or one under way. */
  relayIds(): Set<string> {
    return new Set(this.#open().map(({ relay }) => relay.id));
  }

  isFailing(relayId: string): boolean {
    const own = this.#open().filter(({ relay }) => relay.id === relayId);
    return own.length > 0 && own.every(({ isFailing }) => isFailing);
  }

  /** Gives the allocations of these relays back. */
  close(isUnwanted: (relayId: string) => boolean, now: Instant): void {
    for (const known of this.#open()) {
      if (!isUnwanted(known.relay.id)) continue;
      this.#dropChannels(known, now);
      known.isClosing = true;
      known.relayedAddresses = [];
      known.client.close(now);
    }
    this.#collect(now);
  }

  /** The link is gone: nothing can be sent there any more. */
  removeLink(linkId: LinkId, now: Instant): void {
    for (const known of this.#clients.filter((candidate) => candidate.linkId === linkId)) {
      this.#dropChannels(known, now);
      this.#clients.splice(this.#clients.indexOf(known), 1);
    }
  }

  setCredentials({ id, username, password }: Relay, now: Instant): void {
    for (const { relay, client } of this.#open())
      if (relay.id === id) client.setCredentials({ username, password }, now);
    this.#collect(now);
  }

  /** Addresses at which the relays receive for us. */
  relayedAddresses(): RelayedAddress[] {
    return this.#open().flatMap(({ linkId, server, relayedAddresses }) =>
      relayedAddresses.map((address) => ({ linkId, relay: server, address })),
    );
  }

  wantChannel(owner: string, place: ChannelPlace, now: Instant): void {
    const known = this.#find(place);
    if (known === undefined) return;
    const key = formatUdpAddress(place.peer);
    let channel = known.channels.get(key);
    if (channel === undefined) {
      if (known.client.bindChannel(place.peer, now) === undefined) return;
      channel = { place, owners: new Set(), channel: null };
      known.channels.set(key, channel);
    }
    channel.owners.add(owner);
    if (channel.channel !== null) this.#reportBound(owner, channel, channel.channel);
    this.#collect(now);
  }

  releaseChannel(owner: string, place: ChannelPlace, now: Instant): void {
    const known = this.#find(place);
    const channel = known?.channels.get(formatUdpAddress(place.peer));
    if (known === undefined || channel === undefined) return;
    channel.owners.delete(owner);
    if (channel.owners.size > 0) return;
    known.channels.delete(formatUdpAddress(place.peer));
    known.client.releaseChannel(place.peer, now);
    this.#collect(now);
  }

  /** The owner is gone. */
  releaseAll(owner: string, now: Instant): void {
    for (const { channels } of this.#clients) {
      for (const { place, owners } of [...channels.values()]) {
        if (owners.has(owner)) this.releaseChannel(owner, place, now);
      }
    }
  }

  /** Undefined if the datagram came from none of our relays; else whether it was acted upon. */
  handleDatagram(bytes: Uint8Array, from: PathAddress, now: Instant): { readonly dropped: string | null } | undefined {
    const own = this.#clients.filter(
      ({ linkId, client }) => linkId === from.linkId && udpAddressEquals(client.snapshot().server, from.remote),
    );
    if (own.length === 0 || from.channel !== null) return undefined;
    let dropped: string | null = null;
    for (const { client } of own) {
      dropped = client.handleDatagram(bytes, from, now) ?? null;
      if (dropped === null) break;
    }
    this.#collect(now);
    return { dropped };
  }

  /** Nothing comes through the relay any more: does it still know us? */
  handleDoubt(linkId: LinkId, relay: UdpAddress, now: Instant): void {
    const known = this.#open().find((candidate) => isAt(candidate, linkId, relay));
    if (known === undefined) return;
    if (known.doubtedAt !== undefined && now - known.doubtedAt < RELAY_DOUBT_GAP_MS) return;
    known.doubtedAt = now;
    known.client.handleResume(now);
    this.#collect(now);
  }

  handleResume(now: Instant): void {
    for (const { client } of this.#open()) client.handleResume(now);
    this.#collect(now);
  }

  handleTimeout(now: Instant): void {
    for (const { client } of [...this.#clients]) {
      const at = client.pollTimeout()?.at;
      if (at !== undefined && at <= now) client.handleTimeout(now);
    }
    this.#collect(now);
  }

  pollTimeout(): Instant | undefined {
    let next: Instant | undefined;
    for (const { client } of this.#clients) next = earliest(next, client.pollTimeout()?.at);
    return next;
  }

  pollTransmit(): { readonly to: PathAddress; readonly bytes: Uint8Array } | undefined {
    for (const { client } of this.#clients) {
      const transmit = client.pollTransmit();
      if (transmit !== undefined) return transmit;
    }
    // A client that is closed has nothing more to send.
    for (const known of this.#clients.filter(({ client }) => client.snapshot().state === "closed")) {
      this.#clients.splice(this.#clients.indexOf(known), 1);
    }
    return undefined;
  }

  pollEvent(): GatheringEvent | undefined {
    return this.#events.shift();
  }

  snapshot(relayId: string): AllocationSnapshot[] {
    return this.#clients
      .filter(({ relay }) => relay.id === relayId)
      .map(({ linkId, client }) => ({ linkId, ...client.snapshot() }));
  }

  #open(): RelayClient[] {
    return this.#clients.filter(({ isClosing }) => !isClosing);
  }

  #find({ linkId, relay }: ChannelPlace): RelayClient | undefined {
    return this.#open().find((known) => isAt(known, linkId, relay) && known.relayedAddresses.length > 0);
  }

  #collect(now: Instant): void {
    for (const known of this.#clients) {
      for (let event = known.client.pollEvent(); event !== undefined; event = known.client.pollEvent()) {
        this.#handleEvent(known, event, now);
      }
    }
  }

  #handleEvent(known: RelayClient, event: TurnClientEvent, now: Instant): void {
    switch (event.kind) {
      case "allocated":
        known.isFailing = false;
        known.server = event.server;
        known.relayedAddresses = event.relayedAddresses;
        this.#notice("info", `relay ${known.relay.name} is ready`);
        return;
      case "failed":
        if (!known.isFailing) this.#notice("warn", `relay ${known.relay.name} is of no use: ${event.reason}`);
        known.isFailing = true;
        known.relayedAddresses = [];
        this.#dropChannels(known, now);
        return;
      case "channel-bound": {
        const channel = known.channels.get(formatUdpAddress(event.peer));
        if (channel === undefined) return;
        channel.channel = event.channel;
        for (const owner of channel.owners) this.#reportBound(owner, channel, event.channel);
        return;
      }
      case "peer-refused":
        this.#dropChannel(known, known.channels.get(formatUdpAddress(event.peer)), now);
        return;
      case "data": {
        const { linkId, server } = known;
        const place = { linkId, relay: server, peer: event.peer };
        if (event.channel === null) this.#events.push({ kind: "indirect", ...place, bytes: event.bytes });
        return;
      }
      case "connect":
      case "permitted":
      case "closed":
        return;
    }
  }

  #dropChannels(known: RelayClient, now: Instant): void {
    for (const channel of [...known.channels.values()]) this.#dropChannel(known, channel, now);
  }

  #dropChannel({ channels, client }: RelayClient, channel: Channel | undefined, now: Instant): void {
    if (channel === undefined) return;
    const { place, owners } = channel;
    channels.delete(formatUdpAddress(place.peer));
    client.releaseChannel(place.peer, now);
    for (const owner of owners) this.#events.push({ kind: "channel-lost", owner, ...place });
  }

  #reportBound(owner: string, { place }: Channel, channel: number): void {
    this.#events.push({ kind: "channel-bound", owner, channel, ...place });
  }

  #notice(level: "info" | "warn", text: string): void {
    this.#events.push({ kind: "notice", level, text });
  }
}

function isAt(known: RelayClient, linkId: LinkId, relay: UdpAddress): boolean {
  return known.linkId === linkId && udpAddressEquals(known.server, relay);
}
