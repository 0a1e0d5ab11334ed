import { describe, expect, it } from "vitest";
import { seededRandom } from "../../test/seeded-random.ts";
import type { PathAddress } from "../net/index.ts";
import { parseStun, type StunMessage } from "../stun/index.ts";
import { addMs, type Instant } from "../time.ts";
import { candidatePriority } from "./candidate.ts";
import { derivePairKeys, type PairKeys } from "./check-keys.ts";
import { encodeCheckAnswer, encodeCheckRequest } from "./check-message.ts";
import { PeerPaths } from "./peer-paths.ts";

const START = 1_000_000 as Instant;
const HOME = at("192.0.2.2");
const AWAY = at("198.51.100.7");

function keysOf(side: "a" | "b"): PairKeys {
  const [low, high] = [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)];
  const [localPublicKey, remotePublicKey] = side === "a" ? [low, high] : [high, low];
  const keys = derivePairKeys({ sharedSecret: new Uint8Array(32).fill(3), localPublicKey, remotePublicKey });
  if (keys === null) throw new Error("no keys");
  return keys;
}

function at(address: string): PathAddress {
  return { linkId: 1, remote: { address, port: 41641 }, channel: null };
}

function message(bytes: Uint8Array): StunMessage {
  const parsed = parseStun(bytes);
  if (!parsed.ok) throw new Error(parsed.reason);
  return parsed.message;
}

/** A, whose peer B answers checks only where it is. */
class Pair {
  readonly a = new PeerPaths({ keys: keysOf("a"), random: seededRandom(1), overlayMtuBytes: 1_408 });
  readonly sent: { readonly at: Instant; readonly to: PathAddress }[] = [];
  requests = 0;
  calls: Instant[] = [];
  now = START;
  #whereB: PathAddress | undefined = HOME;
  #transactions = 0;

  constructor() {
    const priority = candidatePriority("host", 0);
    const local = { kind: "host", address: at("192.0.2.1").remote, linkId: 1, priority } as const;
    this.a.handleLocalCandidates([local], START);
    this.a.wantPath(START);
    const candidates = [{ kind: "host", address: HOME.remote, priority }] as const;
    this.a.handleCall({ type: "answer", callId: "0123456789abcdef", candidates }, START);
    this.run(20_000, () => this.#data(this.now));
    expect(this.active()).toEqual(HOME);
  }

  active(): PathAddress | undefined {
    return this.a.snapshot(this.now).active?.address;
  }

  /** B can be reached there, and only there; at once it checks A from there. */
  move(to: PathAddress | undefined, place: number): void {
    this.#whereB = to;
    if (to !== undefined) this.check(to, place);
  }

  check(from: PathAddress, place: number, isInDoubt = false): void {
    const id = Uint8Array.of(...new Uint8Array(10), ++this.#transactions >> 8, this.#transactions & 0xff);
    const content = { place, isInDoubt };
    const bytes = encodeCheckRequest(keysOf("b"), id, candidatePriority("peer-reflexive", 0), content);
    this.a.handleCheck(message(bytes), from, this.now);
  }

  /** Lets time pass, with data both ways every 200 ms unless told otherwise; round trips take 10 ms. */
  run(ms: number, data: () => void = () => this.#data(this.now)): void {
    const end = addMs(this.now, ms);
    while (this.now < end) {
      this.now = addMs(this.now, 10);
      const due = this.a.pollTimeout();
      if (due !== undefined && due.at <= this.now) this.a.handleTimeout(this.now);
      if (this.now % 200 === 0) data();
      this.#carry();
    }
  }

  #data(at: Instant): void {
    this.a.handleTraffic({ lastSentAt: at, lastReceivedAt: at, unansweredSince: 0 as Instant }, this.now);
  }

  #carry(): void {
    for (let next = this.a.pollTransmit(); next !== undefined; next = this.a.pollTransmit()) {
      this.sent.push({ at: this.now, to: next.to });
      if (message(next.bytes).class === "request") this.requests += 1;
      if (next.to.remote.address !== this.#whereB?.remote.address) continue;
      const { transactionId, class: kind } = message(next.bytes);
      if (kind !== "request") continue;
      const answer = encodeCheckAnswer(keysOf("b"), transactionId, at("192.0.2.1").remote);
      this.a.handleCheck(message(answer), next.to, addMs(this.now, 10));
    }
    for (let event = this.a.pollEvent(); event !== undefined; event = this.a.pollEvent()) {
      if (event.kind === "call") this.calls.push(this.now);
    }
  }
}

describe("a peer that has moved", () => {
  it("is followed as soon as a check from its new place is answered there", () => {
    const pair = new Pair();
    pair.check(HOME, 0);
    pair.move(AWAY, 7);
    pair.run(100);
    expect(pair.active()).toEqual(AWAY);
    expect(pair.calls.some((calledAt) => calledAt > addMs(START, 20_000))).toBe(true);
  });

  it("has its old address checked anew, which stays if it still answers", () => {
    const pair = new Pair();
    pair.check(HOME, 0);
    const before = pair.sent.length;
    pair.check(HOME, 7);
    pair.run(50);
    expect(pair.sent.length).toBeGreaterThan(before);
    expect(pair.active()).toEqual(HOME);
    expect(pair.a.snapshot(pair.now).trusted).toBe(true);
  });

  it("doubts nothing because of an older number, as of a check that was delayed", () => {
    const pair = new Pair();
    pair.check(HOME, 7);
    pair.run(50);
    pair.check(HOME, 3);
    expect(pair.a.snapshot(pair.now).trusted).toBe(true);
  });
});

describe("a peer whose path does not answer", () => {
  it("has ours checked, and doubted although the peer's data come", () => {
    const pair = new Pair();
    pair.move(undefined, 0);
    pair.check(HOME, 0, true);
    pair.run(700);
    expect(pair.a.snapshot(pair.now).trusted).toBe(false);
  });

  it("is none of ours if ours answers, and asks for a check every 400 ms at most", () => {
    const pair = new Pair();
    const before = pair.requests;
    for (let count = 0; count < 200; count++) {
      pair.check(HOME, 0, true);
      pair.run(20);
    }
    expect(pair.requests - before).toBeGreaterThan(5);
    expect(pair.requests - before).toBeLessThanOrEqual(10);
    expect(pair.a.snapshot(pair.now)).toMatchObject({ trusted: true, drops: {} });
  });
});

describe("data that nobody answers", () => {
  it("has the path checked before its heartbeat is due, and another one looked for", () => {
    const pair = new Pair();
    pair.move(undefined, 0);
    const [silentSince, calls] = [pair.now, pair.calls.length];
    const unanswered = (): void => {
      const times = { lastSentAt: pair.now, lastReceivedAt: silentSince, unansweredSince: silentSince };
      pair.a.handleTraffic(times, pair.now);
    };
    pair.run(1_200, unanswered);
    expect(pair.a.snapshot(pair.now).trusted).toBe(false);
    expect(pair.calls.length).toBeGreaterThan(calls);
  });

  it("is no proof: a peer that only listens answers checks", () => {
    const pair = new Pair();
    const silentSince = pair.now;
    const before = pair.sent.length;
    const unanswered = (): void => {
      const times = { lastSentAt: pair.now, lastReceivedAt: silentSince, unansweredSince: silentSince };
      pair.a.handleTraffic(times, pair.now);
    };
    pair.run(9_000, unanswered);
    expect(pair.a.snapshot(pair.now).trusted).toBe(true);
    expect(pair.sent.length - before).toBeLessThanOrEqual(5);
  });
});
