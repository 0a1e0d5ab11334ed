/** One WireGuard machine with its outputs drained into lists, for tests. */
import type { PathAddress } from "../src/net/index.ts";
import { addMs, type ClockReading, type Instant, type WallTime } from "../src/time.ts";
import { WireGuard, type WireGuardEvent, type WireGuardTransmit } from "../src/wireguard/index.ts";
import { nobleCrypto } from "./noble-crypto.ts";
import { seededRandom } from "./seeded-random.ts";

/** 2023-11-14T22:13:20.123Z at instant 0. */
const WALL_AT_ZERO = 1_700_000_000_123;

export function at(now: number): ClockReading {
  return { now: now as Instant, wall: (WALL_AT_ZERO + now) as WallTime };
}

export function path(host: number, port = 51_820): PathAddress {
  return { linkId: 1, remote: { address: `192.0.2.${host}`, port }, channel: null };
}

export class WireGuardNode {
  readonly machine: WireGuard;
  readonly address: PathAddress;
  readonly transmits: WireGuardTransmit[] = [];
  readonly events: WireGuardEvent[] = [];

  constructor(seed: number) {
    const random = seededRandom(seed);
    this.machine = new WireGuard({ privateKey: random(32), crypto: nobleCrypto, random });
    this.address = path(seed);
  }

  get publicKey(): Uint8Array {
    return this.machine.publicKey;
  }

  drain(): this {
    for (let out = this.machine.pollTransmit(); out !== undefined; out = this.machine.pollTransmit()) {
      this.transmits.push(out);
    }
    for (let event = this.machine.pollEvent(); event !== undefined; event = this.machine.pollEvent()) {
      this.events.push(event);
    }
    return this;
  }

  /** Takes all messages that wait to be sent. */
  takeTransmits(): WireGuardTransmit[] {
    this.drain();
    return this.transmits.splice(0);
  }

  /** The one message that waits to be sent; it is a test's failure if there are more or none. */
  takeMessage(): Uint8Array {
    const [first, ...rest] = this.takeTransmits();
    if (first === undefined || rest.length > 0) throw new Error(`expected one message, found ${rest.length + 1}`);
    return first.bytes;
  }

  takeEvents(): WireGuardEvent[] {
    this.drain();
    return this.events.splice(0);
  }

  takeSession(): Extract<WireGuardEvent, { kind: "session" }> {
    const session = this.takeEvents().find((event) => event.kind === "session");
    if (session === undefined) throw new Error("expected a session");
    return session;
  }
}

export interface Pair {
  readonly a: WireGuardNode;
  readonly b: WireGuardNode;
  /** The handle of b at a, and of a at b. */
  readonly bAtA: number;
  readonly aAtB: number;
}

export function makePair(presharedKeys: { readonly a?: Uint8Array; readonly b?: Uint8Array } = {}): Pair {
  const a = new WireGuardNode(1);
  const b = new WireGuardNode(2);
  const keyOption = (key: Uint8Array | undefined) => (key === undefined ? {} : { presharedKey: key });
  const bAtA = a.machine.addPeer({ publicKey: b.publicKey, ...keyOption(presharedKeys.a) });
  const aAtB = b.machine.addPeer({ publicKey: a.publicKey, ...keyOption(presharedKeys.b) });
  return { a, b, bAtA, aAtB };
}

/** A whole handshake begun by a, confirmed at b; takes no time. Returns the local indices of both sides. */
export function shakeHands({ a, b, bAtA, aAtB }: Pair, now: number): { a: number; b: number } {
  a.machine.requestSession(bAtA, at(now));
  b.machine.handleDatagram(a.takeMessage(), a.address, at(now));
  const atB = b.takeSession().localIndex;
  a.machine.handleDatagram(b.takeMessage(), b.address, at(now));
  const atA = a.takeSession().localIndex;
  b.machine.handleSessionConfirmed(aAtB, atB, at(now));
  return { a: atA, b: atB };
}

/** Lets the machine act at each of its deadlines up to `until`. Returns when it acted. */
export function runTimeouts(node: WireGuardNode, until: number): Instant[] {
  const acted: Instant[] = [];
  for (let due = node.machine.pollTimeout(); due !== undefined && due.at <= until; due = node.machine.pollTimeout()) {
    const previous = acted.at(-1);
    if (previous !== undefined && due.at <= previous) throw new Error(`the deadline ${due.reason} stands still`);
    acted.push(addMs(due.at, 0));
    node.machine.handleTimeout(at(due.at));
    node.drain();
  }
  return acted;
}
