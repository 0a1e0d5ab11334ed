/**
 * Takes more samples of how a NAT gives out ports than the servers suffice for: fresh sockets, one after the other, each
 * ask one server once and are closed again. Only where a NAT gives each destination another port, a few at a time, and not
 * without a reason (`begin`).
 */
import type { LinkId, PathAddress, UdpAddress } from "../net/index.ts";
import type { RandomBytes } from "../random.ts";
import type { StunMessage } from "../stun/index.ts";
import { addMs, earliest, type Instant } from "../time.ts";
import { readMapped } from "./mapped-address.ts";
import type { PortSample } from "./port-learner.ts";
import { Probe } from "./probe.ts";

export type SamplerEvent =
  /** Open a socket like that of this link, on another port; `handleSocketOpened` tells. */
  | { readonly kind: "socket-wanted"; readonly like: LinkId }
  | { readonly kind: "socket-unwanted"; readonly linkId: LinkId };

interface Run {
  readonly like: LinkId;
  readonly servers: readonly UdpAddress[];
  /** Sockets still to be opened. */
  left: number;
  nextAt: Instant;
}

interface Asking {
  readonly linkId: LinkId;
  readonly like: LinkId;
  readonly probe: Probe;
}

/** From one socket to the next: requests that leave together may overtake each other. */
const GAP_MS = 15;
/** From one run on a link to the next. */
const RUN_GAP_MS = 3_000;
const MAX_SOCKETS = 24;
const MAX_SAMPLES = 48;
/** Longer ago a subscriber may have had another block. */
const SAMPLE_MEMORY_MS = 600_000;

const NONE: readonly PortSample[] = [];

export class PortSampler {
  readonly #random: RandomBytes;
  readonly #samples = new Map<LinkId, PortSample[]>(); // bounded: MAX_SAMPLES for each link
  readonly #begunAt = new Map<LinkId, Instant>(); // bounded: links of this host
  readonly #events: SamplerEvent[] = []; // bounded: drained after every input
  #runs: Run[] = []; // bounded: one for each link
  /** The links that sockets have been wanted like, in that order. */
  #wanted: LinkId[] = []; // bounded: MAX_SOCKETS for each run
  #asking: Asking[] = []; // bounded: likewise

  constructor(random: RandomBytes) {
    this.#random = random;
  }

  get isRunning(): boolean {
    return this.#asking.length > 0 || this.#wanted.length > 0 || this.#runs.some(({ left }) => left > 0);
  }

  /** Takes up to `count` samples behind this link, unless that was done a moment ago. */
  begin(like: LinkId, servers: readonly UdpAddress[], count: number, now: Instant): void {
    const begunAt = this.#begunAt.get(like);
    if (servers.length === 0 || (begunAt !== undefined && now - begunAt < RUN_GAP_MS)) return;
    this.#begunAt.set(like, now);
    this.#runs = this.#runs.filter((run) => run.like !== like);
    this.#runs.push({ like, servers, left: Math.min(count, MAX_SOCKETS), nextAt: now });
    this.#advance(now);
  }

  /** Oldest first; another list when there are others. */
  samples(link: LinkId): readonly PortSample[] {
    return this.#samples.get(link) ?? NONE;
  }

  /** The link is gone, or leads to another network. */
  forget(link: LinkId): void {
    this.#samples.delete(link);
    this.#begunAt.delete(link);
    this.#runs = this.#runs.filter(({ like }) => like !== link);
    for (const { linkId } of this.#asking.filter(({ like }) => like === link)) this.#close(linkId);
  }

  /** A socket that was wanted is the link `linkId`; undefined if it could not be opened. */
  handleSocketOpened(linkId: LinkId | undefined, now: Instant): void {
    const like = this.#wanted.shift();
    if (linkId === undefined) {
      this.#runs = this.#runs.filter((run) => run.like !== like);
      return;
    }
    const servers = this.#runs.find((run) => run.like === like)?.servers ?? [];
    const remote = servers[this.#asking.length % Math.max(1, servers.length)];
    if (like === undefined || remote === undefined) {
      this.#events.push({ kind: "socket-unwanted", linkId });
      return;
    }
    const to = { linkId, remote, channel: null };
    this.#asking.push({ linkId, like, probe: new Probe({ to, purpose: "mapping" }, this.#random, now) });
  }

  /** True if the message answers one of our requests. */
  handleMessage(message: StunMessage, from: PathAddress): boolean {
    const asking = this.#asking.find(({ linkId, probe }) => linkId === from.linkId && probe.owns(message));
    if (asking === undefined) return false;
    const { linkId, like, probe } = asking;
    const family = probe.server.address.includes(":") ? 6 : 4;
    const mapped = message.class === "success" ? readMapped(message, family) : undefined;
    if (mapped !== undefined) this.#keep(like, { localPort: null, mapped, at: probe.askedAt });
    if (mapped !== undefined || message.class === "error") this.#close(linkId);
    return true;
  }

  handleTimeout(now: Instant): void {
    for (const { probe, linkId } of this.#asking) {
      probe.handleTimeout(now);
      if (probe.state === "silent") this.#close(linkId);
    }
    this.#advance(now);
  }

  pollTimeout(): Instant | undefined {
    let next: Instant | undefined;
    for (const { left, nextAt } of this.#runs) if (left > 0) next = earliest(next, nextAt);
    for (const { probe } of this.#asking) next = earliest(next, probe.pollTimeout());
    return next;
  }

  pollTransmit(): { readonly to: PathAddress; readonly bytes: Uint8Array } | undefined {
    for (const { probe } of this.#asking) {
      const transmit = probe.pollTransmit();
      if (transmit !== undefined) return transmit;
    }
    return undefined;
  }

  pollEvent(): SamplerEvent | undefined {
    return this.#events.shift();
  }

  #keep(link: LinkId, sample: PortSample): void {
    const young = (this.#samples.get(link) ?? []).filter(({ at }) => sample.at - at < SAMPLE_MEMORY_MS);
    const inOrder = [...young, sample].sort((a, b) => a.at - b.at);
    this.#samples.set(link, inOrder.slice(-MAX_SAMPLES));
  }

  #advance(now: Instant): void {
    for (const run of this.#runs) {
      if (run.left === 0 || now < run.nextAt) continue;
      run.left -= 1;
      run.nextAt = addMs(now, GAP_MS);
      this.#wanted.push(run.like);
      this.#events.push({ kind: "socket-wanted", like: run.like });
    }
  }

  #close(linkId: LinkId): void {
    this.#asking = this.#asking.filter((asking) => asking.linkId !== linkId);
    this.#events.push({ kind: "socket-unwanted", linkId });
  }
}
