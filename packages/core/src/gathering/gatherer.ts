/**
 * Finds out at which addresses this host can be reached: its own, those that STUN servers see (server-reflexive), those
 * that its router maps (which the shell brings), and those that relays receive at for us (relayed). One for each overlay
 * device, for all its links and peers.
 *
 * Life story: when links or servers become known, and when the network changes, the NATs are examined once. After that
 * nothing is sent until somebody talks without a direct path (`handleNeed`, repeated while it lasts): then the servers
 * are asked again if their answers are older than 25 s, and the nearest relay is asked for an allocation on each link.
 * Five minutes after the last need allocations are given back, and nothing is sent any more.
 *
 * Relays are reached over UDP on the links' own sockets. One that answers nothing there for a second is reached by a
 * stream as well (TLS, TCP), and only by that until UDP has worked again for a while. A stream is a link of its own.
 *
 * Where a NAT gives each destination another port a few fresh sockets ask, too, so that it is known which ports come next.
 *
 * Sans-I/O: after every input drain `pollTransmit` and `pollEvent`, and set an alarm for `pollTimeout`.
 */
import type { IpRange } from "../addresses/index.ts";
import { NatDiscovery, type NatReport, summariseNats } from "../nat/index.ts";
import { formatUdpAddress, type LinkId, type PathAddress, type UdpAddress } from "../net/index.ts";
import { type ChannelPlace, type LocalCandidate, offeredCandidates } from "../paths/index.ts";
import type { LinkPortMapping } from "../port-mapping/index.ts";
import type { RandomBytes } from "../random.ts";
import type { StunMessage } from "../stun/index.ts";
import { addMs, earliest, type Instant } from "../time.ts";
import { BindingRequests } from "./binding-requests.ts";
import type { GatheringEvent, GatheringSnapshot, Relay } from "./gathering-types.ts";
import {
  areSameCandidates,
  type GatheringLinks,
  linksOf,
  mappedCandidates,
  reflexiveCandidates,
  relayedCandidates,
} from "./own-candidates.ts";
import { PeersView } from "./peers-view.ts";
import { PortKnowledge } from "./port-knowledge.ts";
import { ReflexiveFacts } from "./reflexive-facts.ts";
import { RelayClients } from "./relay-clients.ts";
import { type RelayOffer, RelayUse } from "./relay-use.ts";
import { StreamProbes } from "./stream-probes.ts";
import {
  DISCOVERY_GAP_MS,
  NEED_MS,
  NEED_PAUSE_MS,
  REFLEXIVE_FRESH_MS,
  REFLEXIVE_GAP_MS,
  RELAY_IDLE_MS,
  RELAY_STANDBY_MS,
  STUN_SERVERS_ASKED,
} from "./timings.ts";

export interface GathererOptions {
  readonly random: RandomBytes;
  /** Ranges of all networks this host is in: never a candidate. */
  readonly overlayRanges: readonly IpRange[];
}

export class Gatherer {
  readonly #overlayRanges: readonly IpRange[];
  readonly #discovery: NatDiscovery;
  readonly #ports: PortKnowledge;
  readonly #requests: BindingRequests;
  readonly #clients: RelayClients;
  readonly #probes: StreamProbes;
  readonly #facts = new ReflexiveFacts();
  readonly #peersView = new PeersView();
  readonly #relayUse: RelayUse;
  readonly #events: GatheringEvent[] = []; // bounded: drained after every input
  /** Candidates that the host knows by itself. */
  #given: readonly LocalCandidate[] = [];
  #links: GatheringLinks = new Map(); // bounded: links of this host
  #relays: readonly Relay[] = []; // bounded: by the control message
  /** All STUN servers, the relays included, each once. */
  #servers: readonly UdpAddress[] = []; // bounded: likewise
  readonly #portMappings = new Map<LinkId, LinkPortMapping>(); // bounded: links of this host
  /** All that there was at the last look, from which the candidates were chosen. */
  #gathered: readonly LocalCandidate[] = []; // bounded: links, facts, mappings and relays of this host
  #candidates: readonly LocalCandidate[] = [];
  /** Summary of the NATs as of the last `nats` event. */
  #announcedNats = "[]";
  #neededAt: Instant | undefined;
  /** Since when it has been needed without much of a pause. */
  #neededSince = 0 as Instant;
  /** While it is not over, somebody needs us; undefined afterwards. */
  #needEndsAt: Instant | undefined;
  /** When servers were last asked. */
  #askedAt: Instant | undefined;
  /** When the NATs were last examined. */
  #discoveredAt: Instant | undefined;

