import type { LinkId, UdpAddress } from "../../net/index.ts";
import { addMs, type Instant } from "../../time.ts";
import type { Transmit } from "../check-exchange.ts";
import { LINGER_MS, MAX_OPEN_SOCKETS } from "./punch-limits.ts";
import { PunchPace } from "./punch-pace.ts";

export interface SideOptions {
  /** Makes one more check. */
  readonly encodeCheck: () => Uint8Array;
  /** The peer's address: with `PortSide` only its IP address counts. */
  readonly target: UdpAddress;
}

export interface SocketVolleys {
  /** Sockets that the attempt may open. */
  readonly maxSockets: number;
  /** Ports of the target's address; one after the other takes the place of its port, each after so many sockets. */
  readonly furtherPorts?: readonly number[];
  readonly socketsPerPort?: number;
}

type SocketSideOptions = SideOptions & SocketVolleys;

export type SocketEvent =
  /** Open a socket like that of this link; `handleSocketOpened` tells. */
  | { readonly kind: "socket-wanted"; readonly like: LinkId }
  | { readonly kind: "socket-unwanted"; readonly linkId: LinkId };

/**
 * Behind the NAT with varying ports: opens socket after socket, and each sends one check to the peer's one address. So
 * each has a public port of its own, through which the peer can get in if it hits it, and which the peer lets in if it
 * has tried it before.
 */
export class SocketSide {
  readonly like: LinkId;
  readonly pace: PunchPace;
  readonly #options: SocketSideOptions;
  /** Oldest first. */
  readonly #open: LinkId[] = []; // bounded: MAX_OPEN_SOCKETS
  readonly #transmits: Transmit[] = []; // bounded: drained after every input
  readonly #events: SocketEvent[] = []; // bounded: drained after every input
  #wanted = 0;
  /** Wanted, but not yet opened. */
  #pending = 0;
  #lastSentAt: Instant;
  #isOpening = true;
  #isClosed = false;

  constructor(options: SocketSideOptions, like: LinkId, now: Instant) {
    this.#options = options;
    this.like = like;
    this.pace = new PunchPace(now);
    this.#lastSentAt = now;
  }

  owns(linkId: LinkId): boolean {
    return this.#open.includes(linkId);
  }

  handleSocketOpened(linkId: LinkId | undefined, now: Instant): void {
    this.#pending -= 1;
    if (linkId === undefined) {
      this.#isOpening = false;
      return;
    }
    this.#open.push(linkId);
    if (this.#isClosed) {
      this.close();
      return;
    }
    const bytes = this.#options.encodeCheck();
    if (!this.pace.take(bytes.length)) {
      this.#isOpening = false;
      return;
    }
    this.#lastSentAt = now;
    this.#transmits.push({ to: { linkId, remote: this.#target(), channel: null }, bytes });
  }

  /** The peer is reached through this socket: it is the caller's, and the others are closed. */
  release(linkId: LinkId): void {
    this.#open.splice(this.#open.indexOf(linkId), 1);
    this.close();
  }

  close(): void {
    this.#isOpening = false;
    this.#isClosed = true;
    for (const linkId of this.#open.splice(0)) this.#events.push({ kind: "socket-unwanted", linkId });
  }

  update(now: Instant): void {
    for (let due = this.#isOpening ? this.pace.due(now) : 0; due > 0 && this.#isOpening; due--) this.#want();
  }

  /** Of the check that was counted last. */
  #target(): UdpAddress {
    const { target, furtherPorts = [], socketsPerPort = Number.POSITIVE_INFINITY } = this.#options;
    const volley = Math.floor((this.pace.packets - 1) / socketsPerPort);
    const port = volley === 0 ? target.port : furtherPorts[volley - 1];
    return { ...target, port: port ?? target.port };
  }

  #want(): void {
    const oldest = this.#open.length + this.#pending >= MAX_OPEN_SOCKETS ? this.#open.shift() : undefined;
    if (oldest !== undefined) this.#events.push({ kind: "socket-unwanted", linkId: oldest });
    this.#wanted += 1;
    this.#pending += 1;
    this.#isOpening = this.#wanted < this.#options.maxSockets;
    this.#events.push({ kind: "socket-wanted", like: this.like });
  }

  pollTransmit(): Transmit | undefined {
    return this.#transmits.shift();
  }

  pollEvent(): SocketEvent | undefined {
    return this.#events.shift();
  }

  /** When `update` has something to do. */
  nextAt(): Instant | undefined {
    return this.#isOpening ? this.pace.readyAt() : undefined;
  }

  /** When there is nothing to be hoped for any more; undefined while it sends. */
  endsAt(): Instant | undefined {
    return this.#isOpening ? undefined : addMs(this.#lastSentAt, LINGER_MS);
  }
}
