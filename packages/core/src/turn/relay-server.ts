/** Where the relay is: at the address that was given, or where it has sent us (ALTERNATE-SERVER, RFC 8489 §10). */
import { type UdpAddress, udpAddressEquals } from "../net/index.ts";
import { readAddress, STUN_ATTRIBUTE, type StunMessage } from "../stun/index.ts";
import type { TurnFailure } from "./client-types.ts";
import { MAX_REDIRECTS } from "./timings.ts";

export class RelayServer {
  readonly #given: UdpAddress;
  #current: UdpAddress;
  #former: UdpAddress[] = []; // bounded: MAX_REDIRECTS

  constructor(given: UdpAddress) {
    this.#given = given;
    this.#current = given;
  }

  get address(): UdpAddress {
    return this.#current;
  }

  /** Back to the address that was given. */
  reset(): void {
    this.#current = this.#given;
    this.#former = [];
  }

  /** Follows the redirect in an error answer; else why not. */
  redirect(answer: StunMessage): TurnFailure | undefined {
    const next = readAddress(answer, STUN_ATTRIBUTE.alternateServer);
    if (next === undefined || next.port === 0) return "answer-malformed";
    this.#former.push(this.#current);
    const isKnown = this.#former.some((former) => udpAddressEquals(former, next));
    if (isKnown || this.#former.length > MAX_REDIRECTS) return "too-many-redirects";
    this.#current = next;
    return undefined;
  }
}
