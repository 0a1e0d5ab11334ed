import { type RandomBytes, randomUint32 } from "@asterism/core/random";
import { addMs, type Instant } from "@asterism/core/time";

export interface PortRange {
  readonly min: number;
  readonly max: number;
}

/** How long a port is kept for the token that came with its even neighbour (RFC 8656 §7.2). */
export const RESERVATION_LIFETIME_MS = 30_000;
/** Tries before the host is taken to have no port left. */
const MAX_ATTEMPTS = 64;
const MAX_RESERVATIONS = 1_024;

export interface Reservation {
  readonly address: string;
  readonly port: number;
  readonly user: string;
  readonly expiresAt: Instant;
}

/**
 * Ports for relayed addresses, at random, so that they can't be guessed (RFC 8656 §7.2); and those that are kept for a
 * reservation token. Whether the host has a port free is found out by opening it.
 */
export class RelayedPorts {
  readonly #range: PortRange;
  readonly #random: RandomBytes;
  readonly #reservations = new Map<string, Reservation>(); // bounded: MAX_RESERVATIONS, by token

  constructor(range: PortRange, random: RandomBytes) {
    this.#range = range;
    this.#random = random;
  }

  /** Ports to try, one after the other. */
  *candidates(address: string, parity: "any" | "even", now: Instant): Generator<number> {
    const size = this.#range.max - this.#range.min + 1;
    const start = randomUint32(this.#random) % size;
    // A stride that has no factor in common with the size visits every port once.
    const stride = coprimeStride(randomUint32(this.#random) % size, size);
    let attempts = 0;
    for (let i = 0; i < size && attempts < MAX_ATTEMPTS; i++) {
      const port = this.#range.min + ((start + i * stride) % size);
      if (parity === "even" && port % 2 !== 0) continue;
      if (this.#isReserved(address, port, now)) continue;
      attempts += 1;
      yield port;
    }
  }

  /** Keeps the port; gives the token, or undefined if it lies outside the range, is kept already, or there are too many. */
  reserve(reservation: Reservation, now: Instant): Uint8Array | undefined {
    this.#expire(now);
    const { address, port } = reservation;
    if (port > this.#range.max || this.#isReserved(address, port, now)) return undefined;
    if (this.#reservations.size >= MAX_RESERVATIONS) return undefined;
    const token = this.#random(8);
    this.#reservations.set(token.join(), reservation);
    return token;
  }

  /** The reservation of a token, which is used up with this. */
  claim(token: Uint8Array, user: string, now: Instant): Reservation | undefined {
    const key = token.join();
    const reservation = this.#reservations.get(key);
    if (reservation === undefined || reservation.user !== user) return undefined;
    this.#reservations.delete(key);
    return now < reservation.expiresAt ? reservation : undefined;
  }

  expiryOf(now: Instant): Instant {
    return addMs(now, RESERVATION_LIFETIME_MS);
  }

  #isReserved(address: string, port: number, now: Instant): boolean {
    for (const reservation of this.#reservations.values()) {
      if (reservation.port === port && reservation.address === address && now < reservation.expiresAt) return true;
    }
    return false;
  }

  #expire(now: Instant): void {
    for (const [token, { expiresAt }] of this.#reservations) if (now >= expiresAt) this.#reservations.delete(token);
  }
}

function coprimeStride(wanted: number, size: number): number {
  for (let stride = Math.max(1, wanted); stride < size; stride++)
    if (greatestDivisor(stride, size) === 1) return stride;
  return 1;
}

function greatestDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestDivisor(b, a % b);
}
