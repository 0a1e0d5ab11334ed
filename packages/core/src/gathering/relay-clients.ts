/**
 * The TURN clients of this host, and the channels through their allocations: over UDP one for each link and relay, and
 * one by stream for a relay that UDP does not reach.
 *
 * Over UDP on the links' own sockets, so that an allocation's packets are a path like any other. A stream is a link of
 * its own, by which only the relay is reached. Several peers may want the same channel; it is released when the last one
 * does not want it any more.
 */
import { formatUdpAddress, type LinkId, type PathAddress, type UdpAddress, udpAddressEquals } from "../net/index.ts";
import type { ChannelPlace } from "../paths/index.ts";
import type { RandomBytes } from "../random.ts";
import { earliest, type Instant } from "../time.ts";
import { TurnClient, type TurnClientEvent } from "../turn/index.ts";
import type { AllocationSnapshot, GatheringEvent, Relay } from "./gathering-types.ts";
import {
  type Channel,
  describeTransport,
  endpointsOf,
  familiesOf,
  isAt,
  type RelayClient,
  snapshotOf,
} from "./relay-client.ts";
import { StreamRace } from "./stream-race.ts";
import { RELAY_DOUBT_GAP_MS, UDP_PATIENCE_MS } from "./timings.ts";

export interface RelayedAddress {
  readonly linkId: LinkId;
  readonly relay: UdpAddress;
  readonly address: UdpAddress;
  readonly overStream: boolean;
}

export class RelayClients {
  readonly #random: RandomBytes;
  readonly #clients: RelayClient[] = []; // bounded: (links + a stream) × MAX_RELAYS_AT_ONCE, and those that are closing
  readonly #events: GatheringEvent[] = []; // bounded: drained after every input
  /** The last words on links that are gone, to which no answer can come. */
  readonly #farewells: { readonly to: PathAddress; readonly bytes: Uint8Array }[] = []; // bounded: drained after every input
  readonly #makeStreamId: () => number;

  constructor(random: RandomBytes, makeStreamId: () => number) {
    this.#random = random;
    this.#makeStreamId = makeStreamId;
  }

  /** Asks the relay for an allocation, unless there is one, or one is asked for. */
  open(linkId: LinkId, relay: Relay, server: UdpAddress, now: Instant): void {
    if (this.#open().some((known) => known.linkId === linkId && known.relay.id === relay.id)) return;
    const families = familiesOf(relay.udp);
    const { username, password } = relay;
    const credentials = { username, password };
    const random = this.#random;
    const client = new TurnClient({ transport: "udp", server, linkId, credentials, families, random });
    this.#add(client, { linkId, relay, server, race: undefined }, now);
  }

  /** The same by a stream. */
  openStream(relay: Relay, now: Instant): void {
    const [first] = relay.streams;
    if (first === undefined || this.hasStream(relay.id)) return;
    const families = familiesOf(relay.streams.map(({ address }) => address));
    const { username, password } = relay;
    const credentials = { username, password };
    const random = this.#random;
    const server = first.address;
    const client = new TurnClient({ transport: "stream", server, linkId: 0, credentials, families, random });
    this.#add(client, { linkId: null, relay, server, race: new StreamRace(this.#makeStreamId) }, now);
    this.#collect(now);
  }

  hasStream(relayId: string): boolean {
    return this.#open().some(({ relay, race }) => relay.id === relayId && race !== undefined);
  }

  closeStream(relayId: string, now: Instant): void {
    for (const known of this.#open()) {
      if (known.relay.id === relayId && known.race !== undefined) this.#closeClient(known, now);
    }
    this.#collect(now);
  }

  /** A stream is open, and is this link. */
  handleStreamOpened(streamId: number, linkId: LinkId, now: Instant): void {
    const known = this.#findStream(streamId);
    if (known?.race.handleOpened(streamId) !== true) {
      this.#events.push({ kind: "close-stream", streamId, linkId });
      return;
    }
    known.linkId = linkId;
    known.server = known.race.endpoint?.address ?? known.server;
    known.client.handleStreamOpen(now);
    this.#collect(now);
  }

  handleStreamClosed(streamId: number, now: Instant): void {
    const known = this.#findStream(streamId);
    if (known === undefined) return;
    if (known.race.handleClosed(streamId, now)) known.client.handleStreamClosed(now);
    this.#collect(now);
  }

  /** Streams that stand on addresses which may be gone: begin anew. */
  restartStreams(now: Instant): void {
    for (const known of this.#open()) {
      if (known.race === undefined || known.linkId === null) continue;
      known.client.handleStreamClosed(now);
      known.client.handleResume(now);
    }
    this.#collect(now);
  }

  /** The relay answers over UDP on this link: a client that waits need not wait any more. */
  handleReachable(linkId: LinkId, server: UdpAddress, now: Instant): void {
    for (const known of this.#open()) {
      const isWaiting = known.race === undefined && known.client.state === "waiting";
      if (isWaiting && isAt(known, linkId, server)) known.client.handleResume(now);
    }
    this.#collect(now);
  }

  /** Since when the relay has answered nothing over UDP, on any link; undefined if it has, or was not asked. */
  silentSince(relayId: string): Instant | undefined {
    const own = this.#open().filter(({ relay, race }) => relay.id === relayId && race === undefined);
    const silences = own.map(({ client }) => client.unansweredSince);
    if (silences.length === 0 || silences.includes(undefined)) return undefined;
    return silences.reduce((latest, at) => ((at ?? 0) > (latest ?? 0) ? at : latest));
  }

  /** True with an allocation over UDP, on any link, whose relay is not silent. */
  worksOverUdp(relayId: string, now: Instant): boolean {
    return this.#open().some(({ relay, race, relayedAddresses, client }) => {
      const isHeard = client.unansweredSince === undefined || now - client.unansweredSince < UDP_PATIENCE_MS;
      return relay.id === relayId && race === undefined && relayedAddresses.length > 0 && isHeard;
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
      if (isUnwanted(known.relay.id)) this.#closeClient(known, now);
    }
    this.#collect(now);
  }

