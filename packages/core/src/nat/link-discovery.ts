/**
 * RFC 5780 discovery on one link and one IP version, for one run.
 *
 * 1. `first`: one server is asked, the next one 400 ms later if it is silent, until one answers; if that one can't answer
 *    from elsewhere (no OTHER-ADDRESS), the others are asked too.
 * 2. `filtering`: the server is asked to answer from another address and port, and from another port. Nothing may have
 *    been sent to those before: that would open the filter.
 * 3. `mapping`: every other address and port that there is. Also shows that the server does answer there, without which
 *    silence in step 2 tells nothing. And a packet to ourselves, for hairpinning.
 */
import { type PathAddress, type UdpAddress, udpAddressEquals } from "../net/index.ts";
import type { RandomBytes } from "../random.ts";
import { readAddress, STUN_ATTRIBUTE, type StunMessage } from "../stun/index.ts";
import { addMs, earliest, type Instant } from "../time.ts";
import {
  type FilterTest,
  isUntranslated,
  natTypeOf,
  onlyOne,
  possibleFilterings,
  possibleMappings,
} from "./classify.ts";
import { isFamily, readMapped } from "./mapped-address.ts";
import { type MappedSample, NAT_BEHAVIOURS, type NatBehaviour, type NatEvent, type NatReport } from "./nat-types.ts";
import { learnPorts, type PortSample } from "./port-learner.ts";
import { Probe, type ProbePurpose, type ProbeState } from "./probe.ts";

export interface LinkDiscoveryOptions {
  readonly linkId: number;
  readonly family: 4 | 6;
  /** Of the socket, to notice that there is no NAT. */
  readonly localAddresses: readonly UdpAddress[];
  /** Of this family; two ports of one host are two servers. */
  readonly servers: readonly UdpAddress[];
  readonly random: RandomBytes;
  /** From an earlier run, whose requests have opened the filter for this server's other addresses. */
  readonly rememberedTests: (server: UdpAddress, mapped: UdpAddress) => FilterTests | undefined;
}

/** What became of the requests for an answer from elsewhere; undefined if there was none. */
export interface FilterTests {
  readonly changedAddress: ProbeState | undefined;
  readonly changedPort: ProbeState | undefined;
}

type Stage = "first" | "filtering" | "mapping" | "done";

const STAGGER_MS = 400;
/** A first report, complete or not (what others allow theirs). */
const FIRST_REPORT_MS = 3_000;

export class LinkDiscovery {
  readonly #options: LinkDiscoveryOptions;
  readonly #probes: Probe[] = []; // bounded: servers and a few
  readonly #samples: MappedSample[] = []; // bounded: one per mapping probe
  readonly #events: NatEvent[] = []; // bounded: one per probe and two reports
  readonly #startedAt: Instant;
  #stage: Stage = "first";
  #nextServerAt: Instant | undefined;
  #reportBy: Instant | undefined;
  /** The server of the filtering tests and where it can answer from. */
  #filterServer: { readonly primary: UdpAddress; readonly other: UdpAddress } | undefined;
  #remembered: FilterTests | undefined;

  constructor(options: LinkDiscoveryOptions, now: Instant) {
    this.#options = options;
    this.#startedAt = now;
    this.#reportBy = addMs(now, FIRST_REPORT_MS);
    this.#nextServerAt = now;
    this.#advance(now);
  }

  get linkId(): number {
    return this.#options.linkId;
  }

  get isDone(): boolean {
    return this.#stage === "done";
  }