  constructor({ random, overlayRanges }: GathererOptions) {
    this.#overlayRanges = overlayRanges;
    this.#discovery = new NatDiscovery(random);
    this.#ports = new PortKnowledge(random);
    this.#requests = new BindingRequests(random);
    let streams = 0;
    const makeStreamId = (): number => ++streams;
    this.#clients = new RelayClients(random, makeStreamId);
    this.#probes = new StreamProbes(random, makeStreamId);
    this.#relayUse = new RelayUse(this.#clients, this.#facts, this.#probes);
  }

  /** As last reported by a `candidates` event. */
  get candidates(): readonly LocalCandidate[] {
    return this.#candidates;
  }

  /** What is known of the NATs, by link and IP version. */
  get nats(): NatReport[] {
    return this.#discovery.snapshot().map((report) => this.#ports.complete(report));
  }

  /**
   * What the host knows by itself: addresses of its interfaces, and what the server has seen; replaces the former ones.
   * Links without any are gone.
   */
  handleHostCandidates(given: readonly LocalCandidate[], now: Instant): void {
    const before = this.#links;
    this.#given = given;
    this.#links = linksOf(given);
    let isChanged = false;
    for (const linkId of new Set([...before.keys(), ...this.#links.keys()])) {
      const link = this.#links.get(linkId);
      if (JSON.stringify(before.get(linkId)?.hosts) === JSON.stringify(link?.hosts)) continue;
      isChanged = true;
      this.#facts.forgetLink(linkId);
      this.#peersView.forgetLink(linkId);
      if (link !== undefined) continue;
      this.#clients.removeLink(linkId, now);
      this.#ports.forget(linkId);
      this.#portMappings.delete(linkId);
    }
    if (isChanged) {
      this.#probes.forget();
      this.#discover(now);
      this.#clients.handleResume(now);
      this.#clients.restartStreams(now);
      if (this.#isNeeded(now)) this.#useRelay(now);
    }
    this.#settle(now);
  }

  /** The network's relays and STUN servers; replaces the former ones. */
  handleServers(relays: readonly Relay[], stunServers: readonly UdpAddress[], now: Instant): void {
    const before = this.#servers.map(formatUdpAddress).join();
    const places = new Map(this.#relays.map((relay) => [relay.id, placesOf(relay)]));
    this.#relays = relays;
    const all = [...stunServers, ...relays.flatMap(({ udp }) => udp)];
    this.#servers = [...new Map(all.map((server) => [formatUdpAddress(server), server])).values()];
    const unchanged = new Set(relays.filter((relay) => places.get(relay.id) === placesOf(relay)).map(({ id }) => id));
    if (unchanged.size < Math.max(relays.length, places.size)) this.#probes.forget();
    this.#clients.close((relayId) => !unchanged.has(relayId), now);
    for (const relay of relays) this.#clients.setCredentials(relay, now);
    if (this.#servers.map(formatUdpAddress).join() !== before) this.#discover(now);
    if (this.#isNeeded(now)) this.#useRelay(now);
    this.#settle(now);
  }

  /** What the router in front of a link has mapped; replaces what was known. */
  handlePortMapping(mapping: LinkPortMapping, now: Instant): void {
    this.#portMappings.set(mapping.linkId, mapping);
    this.#settle(now);
  }

  /**
   * Somebody talks, or is about to, and there is no direct path. Repeat while it lasts. `doubtedSince`: when the path
   * that there was came into question; what was known of our addresses before may be out of date.
   */
  handleNeed(now: Instant, doubtedSince?: Instant): void {
    if (this.#neededAt === undefined || now - this.#neededAt > NEED_PAUSE_MS) this.#neededSince = now;
    this.#neededAt = now;
    this.#needEndsAt = addMs(now, NEED_MS);
    if (doubtedSince !== undefined) this.#facts.doubt(doubtedSince);
    this.#refresh(now);
    this.#useRelay(now);
    if (now - this.#neededSince >= RELAY_STANDBY_MS) this.#relayUse.keepStandby(this.#relayOffer(), now);
    this.#settle(now);
  }

  /** A peer has seen us come from this address. To be told only while there is no server. */
  handlePeersView(nodeId: string, linkId: LinkId, mapped: UdpAddress, now: Instant): void {
    this.#peersView.add(nodeId, linkId, mapped, now);
    this.#settle(now);
  }

  /** UDP loses too much for somebody who talks: a relay's stream may serve better. Repeat while it lasts. */
  handleLoss(now: Instant): void {
    this.#relayUse.wantStream(now);
    this.handleNeed(now);
  }

  /** A peer wants to be reached through an allocation of ours. */
  wantChannel(owner: string, place: ChannelPlace, now: Instant): void {
    this.#clients.wantChannel(owner, place, now);
    this.#settle(now);
  }

  releaseChannel(owner: string, place: ChannelPlace, now: Instant): void {
    this.#clients.releaseChannel(owner, place, now);
    this.#settle(now);
  }

  /** The peer is gone. */
  releaseAll(owner: string, now: Instant): void {
    this.#clients.releaseAll(owner, now);
    this.#settle(now);
  }

  /** The stream of an `open-stream` event is open; what is sent by link `linkId` travels there. */
  handleStreamOpened(streamId: number, linkId: LinkId, now: Instant): void {
    const isProbe = this.#probes.handleOpened(streamId, linkId, now);
    if (!isProbe) this.#clients.handleStreamOpened(streamId, linkId, now);
    this.#settle(now);
  }

  /** It could not be opened, or is closed. */
  handleStreamClosed(streamId: number, now: Instant): void {
    if (!this.#probes.handleClosed(streamId, now)) this.#clients.handleStreamClosed(streamId, now);
    this.#settle(now);
  }

  /** The relayed path in use is not trusted any more. */
  handleRelayDoubt(linkId: LinkId, relay: UdpAddress, now: Instant): void {
    this.#clients.handleDoubt(linkId, relay, now);
    this.#settle(now);
  }

  /** Undefined if the message is not for us; else why it was dropped, null if it was acted upon. */
  handleMessage(
    message: StunMessage,
    from: PathAddress,
    now: Instant,
  ): { readonly dropped: string | null } | undefined {
    if (from.channel !== null) return undefined;
    let outcome: { readonly dropped: string | null } | undefined;
    if (this.#discovery.handleMessage(message, from, now)) outcome = { dropped: null };
    else if (this.#ports.handleMessage(message, from)) outcome = { dropped: null };
    else if (this.#handleAnswer(message, from, now)) outcome = { dropped: null };
    else if (this.#handleProbe(message, from, now)) outcome = { dropped: null };
    else outcome = this.#clients.handleDatagram(message.bytes, from, now);
    this.#settle(now);
    return outcome;
  }

  /** The host slept, or what lies behind its links may be another network. */
  handleResume(now: Instant): void {
    // Often the addresses have changed at the same moment.
    if (this.#discoveredAt === undefined || now - this.#discoveredAt >= DISCOVERY_GAP_MS) this.#discover(now);
    this.#clients.handleResume(now);
    this.#settle(now);
  }

  /** Examines the NATs anew, for somebody who wants to know. */
  handleNetcheck(now: Instant): void {
    this.#discover(now);
    this.#settle(now);
  }

  /** Somebody is about to guess the ports of our NATs: see where they are now. Repeat while it lasts. */
  handlePortsNeed(now: Instant): void {
    this.#ports.handleNeed(this.#discovery.snapshot(), now);
    this.#settle(now);
  }

  /** A socket that was wanted is the link `linkId`; undefined if it could not be opened. */
  handleSocketOpened(linkId: LinkId | undefined, now: Instant): void {
    this.#ports.handleSocketOpened(linkId, now);
    this.#settle(now);
  }

  handleTimeout(now: Instant): void {
    this.#discovery.handleTimeout(now);
    this.#ports.handleTimeout(now);
    this.#requests.handleTimeout(now);
    this.#probes.handleTimeout(now);
    this.#clients.handleTimeout(now);
    if (this.#isNeeded(now)) {
      this.#refresh(now);
      this.#useRelay(now);
    } else this.#needEndsAt = undefined;
    this.#relayUse.handleTimeout(now);
    const idleAt = this.#idleAt();
    if (idleAt !== undefined && now >= idleAt) this.#clients.close(() => true, now);
    this.#settle(now);
  }

  pollTimeout(): Instant | undefined {
    let next = earliest(this.#discovery.pollTimeout()?.at, this.#requests.pollTimeout());
    next = earliest(next, this.#clients.pollTimeout());
    next = earliest(next, this.#probes.pollTimeout());
    next = earliest(next, this.#ports.pollTimeout());
    next = earliest(next, this.#idleAt());
    next = earliest(next, this.#relayUse.pollTimeout());
    if (this.#needEndsAt === undefined) return next;
    next = earliest(next, this.#needEndsAt);
    next = earliest(next, this.#relayUse.pollUse(this.#relayOffer(), this.#neededAt));
    return this.#askedAt === undefined ? next : earliest(next, addMs(this.#askedAt, REFLEXIVE_FRESH_MS));
  }

  pollTransmit(): { readonly to: PathAddress; readonly bytes: Uint8Array } | undefined {
    const own = this.#discovery.pollTransmit() ?? this.#ports.pollTransmit() ?? this.#requests.pollTransmit();
    return own ?? this.#probes.pollTransmit() ?? this.#clients.pollTransmit();
  }

  pollEvent(): GatheringEvent | undefined {
    return this.#events.shift();
  }

  snapshot(): GatheringSnapshot {
    return {
      candidates: this.#candidates,
      nats: this.nats,
      reflexive: this.#facts.all,
      portMappings: [...this.#portMappings.values()],
      relays: this.#relays.map((relay) => ({
        id: relay.id,
        name: relay.name,
        addresses: relay.udp.length > 0 ? relay.udp : relay.streams.map(({ address }) => address),
        rttMs: this.#relayUse.distanceMs(relay, this.#relayOffer().isUdpBlocked),
        isPreferred: relay.id === this.#relayUse.preferredId,
        allocations: this.#clients.snapshot(relay.id),
      })),
      isExamining: this.#discovery.isRunning || this.#ports.isSampling,
      servers: this.#servers,
      neededAt: this.#neededAt ?? null,
    };
  }

  // STUN

  #discover(now: Instant): void {
    this.#askedAt = now;
    this.#discoveredAt = now;
    this.#requests.retain(({ linkId }) => this.#links.has(linkId));
    for (const linkId of this.#links.keys()) this.#ports.forget(linkId);
    const links = [...this.#links].map(([linkId, { hosts }]) => ({ linkId, localAddresses: hosts }));
    this.#discovery.run(links, this.#servers, now);
  }

  /** Asks the first STUN servers and all relays again, unless what they told is fresh. */
  #refresh(now: Instant): void {
    if (this.#isFresh(now)) return;
    this.#askedAt = now;
    if (this.#discovery.isRunning) return;
    for (const [linkId, { hosts }] of this.#links) {
      for (const isIpv6 of [false, true]) {
        if (!hosts.some(({ address }) => address.includes(":") === isIpv6)) continue;
        const usable = this.#servers.filter(({ address }) => address.includes(":") === isIpv6);
        const relays = this.#relays.flatMap(({ udp }) => udp.filter(({ address }) => address.includes(":") === isIpv6));
        const known = usable.filter((server) => this.#facts.hasAnswered(linkId, server));
        const asked = [...(known.length > 0 ? known : usable).slice(0, STUN_SERVERS_ASKED), ...relays];
        for (const remote of asked) this.#requests.ask({ linkId, remote, channel: null }, now);
      }
    }
  }

  #isFresh(now: Instant): boolean {
    if (this.#askedAt === undefined) return false;
    const isDoubted = this.#askedAt < (this.#facts.doubtedAt ?? 0);
    return now - this.#askedAt < (isDoubted ? REFLEXIVE_GAP_MS : REFLEXIVE_FRESH_MS);
  }

  #handleProbe(message: StunMessage, from: PathAddress, now: Instant): boolean {
    if (!this.#probes.handleMessage(message, from, now)) return false;
    if (this.#isNeeded(now)) this.#useRelay(now);
    return true;
  }

  #handleAnswer(message: StunMessage, from: PathAddress, now: Instant): boolean {
    const answer = this.#requests.handleMessage(message, from, now);
    if (answer?.mapped === undefined) return answer !== undefined;
    const { to, mapped, rttMs } = answer;
    this.#facts.add(to.linkId, to.remote, mapped, rttMs, now);
    this.#clients.handleReachable(to.linkId, to.remote, now);
    if (this.#relayUse.isImpatient && this.#isNeeded(now)) this.#useRelay(now);
    return true;
  }

  // Relays

  #useRelay(now: Instant): void {
    this.#relayUse.use(this.#relayOffer(), this.#neededAt, now);
  }

  #relayOffer(): RelayOffer {
    const nats = this.#discovery.snapshot();
    const isUdpBlocked = nats.length > 0 && nats.every(({ udp }) => udp === false);
    return { relays: this.#relays, links: this.#links, isUdpBlocked };
  }

  #isNeeded(now: Instant): boolean {
    return this.#needEndsAt !== undefined && now < this.#needEndsAt;
  }

  #idleAt(): Instant | undefined {
    const isInUse = this.#clients.relayIds().size > 0;
    return isInUse && this.#neededAt !== undefined ? addMs(this.#neededAt, RELAY_IDLE_MS) : undefined;
  }

  // What comes out

  #settle(now: Instant): void {
    for (let event = this.#discovery.pollEvent(); event !== undefined; event = this.#discovery.pollEvent()) {
      if (event.kind === "mapped") this.#facts.add(event.linkId, event.server, event.mapped, event.rttMs, now);
      else {
        this.#announceNats();
        if (event.isFinal) this.#ports.handleReport(event.report, now);
      }
    }
    if (this.#relayUse.isChoosing && this.#isNeeded(now)) this.#useRelay(now);
    this.#relayUse.review(now);
    this.#publish(now);
    for (const source of [this.#probes, this.#clients, this.#ports]) {
      for (let event = source.pollEvent(); event !== undefined; event = source.pollEvent()) this.#events.push(event);
    }
  }

  #announceNats(): void {
    const nats = JSON.stringify(summariseNats(this.#discovery.snapshot()));
    if (nats === this.#announcedNats) return;
    this.#announcedNats = nats;
    this.#events.push({ kind: "nats" });
  }

  #publish(now: Instant): void {
    const sources = { facts: this.#facts, servers: this.#servers, peersView: this.#peersView };
    const gathered = [
      ...this.#given,
      ...mappedCandidates(this.#links, this.#portMappings.values()),
      ...reflexiveCandidates(this.#links, sources, now),
      ...relayedCandidates(this.#links, this.#clients.relayedAddresses()),
    ];
    if (areSameCandidates(gathered, this.#gathered)) return;
    this.#gathered = gathered;
    const candidates = offeredCandidates(gathered, this.#overlayRanges);
    if (areSameCandidates(candidates, this.#candidates)) return;
    this.#candidates = candidates;
    this.#events.push({ kind: "candidates", candidates });
  }
}

function placesOf({ udp, streams }: Relay): string {
  return JSON.stringify([udp, streams]);
}
