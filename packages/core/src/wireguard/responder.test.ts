import { describe, expect, test } from "vitest";
import { at, makePair, type Pair, path, runTimeouts, WireGuardNode } from "../../test/wireguard-node.ts";
import type { WallTime } from "../time.ts";

/** An initiation of a's to b. */
function initiationOf({ a, bAtA }: Pair, now: number): Uint8Array {
  a.machine.requestSession(bAtA, at(now));
  return a.takeMessage();
}

describe("initiations that are not answered", () => {
  test("a replayed one", () => {
    const pair = makePair();
    const { a, b } = pair;
    const initiation = initiationOf(pair, 0);
    b.machine.handleDatagram(initiation, a.address, at(0));
    b.takeTransmits();
    b.takeEvents();
    expect(b.machine.handleDatagram(initiation, a.address, at(100))).toBe("replayed");
    expect(b.machine.handleDatagram(initiation, path(99), at(10_000))).toBe("replayed");
    expect(b.takeTransmits()).toEqual([]);
    expect(b.takeEvents()).toEqual([]);
  });

  test("an older one that arrives after a newer one", () => {
    const pair = makePair();
    const { a, b } = pair;
    const older = initiationOf(pair, 0);
    runTimeouts(a, 5_400);
    const newer = a.takeMessage();
    expect(b.machine.handleDatagram(newer, a.address, at(5_400))).toBeUndefined();
    expect(b.machine.handleDatagram(older, a.address, at(5_500))).toBe("replayed");
  });

  test("one within 20 ms of the last", () => {
    const pair = makePair();
    const { a, b } = pair;
    const first = initiationOf(pair, 0);
    runTimeouts(a, 5_400);
    const second = a.takeMessage();
    expect(b.machine.handleDatagram(first, a.address, at(5_500))).toBeUndefined();
    expect(b.machine.handleDatagram(second, a.address, at(5_519))).toBe("too-frequent");
    expect(b.machine.handleDatagram(second, a.address, at(5_520))).toBeUndefined();
  });

  test("one of a stranger, of a removed peer, or for another device", () => {
    const pair = makePair();
    const { a, b, aAtB } = pair;
    const stranger = new WireGuardNode(5);
    const bAtStranger = stranger.machine.addPeer({ publicKey: b.publicKey });
    stranger.machine.requestSession(bAtStranger, at(0));
    const knock = stranger.takeMessage();
    expect(b.machine.handleDatagram(knock, path(5), at(0))).toBe("unknown-peer");
    expect(a.machine.handleDatagram(knock, path(5), at(0))).toBe("wrong-mac1");
    const initiation = initiationOf(pair, 0);
    b.machine.removePeer(aAtB);
    expect(b.machine.handleDatagram(initiation, a.address, at(0))).toBe("unknown-peer");
    expect(b.takeTransmits()).toEqual([]);
  });
});

describe("a peer that has started anew with its clock set back", () => {
  const LATER = 3_600_000;

  test("can't open a tunnel, so the other side does", () => {
    const pair = makePair();
    const { a, b } = pair;
    // Both pairs have the same keys: a second a that knows nothing of the first.
    const again = makePair();
    a.machine.requestSession(pair.bAtA, { ...at(0), wall: (at(0).wall + LATER) as WallTime });
    expect(b.machine.handleDatagram(a.takeMessage(), a.address, at(0))).toBeUndefined();
    b.takeTransmits();
    const refused = initiationOf(again, 10_000);
    expect(b.machine.handleDatagram(refused, a.address, at(10_000))).toBe("replayed");
    const initiation = b.takeMessage();
    expect(again.a.machine.handleDatagram(initiation, b.address, at(10_010))).toBeUndefined();
    const response = again.a.takeMessage();
    expect(b.machine.handleDatagram(response, a.address, at(10_020))).toBeUndefined();
    expect(b.takeEvents().filter(({ kind }) => kind === "session")).toHaveLength(2);
  });

  test("and whoever replays old initiations gets no more than one handshake started in 5 s", () => {
    const pair = makePair();
    const { a, b } = pair;
    const old = initiationOf(pair, 0);
    runTimeouts(a, 5_400);
    b.machine.handleDatagram(a.takeMessage(), a.address, at(5_400));
    b.takeTransmits();
    const started: number[] = [];
    for (let now = 5_450; now < 30_000; now += 50) {
      expect(b.machine.handleDatagram(old, path(9), at(now))).toBe("replayed");
      b.machine.handleTimeout(at(now));
      started.push(...b.takeTransmits().map(() => now));
    }
    expect(started.length).toBeLessThanOrEqual(5);
    expect(started[0]).toBeGreaterThanOrEqual(10_400);
  });
});

describe("the same initiation by another path", () => {
  test("gets the same response there, without a new session, for 10 s", () => {
    const pair = makePair();
    const { a, b, bAtA } = pair;
    const initiation = initiationOf(pair, 0);
    expect(b.machine.handleDatagram(initiation, path(1), at(0))).toBeUndefined();
    const response = b.takeMessage();
    b.takeEvents();
    expect(b.machine.handleDatagram(initiation.slice(), path(1, 4_000), at(5))).toBeUndefined();
    expect(b.takeTransmits()).toEqual([{ peer: 1, bytes: response, to: path(1, 4_000) }]);
    const relayed = { ...path(7), channel: 0x4001 };
    expect(b.machine.handleDatagram(initiation, relayed, at(9_999))).toBeUndefined();
    expect(b.takeTransmits()).toEqual([{ peer: 1, bytes: response, to: relayed }]);
    expect(b.takeEvents()).toEqual([]);
    expect(b.machine.handleDatagram(initiation, path(1), at(9_999))).toBe("replayed");
    expect(b.machine.handleDatagram(initiation, path(6), at(10_000))).toBe("replayed");

    expect(a.machine.handleDatagram(response, path(22), at(50))).toBeUndefined();
    expect(a.machine.handleDatagram(response, path(23), at(51))).toBe("unknown-index");
    expect(a.takeEvents().filter((event) => event.kind === "authenticated")).toEqual([
      { kind: "authenticated", peer: bAtA, from: path(22) },
    ]);
  });

  test("is answered on a bounded number of paths", () => {
    const pair = makePair();
    const initiation = initiationOf(pair, 0);
    for (let host = 1; host <= 40; host++) pair.b.machine.handleDatagram(initiation, path(host), at(host));
    expect(pair.b.takeTransmits()).toHaveLength(32);
  });

  test("is another initiation if one byte differs, even a byte of mac2", () => {
    const pair = makePair();
    const initiation = initiationOf(pair, 0);
    pair.b.machine.handleDatagram(initiation, path(1), at(0));
    const changed = initiation.slice();
    changed[147] = 1;
    expect(pair.b.machine.handleDatagram(changed, path(2), at(100))).toBe("replayed");
  });
});