  /** Whose other addresses have been sent to, after the filter was tested with them; undefined if none have. */
  get openedFilter():
    | { readonly server: UdpAddress; readonly mapped: UdpAddress; readonly tests: FilterTests }
    | undefined {
    if (this.#stage === "first" || this.#stage === "filtering") return undefined;
    const server = this.#filterServer?.primary;
    const sample = this.#samples.find(
      (candidate) => server !== undefined && udpAddressEquals(candidate.server, server),
    );
    return server === undefined || sample === undefined
      ? undefined
      : { server, mapped: sample.mapped, tests: this.#filterTests() };
  }

  /** True if the message belongs to this run. */
  handleMessage(message: StunMessage, from: PathAddress, now: Instant): boolean {
    const probe = this.#probes.find((candidate) => candidate.owns(message));
    if (probe === undefined || from.linkId !== this.#options.linkId) return false;
    if (message.class === "request") {
      // Our own request, turned round by the NAT.
      if (probe.purpose === "hairpin") probe.finish("answered");
    } else if (probe.state === "waiting") this.#handleAnswer(probe, message, from, now);
    this.#advance(now);
    return true;
  }

  handleTimeout(now: Instant): void {
    for (const probe of this.#probes) probe.handleTimeout(now);
    this.#advance(now);
  }

  pollTimeout(): Instant | undefined {
    if (this.#stage === "done") return undefined;
    let next = earliest(this.#reportBy, this.#stage === "first" ? this.#nextServerAt : undefined);
    for (const probe of this.#probes) next = earliest(next, probe.pollTimeout());
    return next;
  }

  pollTransmit(): { readonly to: PathAddress; readonly bytes: Uint8Array } | undefined {
    for (const probe of this.#probes) {
      const transmit = probe.pollTransmit();
      if (transmit !== undefined) return transmit;
    }
    return undefined;
  }

  pollEvent(): NatEvent | undefined {
    return this.#events.shift();
  }

  report(): NatReport {
    const { linkId, family, localAddresses } = this.#options;
    const samples = this.#samplesInOrder();
    const portSamples = this.#portSamples(samples);
    const isNone = isUntranslated(samples, localAddresses);
    const mappings: readonly NatBehaviour[] = isNone ? ["endpoint-independent"] : possibleMappings(samples);
    const filterings = this.#possibleFilterings();
    const udp = this.#udp();
    let type = natTypeOf(mappings, filterings);
    if (isNone) type = "none";
    else if (udp === false) type = "UDP blocked";
    else if (samples.length === 0) type = "unknown";
    return {
      linkId,
      family,
      udp,
      mapping: samples.length === 0 ? "unknown" : onlyOne(mappings),
      filtering: onlyOne(filterings),
      possibleMappings: samples.length === 0 ? NAT_BEHAVIOURS : mappings,
      possibleFilterings: filterings,
      type,
      hairpin: this.#hairpin(),
      samples,
      ports: learnPorts(portSamples, this.#hairpins()),
      portSamples,
    };
  }

  #handleAnswer(probe: Probe, message: StunMessage, from: PathAddress, now: Instant): void {
    if (message.class === "error") {
      probe.finish("refused");
      return;
    }
    const mapped = readMapped(message, this.#options.family);
    if (mapped === undefined) return;
    if (probe.purpose === "mapping") {
      // An answer from elsewhere than asked is none of this server's.
      if (!udpAddressEquals(from.remote, probe.server)) return;
      probe.finish("answered");
      const sample = { server: probe.server, mapped, rttMs: probe.rttMs(now) };
      this.#samples.push(sample);
      this.#events.push({ kind: "mapped", linkId: this.#options.linkId, ...sample });
      if (this.#stage === "first") this.#considerFilterServer(probe.server, message, mapped);
    } else if (probe.purpose !== "hairpin") {
      probe.finish(isFromElsewhere(probe, from.remote) ? "answered" : "refused");
    }
  }

  #considerFilterServer(primary: UdpAddress, message: StunMessage, mapped: UdpAddress): void {
    const other = readAddress(message, STUN_ATTRIBUTE.otherAddress);
    const isUsable = other !== undefined && isFamily(other, this.#options.family) && other.port !== primary.port;
    if (this.#filterServer !== undefined || !isUsable || other.port === 0) return;
    this.#filterServer = { primary, other };
    this.#remembered = this.#options.rememberedTests(primary, mapped);
  }

  /** Goes from stage to stage as far as what is known allows. */
  #advance(now: Instant): void {
    if (this.#stage === "first") this.#advanceFirst(now);
    if (this.#stage === "filtering" && this.#isFilteringOver()) this.#beginMapping(now);
    if (this.#stage === "mapping" && this.#isOver(() => true)) {
      this.#stage = "done";
      this.#reportBy = undefined;
      this.#events.push({ kind: "report", report: this.report(), isFinal: true });
    }
    if (this.#reportBy !== undefined && now >= this.#reportBy) {
      this.#reportBy = undefined;
      this.#events.push({ kind: "report", report: this.report(), isFinal: false });
    }
  }

  #advanceFirst(now: Instant): void {
    if (this.#filterServer !== undefined) {
      this.#beginFiltering(now);
      return;
    }
    // Once UDP is known to pass there is no reason to hurry less.
    const isAnswered = this.#samples.length > 0;
    while (this.#nextServerAt !== undefined && (isAnswered || now >= this.#nextServerAt)) {
      const next = this.#options.servers.find(
        ({ address }) => !this.#probes.some(({ server }) => server.address === address),
      );
      if (next === undefined) this.#nextServerAt = undefined;
      else {
        this.#probe(next, "mapping", now);
        this.#nextServerAt = addMs(now, STAGGER_MS);
      }
    }
    if (this.#nextServerAt === undefined && this.#isOver(() => true)) this.#beginMapping(now);
  }

  #beginFiltering(now: Instant): void {
    this.#stage = "filtering";
    const filter = this.#filterServer;
    if (filter === undefined) return;
    this.#probeHairpin(now);
    const { primary, other } = filter;
    if (this.#remembered === undefined) {
      this.#probe(primary, "changed-port", now);
      // An address that has been sent to may answer through an address-dependent filter, too.
      const hasBeenAsked = this.#probes.some(({ server }) => server.address === other.address);
      if (!hasBeenAsked) this.#probe(primary, "changed-address", now);
    }
    for (const server of this.#options.servers) {
      if (server.address !== primary.address && server.address !== other.address) this.#probe(server, "mapping", now);
    }
  }

  #beginMapping(now: Instant): void {
    this.#stage = "mapping";
    const filter = this.#filterServer;
    if (filter !== undefined) {
      const { primary, other } = filter;
      this.#probe({ address: other.address, port: primary.port }, "mapping", now);
      this.#probe({ address: primary.address, port: other.port }, "mapping", now);
      this.#probe(other, "mapping", now);
    }
    if (this.#samples.length > 0 || this.#probes.length === 0) {
      for (const server of this.#options.servers) this.#probe(server, "mapping", now);
    }
    this.#probeHairpin(now);
  }

  #probeHairpin(now: Instant): void {
    const mapped = this.#samples[0]?.mapped;
    const isOurs = isUntranslated(this.#samples, this.#options.localAddresses);
    if (mapped !== undefined && !isOurs) this.#probe(mapped, "hairpin", now);
  }

  /** Asks a server, unless it has been asked for the same purpose. */
  #probe(remote: UdpAddress, purpose: ProbePurpose, now: Instant): void {
    if (this.#probes.some((probe) => probe.purpose === purpose && udpAddressEquals(probe.server, remote))) return;
    const to = { linkId: this.#options.linkId, remote, channel: null };
    const change =
      purpose === "mapping" || purpose === "hairpin"
        ? undefined
        : { changeIp: purpose === "changed-address", changePort: true };
    this.#probes.push(
      new Probe({ to, purpose, ...(change === undefined ? {} : { change }) }, this.#options.random, now),
    );
  }

  #isOver(concerns: (probe: Probe) => boolean): boolean {
    return this.#probes.every((probe) => probe.state !== "waiting" || !concerns(probe));
  }

  #isFilteringOver(): boolean {
    if (this.#stateOf("changed-address") === "answered") return true;
    return this.#isOver(({ purpose }) => purpose === "changed-address" || purpose === "changed-port");
  }

  #filterTests(): FilterTests {
    if (this.#remembered !== undefined) return this.#remembered;
    return { changedAddress: this.#stateOf("changed-address"), changedPort: this.#stateOf("changed-port") };
  }

  #possibleFilterings(): readonly NatBehaviour[] {
    const filter = this.#filterServer;
    if (filter === undefined) return NAT_BEHAVIOURS;
    const { primary, other } = filter;
    const { changedAddress, changedPort } = this.#filterTests();
    return possibleFilterings(
      this.#verdict(changedAddress, other),
      this.#verdict(changedPort, { address: primary.address, port: other.port }),
    );
  }

  /** Silence counts only if the server answers from there when it is asked there. */
  #verdict(state: ProbeState | undefined, answersFrom: UdpAddress): FilterTest {
    if (state === "answered") return "answered";
    const isAlive = this.#samples.some(({ server }) => udpAddressEquals(server, answersFrom));
    return state === "silent" && isAlive ? "silent" : "untold";
  }

  #stateOf(purpose: ProbePurpose): ProbeState | undefined {
    return this.#probes.find((probe) => probe.purpose === purpose)?.state;
  }

  #udp(): boolean | null {
    if (this.#samples.length > 0) return true;
    return this.#stage === "done" && this.#options.servers.length > 0 ? false : null;
  }

  #hairpin(): boolean | null {
    const state = this.#stateOf("hairpin");
    if (state === "answered") return true;
    return state === "silent" ? false : null;
  }

  #portSamples(samples: readonly MappedSample[]): PortSample[] {
    const localPort = this.#options.localAddresses[0]?.port ?? null;
    return samples.map(({ server, mapped }) => {
      const probe = this.#probes.find((asked) => asked.purpose === "mapping" && udpAddressEquals(asked.server, server));
      return { localPort, mapped, at: probe?.askedAt ?? this.#startedAt };
    });
  }

  /** Packets to ourselves, which the NAT has given ports that no server has seen. */
  #hairpins(): number {
    return this.#probes.filter(({ purpose }) => purpose === "hairpin").length;
  }

  #samplesInOrder(): MappedSample[] {
    const order = (sample: MappedSample): number =>
      this.#probes.findIndex(({ purpose, server }) => purpose === "mapping" && udpAddressEquals(server, sample.server));
    return [...this.#samples].sort((a, b) => order(a) - order(b));
  }
}

/** A server that does not know CHANGE-REQUEST answers from where it was asked. */
function isFromElsewhere({ purpose, server }: Probe, from: UdpAddress): boolean {
  if (purpose === "changed-address") return from.address !== server.address;
  return from.address === server.address && from.port !== server.port;
}
