/**
 * Finds out what the NATs in front of this host do: one run per link and IP version, started by `run`, again whenever
 * the network has changed or somebody asks.
 *
 * Sans-I/O: after every input drain `pollTransmit` and `pollEvent`, and set an alarm for `pollTimeout`.
 */
import { formatUdpAddress, type LinkId, type PathAddress, type UdpAddress } from "../net/index.ts";
import type { RandomBytes } from "../random.ts";
import type { StunMessage } from "../stun/index.ts";
import { addMs, earliest, type Instant } from "../time.ts";
import { type FilterTests, LinkDiscovery } from "./link-discovery.ts";
import type { NatEvent, NatReport } from "./nat-types.ts";

export interface NatLink {
  readonly linkId: LinkId;
  /** Addresses and ports of its sockets; IP versions without one are left out. */
  readonly localAddresses: readonly UdpAddress[];
}

interface RememberedFilter {
  readonly tests: FilterTests;
  readonly until: Instant;
}

const MAX_LINKS = 16;
const MAX_SERVERS = 8;
/** NATs keep a filter open so long at most after a packet has gone out (RFC 4787 §4.3 asks for 2 minutes or more). */
const FILTER_MEMORY_MS = 300_000;
const MAX_REMEMBERED = 64;

export class NatDiscovery {
  readonly #random: RandomBytes;
  readonly #remembered = new Map<string, RememberedFilter>(); // bounded: MAX_REMEMBERED, oldest dropped
  readonly #reports = new Map<string, NatReport>(); // bounded: of the links of the last run
  readonly #queue: NatEvent[] = []; // bounded: drained after every input
  #running: LinkDiscovery[] = []; // bounded: two per link, MAX_LINKS

  constructor(random: RandomBytes) {
    this.#random = random;
  }

  get isRunning(): boolean {
    return this.#running.length > 0;
  }

  /** Begins anew on these links; a run that is under way is given up. The first servers are preferred. */
  run(links: readonly NatLink[], servers: readonly UdpAddress[], now: Instant): void {
    for (const discovery of this.#running) this.#remember(discovery, now);
    this.#running = [];
    this.#reports.clear();
    for (const [key, { until }] of this.#remembered) if (until <= now) this.#remembered.delete(key);
    for (const { linkId, localAddresses } of links.slice(0, MAX_LINKS)) {
      for (const family of [4, 6] as const) {
        const isOfFamily = ({ address }: UdpAddress): boolean => address.includes(":") === (family === 6);
        const local = localAddresses.filter(isOfFamily);
        const usable = servers.filter(isOfFamily).slice(0, MAX_SERVERS);
        if (local.length > 0 && usable.length > 0) this.#start(linkId, family, local, usable, now);
      }
    }
    this.#collect(now);
  }

  /** True if the message belongs to a run. */
  handleMessage(message: StunMessage, from: PathAddress, now: Instant): boolean {
    const isOurs = this.#running.some((discovery) => discovery.handleMessage(message, from, now));
    if (isOurs) this.#collect(now);
    return isOurs;
  }

  handleTimeout(now: Instant): void {
    for (const discovery of this.#running) discovery.handleTimeout(now);
    this.#collect(now);
  }

  pollTimeout(): { readonly at: Instant } | undefined {
    let next: Instant | undefined;
    for (const discovery of this.#running) next = earliest(next, discovery.pollTimeout());
    return next === undefined ? undefined : { at: next };
  }

  pollTransmit(): { readonly to: PathAddress; readonly bytes: Uint8Array } | undefined {
    for (const discovery of this.#running) {
      const transmit = discovery.pollTransmit();
      if (transmit !== undefined) return transmit;
    }
    return undefined;
  }

  pollEvent(): NatEvent | undefined {
    return this.#queue.shift();
  }

  /** The newest report of each link and IP version of the last run, in that order. */
  snapshot(): readonly NatReport[] {
    for (const discovery of this.#running) this.#keep(discovery.report());
    return [...this.#reports.values()].sort((a, b) => a.linkId - b.linkId || a.family - b.family);
  }

  #start(
    linkId: LinkId,
    family: 4 | 6,
    localAddresses: readonly UdpAddress[],
    servers: readonly UdpAddress[],
    now: Instant,
  ): void {
    const rememberedTests = (server: UdpAddress, mapped: UdpAddress): FilterTests | undefined =>
      this.#remembered.get(filterKey(linkId, server, mapped))?.tests;
    const options = { linkId, family, localAddresses, servers, random: this.#random, rememberedTests };
    this.#running.push(new LinkDiscovery(options, now));
  }

  #collect(now: Instant): void {
    for (const discovery of this.#running) {
      for (let event = discovery.pollEvent(); event !== undefined; event = discovery.pollEvent()) {
        this.#queue.push(event);
        if (event.kind === "report") this.#keep(event.report);
      }
      if (discovery.isDone) this.#remember(discovery, now);
    }
    this.#running = this.#running.filter(({ isDone }) => !isDone);
  }

  #keep(report: NatReport): void {
    this.#reports.set(`${report.linkId}/${report.family}`, report);
  }

  /** What was sent to the server's other addresses has opened the filter for them. */
  #remember(discovery: LinkDiscovery, now: Instant): void {
    const tested = discovery.openedFilter;
    if (tested === undefined) return;
    const key = filterKey(discovery.linkId, tested.server, tested.mapped);
    this.#remembered.delete(key);
    this.#remembered.set(key, { tests: tested.tests, until: addMs(now, FILTER_MEMORY_MS) });
    if (this.#remembered.size > MAX_REMEMBERED) this.#remembered.delete(this.#remembered.keys().next().value ?? "");
  }
}

/** Behind another mapped address there is another NAT, or one that has forgotten. */
function filterKey(linkId: LinkId, server: UdpAddress, mapped: UdpAddress): string {
  return `${linkId} ${formatUdpAddress(server)} ${formatUdpAddress(mapped)}`;
}
