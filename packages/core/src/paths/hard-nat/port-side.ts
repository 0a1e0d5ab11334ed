import type { PortSequence } from "../../nat/index.ts";
import type { LinkId } from "../../net/index.ts";
import { addMs, type Instant } from "../../time.ts";
import type { Transmit } from "../check-exchange.ts";
import { LINGER_MS } from "./punch-limits.ts";
import { PunchPace } from "./punch-pace.ts";
import type { SideOptions } from "./socket-side.ts";

/**
 * Behind the NAT that keeps its port: sends checks from the one data socket to port after port of the peer's address.
 * Each may get in at the peer's NAT, and from each port that was tried the peer's packets get in here.
 */
export class PortSide {
  readonly linkId: LinkId;
  readonly pace: PunchPace;
  readonly #options: SideOptions;
  readonly #ports: PortSequence;
  readonly #transmits: Transmit[] = []; // bounded: drained after every input
  #lastSentAt: Instant;
  #isSending = true;

  /** `ports`: of the peer's address, the likeliest first. */
  constructor(options: SideOptions, linkId: LinkId, ports: PortSequence, now: Instant) {
    this.#options = options;
    this.linkId = linkId;
    this.#ports = ports;
    this.pace = new PunchPace(now);
    this.#lastSentAt = now;
  }

  /** The peer has come through. */
  stop(): void {
    this.#isSending = false;
  }

  update(now: Instant): void {
    for (let due = this.#isSending ? this.pace.due(now) : 0; due > 0 && this.#isSending; due--) this.#send(now);
  }

  #send(now: Instant): void {
    const { encodeCheck, target } = this.#options;
    const bytes = encodeCheck();
    const port = this.#ports.next();
    if (port === undefined || !this.pace.take(bytes.length)) {
      this.#isSending = false;
      return;
    }
    this.#lastSentAt = now;
    const to = { linkId: this.linkId, remote: { address: target.address, port }, channel: null };
    this.#transmits.push({ to, bytes });
  }

  pollTransmit(): Transmit | undefined {
    return this.#transmits.shift();
  }

  /** When `update` has something to do. */
  nextAt(): Instant | undefined {
    return this.#isSending ? this.pace.readyAt() : undefined;
  }

  /** When there is nothing to be hoped for any more; undefined while it sends. */
  endsAt(): Instant | undefined {
    return this.#isSending ? undefined : addMs(this.#lastSentAt, LINGER_MS);
  }
}
