import { describe, expect, test } from "vitest";
import { at, makePair, type Pair, runTimeouts, shakeHands, WireGuardNode } from "../../test/wireguard-node.ts";
import type { Instant } from "../time.ts";
import { NO_TRAFFIC, type TrafficFacts } from "./timers.ts";

const instant = (ms: number) => ms as Instant;
const facts = (changes: Partial<Record<keyof TrafficFacts, number>>): TrafficFacts => ({
  ...NO_TRAFFIC,
  ...(changes as Partial<TrafficFacts>),
});
/** A handshake begun by a, all outputs taken. */
function connected(now: number): Pair {
  const pair = makePair();
  shakeHands(pair, now);
  for (const node of [pair.a, pair.b]) {
    node.takeEvents();
    node.takeTransmits();
  }
  return pair;
}
/** How many handshake messages a node sends on hearing these facts. */
function messagesOn(node: WireGuardNode, peer: number, heard: TrafficFacts, now: number): number {
  node.machine.handleTraffic(peer, heard, at(now));
  return node.takeTransmits().length;
}

describe("a session is renewed", () => {
  test("by its initiator that sends in it after 120 s", () => {
    const { a, bAtA } = connected(1_000);
    const sent = (lastSentAt: number) => facts({ lastSentAt, lastDataSentAt: lastSentAt, lastReceivedAt: lastSentAt });
    expect(messagesOn(a, bAtA, sent(120_999), 121_500)).toBe(0);
    expect(messagesOn(a, bAtA, sent(121_000), 121_500)).toBe(1);
    expect(messagesOn(a, bAtA, sent(122_000), 122_500)).toBe(0);
  });

  test("not by its responder, whatever it sends", () => {
    const { b, aAtB } = connected(1_000);
    const busy = facts({ lastSentAt: 170_000, lastDataSentAt: 170_000, lastReceivedAt: 170_000 });
    expect(messagesOn(b, aAtB, busy, 170_000)).toBe(0);
  });

  test("by its initiator that only receives in it, after 165 s", () => {
    const { a, bAtA } = connected(1_000);
    expect(messagesOn(a, bAtA, facts({ lastReceivedAt: 165_999 }), 166_500)).toBe(0);
    expect(messagesOn(a, bAtA, facts({ lastReceivedAt: 166_000 }), 166_500)).toBe(1);
  });

  test("not while nothing passes: it ends at 180 s, announced, and the machine has nothing left to do", () => {
    const { a, b, bAtA, aAtB } = connected(1_000);
    for (const [node, peer] of [
      [a, bAtA],
      [b, aAtB],
    ] as const) {
      expect(node.machine.pollTimeout()).toEqual({ at: 181_000, reason: "session-expiry", peer });
      node.machine.handleTimeout(at(180_999));
      expect(node.takeEvents()).toEqual([]);
      node.machine.handleTimeout(at(181_000));
      expect(node.takeEvents().map(({ kind }) => kind)).toEqual(["session-ended"]);
      expect(node.machine.pollTimeout()).toBeUndefined();
      expect(node.machine.peerState(peer, instant(181_000))).not.toHaveProperty("sessionAgeMs");
    }
  });
});

