import type { PathAddress } from "../net/index.ts";
import type { RandomBytes } from "../random.ts";
import type { Instant } from "../time.ts";
import { CookieMaker } from "./cookie.ts";
import { HandshakeLoad } from "./handshake-load.ts";

/** Why a message is not computed on; with the cookie that its sender is to be sent, if any. */
export interface Refusal {
  readonly reason: "under-load" | "rate-limited";
  readonly cookieReply?: Uint8Array;
}

/** Keeps handshake messages from costing more than the device can give (WireGuard paper §5.3). */
export class HandshakeGate {
  readonly #cookies: CookieMaker;
  readonly #load = new HandshakeLoad();

  constructor(publicKey: Uint8Array, random: RandomBytes) {
    this.#cookies = new CookieMaker(publicKey, random);
  }

  isMac1Valid(message: Uint8Array): boolean {
    return this.#cookies.isMac1Valid(message);
  }

  /** Counts a message with a valid `mac1`. Undefined if it may be computed on. */
  refuse(message: Uint8Array, senderIndex: number, from: PathAddress, now: Instant): Refusal | undefined {
    if (!this.#load.countArrival(now)) return undefined;
    if (this.#cookies.isMac2Valid(message, from, now)) {
      return this.#load.admit(from, now) ? undefined : { reason: "rate-limited" };
    }
    if (!this.#load.admitCookieReply(now)) return { reason: "under-load" };
    return { reason: "under-load", cookieReply: this.#cookies.makeReply(message, senderIndex, from, now) };
  }
}
