import { describe, expect, test } from "vitest";
import { at, makePair, type Pair, path, runTimeouts, WireGuardNode } from "../../test/wireguard-node.ts";

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