describe("a peer that is silent after data was sent to it", () => {
  const waiting = facts({ lastSentAt: 50_000, lastDataSentAt: 50_000, firstUnansweredSentAt: 50_000 });

  test("is asked for a new session after 15 s, by either side", () => {
    const { a, b, bAtA, aAtB } = connected(1_000);
    for (const [node, peer] of [
      [a, bAtA],
      [b, aAtB],
    ] as const) {
      expect(messagesOn(node, peer, waiting, 50_100)).toBe(0);
      expect(node.machine.pollTimeout()).toEqual({ at: 65_000, reason: "stale", peer });
      node.machine.handleTimeout(at(65_000));
      expect(node.takeTransmits()).toHaveLength(1);
    }
  });

  test("is left alone if it answered meanwhile", () => {
    const { a, bAtA } = connected(1_000);
    messagesOn(a, bAtA, waiting, 50_100);
    const answered = facts({ lastSentAt: 50_000, lastDataSentAt: 50_000, lastReceivedAt: 60_000 });
    expect(messagesOn(a, bAtA, answered, 60_100)).toBe(0);
    expect(runTimeouts(a, 180_000)).toEqual([]);
  });

  test("is not asked again for the same data once it was given up", () => {
    const { a, bAtA } = connected(1_000);
    messagesOn(a, bAtA, waiting, 50_100);
    runTimeouts(a, 170_000);
    expect(a.takeEvents()).toContainEqual({ kind: "handshake-failed", peer: bAtA, reason: "no-answer" });
    const series = a.takeTransmits().length;
    expect(series).toBeGreaterThan(15);
    expect(messagesOn(a, bAtA, waiting, 171_000)).toBe(0);
    runTimeouts(a, 180_000);
    expect(a.takeTransmits()).toEqual([]);
  });

  test("is asked again if data goes on after a renewed session", () => {
    const pair = connected(1_000);
    const { a, b, bAtA } = pair;
    messagesOn(a, bAtA, waiting, 50_100);
    a.machine.handleTimeout(at(65_000));
    b.machine.handleDatagram(a.takeMessage(), a.address, at(65_000));
    a.machine.handleDatagram(b.takeMessage(), b.address, at(65_000));
    // The engine has heard no data yet, so that its first unanswered packet is still the old one.
    expect(messagesOn(a, bAtA, waiting, 66_000)).toBe(0);
    const goesOn = facts({ ...waiting, lastSentAt: 67_000, lastDataSentAt: 67_000 });
    expect(messagesOn(a, bAtA, goesOn, 67_000)).toBe(0);
    const [due] = [a.machine.pollTimeout()];
    expect(due?.reason).toBe("stale");
    expect(due?.at).toBeGreaterThanOrEqual(80_000);
    expect(due?.at).toBeLessThanOrEqual(80_334);
  });
});

describe("keepalives", () => {
  test("received data that nothing answered is answered after 10 s, once", () => {
    const { b, aAtB } = connected(1_000);
    const heard = facts({ lastReceivedAt: 20_000, lastDataReceivedAt: 20_000, firstUnacknowledgedReceivedAt: 12_000 });
    b.machine.handleTraffic(aAtB, heard, at(20_000));
    expect(b.machine.pollTimeout()).toEqual({ at: 22_000, reason: "keepalive", peer: aAtB });
    b.machine.handleTimeout(at(22_000));
    expect(b.takeEvents()).toEqual([{ kind: "keepalive", peer: aAtB }]);
    b.machine.handleTraffic(aAtB, heard, at(23_000));
    expect(b.takeEvents()).toEqual([]);
    b.machine.handleTraffic(aAtB, facts({ ...heard, firstUnacknowledgedReceivedAt: 30_000 }), at(41_000));
    expect(b.takeEvents()).toEqual([{ kind: "keepalive", peer: aAtB }]);
  });

  test("a persistent one makes its session at once, and goes out after each quiet interval", () => {
    const a = new WireGuardNode(1);
    const b = new WireGuardNode(2);
    const bAtA = a.machine.addPeer({ publicKey: b.publicKey, persistentKeepaliveMs: 25_000 });
    b.machine.addPeer({ publicKey: a.publicKey });
    expect(a.machine.pollTimeout()).toEqual({ at: 0, reason: "persistent-keepalive", peer: bAtA });
    a.machine.handleTimeout(at(100));
    b.machine.handleDatagram(a.takeMessage(), a.address, at(100));
    a.machine.handleDatagram(b.takeMessage(), b.address, at(100));
    a.takeEvents();
    expect(runTimeouts(a, 60_000)).toEqual([25_100, 50_100]);
    expect(a.takeEvents()).toEqual([
      { kind: "keepalive", peer: bAtA },
      { kind: "keepalive", peer: bAtA },
    ]);
    a.machine.handleTraffic(bAtA, facts({ lastReceivedAt: 70_000, lastSentAt: 69_000 }), at(70_000));
    expect(a.machine.pollTimeout()).toEqual({ at: 95_000, reason: "persistent-keepalive", peer: bAtA });
  });

  test("a persistent one goes on trying to reach a peer that is away", () => {
    const a = new WireGuardNode(1);
    const bAtA = a.machine.addPeer({ publicKey: new WireGuardNode(2).publicKey, persistentKeepaliveMs: 25_000 });
    runTimeouts(a, 1_000_000);
    const failures = a.takeEvents().filter(({ kind }) => kind === "handshake-failed");
    expect(failures.length).toBeGreaterThanOrEqual(9);
    expect(a.takeTransmits().length).toBeGreaterThan(9 * 16);
    expect(a.machine.peerState(bAtA, instant(1_000_000))).not.toHaveProperty("sessionAgeMs");
  });
});