  /** The link is gone, or about to: its allocations are given back as long as something can be sent there. */
  removeLink(linkId: LinkId, now: Instant): void {
    for (const known of this.#clients.filter((candidate) => candidate.linkId === linkId)) {
      this.#closeClient(known, now);
      const { client } = known;
      for (let last = client.pollTransmit(); last !== undefined; last = client.pollTransmit())
        this.#farewells.push(last);
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
    return this.#open().flatMap(({ linkId, server, race, relayedAddresses }) =>
      linkId === null
        ? []
        : relayedAddresses.map((address) => ({ linkId, relay: server, address, overStream: race !== undefined })),
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
      ({ linkId, race, client }) =>
        linkId === from.linkId && (race !== undefined || udpAddressEquals(client.server, from.remote)),
    );
    if (own.length === 0 || from.channel !== null) return undefined;
    let dropped: string | null = null;
    for (const { client, race } of own) {
      if (race === undefined) dropped = client.handleDatagram(bytes, from, now) ?? null;
      else client.handleStream(bytes, now);
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
    // It was asked the last time. A stream whose other end is gone can stay open for long.
    if (known.race !== undefined && known.client.unansweredSince !== undefined) known.client.handleStreamClosed(now);
    known.client.handleResume(now);
    this.#collect(now);
  }

  handleResume(now: Instant): void {
    for (const { client } of this.#open()) client.handleResume(now);
    this.#collect(now);
  }

  handleTimeout(now: Instant): void {
    for (const { client, race } of [...this.#clients]) {
      const at = client.pollTimeout()?.at;
      if (at !== undefined && at <= now) client.handleTimeout(now);
      race?.handleTimeout(now);
    }
    this.#collect(now);
  }

  pollTimeout(): Instant | undefined {
    let next: Instant | undefined;
    for (const { client, race } of this.#clients) {
      next = earliest(next, client.pollTimeout()?.at);
      next = earliest(next, race?.pollTimeout());
    }
    return next;
  }

  pollTransmit(): { readonly to: PathAddress; readonly bytes: Uint8Array } | undefined {
    const farewell = this.#farewells.shift();
    if (farewell !== undefined) return farewell;
    for (const { client, race, linkId, server } of this.#clients) {
      for (let transmit = client.pollTransmit(); transmit !== undefined; transmit = client.pollTransmit()) {
        if (race === undefined) return transmit;
        if (linkId !== null) return { to: { linkId, remote: server, channel: null }, bytes: transmit.bytes };
      }
    }
    // A client that is closed has nothing more to send.
    for (const known of this.#clients.filter(({ client }) => client.state === "closed")) {
      this.#clients.splice(this.#clients.indexOf(known), 1);
    }
    return undefined;
  }

  pollEvent(): GatheringEvent | undefined {
    return this.#events.shift();
  }

  snapshot(relayId: string): AllocationSnapshot[] {
    return this.#clients.filter(({ relay }) => relay.id === relayId).map(snapshotOf);
  }

  #add(client: TurnClient, own: Pick<RelayClient, "linkId" | "relay" | "server" | "race">, now: Instant): void {
    client.start(now);
    this.#clients.push({
      ...own,
      client,
      channels: new Map(),
      relayedAddresses: [],
      isFailing: false,
      isClosing: false,
      doubtedAt: undefined,
    });
  }

  #closeClient(known: RelayClient, now: Instant): void {
    this.#dropChannels(known, now);
    known.isClosing = true;
    known.relayedAddresses = [];
    known.client.close(now);
  }

  #findStream(streamId: number): (RelayClient & { readonly race: StreamRace }) | undefined {
    const isOwner = (known: RelayClient): known is RelayClient & { readonly race: StreamRace } =>
      known.race?.has(streamId) === true;
    return this.#clients.find(isOwner);
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
      this.#collectStreams(known);
    }
  }

  #collectStreams(known: RelayClient): void {
    const { race } = known;
    if (race === undefined) return;
    for (let event = race.pollEvent(); event !== undefined; event = race.pollEvent()) {
      if (event.kind === "open") this.#events.push({ ...event, kind: "open-stream" });
      else {
        const { streamId, wasOpen } = event;
        this.#events.push({ kind: "close-stream", streamId, linkId: wasOpen ? known.linkId : null });
      }
    }
    if (race.endpoint === undefined) known.linkId = null;
  }

  #handleEvent(known: RelayClient, event: TurnClientEvent, now: Instant): void {
    switch (event.kind) {
      case "allocated":
        known.isFailing = false;
        if (known.race === undefined) known.server = event.server;
        known.relayedAddresses = event.relayedAddresses;
        this.#notice("info", `relay ${known.relay.name} is ready${describeTransport(known)}`);
        return;
      case "failed":
        if (!known.isFailing) {
          const transport = describeTransport(known);
          this.#notice("warn", `relay ${known.relay.name} is of no use${transport}: ${event.reason}`);
        }
        known.isFailing = true;
        known.relayedAddresses = [];
        this.#dropChannels(known, now);
        known.race?.stop();
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
        if (event.channel !== null || linkId === null) return;
        this.#events.push({ kind: "indirect", linkId, relay: server, peer: event.peer, bytes: event.bytes });
        return;
      }
      case "connect":
        known.race?.start(endpointsOf(known, event.server), now);
        return;
      case "closed":
        known.race?.stop();
        return;
      case "permitted":
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
