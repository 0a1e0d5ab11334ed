import { describe, expect, test } from "vitest";
import { at, makePair, type Pair, path, runTimeouts, shakeHands, WireGuardNode } from "../../test/wireguard-node.ts";
import type { WireGuardEvent } from "./index.ts";

const PSK = new Uint8Array(32).fill(7);
const kinds = (events: readonly WireGuardEvent[]) => events.map((event) => event.kind);

/** An initiation of a's to b. */
function initiationOf({ a, bAtA }: Pair, now: number): Uint8Array {
  a.machine.requestSession(bAtA, at(now));
  return a.takeMessage();
}

describe("a handshake", () => {
  test("gives both sides matching keys; the initiator is asked to confirm them", () => {
    const pair = makePair({ a: PSK, b: PSK });
    const { a, b, bAtA, aAtB } = pair;
    a.machine.requestSession(bAtA, at(1_000));
    const [sent] = a.takeTransmits();
    expect(sent).toMatchObject({ peer: bAtA, to: "paths" });
    expect(a.machine.peerState(bAtA, at(1_000).now)).toEqual({ handshaking: true, handshakingForMs: 0 });

    expect(b.machine.handleDatagram(sent?.bytes ?? new Uint8Array(), path(9), at(1_050))).toBeUndefined();
    const [answer] = b.takeTransmits();
    expect(answer).toMatchObject({ peer: aAtB, to: path(9) });
    const atB = b.takeEvents();
    expect(kinds(atB)).toEqual(["session", "authenticated"]);
    expect(atB[1]).toEqual({ kind: "authenticated", peer: aAtB, from: path(9) });

    expect(a.machine.handleDatagram(answer?.bytes ?? new Uint8Array(), path(8), at(1_100))).toBeUndefined();
    const atA = a.takeEvents();
    expect(kinds(atA)).toEqual(["session", "authenticated", "keepalive"]);
    const [ours, theirs] = [atA[0], atB[0]];
    if (ours?.kind !== "session" || theirs?.kind !== "session") throw new Error("no session");
    expect(ours.sendKey).toEqual(theirs.receiveKey);
    expect(ours.receiveKey).toEqual(theirs.sendKey);
    expect(ours.sendKey).not.toEqual(ours.receiveKey);
    expect(ours).toMatchObject({ role: "initiator", from: path(8), expiresAt: 181_100 });
    expect(theirs).toMatchObject({ role: "responder", from: path(9), expiresAt: 181_050 });

    expect(a.machine.peerState(bAtA, at(1_200).now)).toEqual({
      handshaking: false,
      lastHandshakeAt: 1_100,
      lastHandshakeFrom: path(8),
      sessionAgeMs: 100,
      sessionRole: "initiator",
    });
    expect(b.machine.peerState(aAtB, at(1_200).now)).not.toHaveProperty("lastHandshakeAt");
    b.machine.handleSessionConfirmed(aAtB, theirs.localIndex, at(1_200));
    expect(b.machine.peerState(aAtB, at(1_200).now)).toMatchObject({
      lastHandshakeAt: 1_200,
      sessionRole: "responder",
    });
  });

  test("has fresh keys and indices every time", () => {
    const pair = makePair();
    const { a, b } = pair;
    a.machine.requestSession(pair.bAtA, at(0));
    b.machine.handleDatagram(a.takeMessage(), a.address, at(0));
    const first = b.takeSession();
    a.machine.handleDatagram(b.takeMessage(), b.address, at(0));
    a.machine.requestSession(pair.bAtA, at(6_000));
    b.machine.handleDatagram(a.takeMessage(), a.address, at(6_000));
    const second = b.takeSession();
    expect(second.localIndex).not.toBe(first.localIndex);
    expect(second.remoteIndex).not.toBe(first.remoteIndex);
    expect(second.sendKey).not.toEqual(first.sendKey);
  });

  test("ends the sessions that three newer ones displace, before the newest is announced", () => {
    const pair = makePair();
    const { a, b, bAtA } = pair;
    const first = shakeHands(pair, 0);
    shakeHands(pair, 10_000);
    b.takeEvents();
    a.machine.requestSession(bAtA, at(20_000));
    b.machine.handleDatagram(a.takeMessage(), a.address, at(20_000));
    a.machine.handleDatagram(b.takeMessage(), b.address, at(20_000));
    const events = a.takeEvents();
    expect(kinds(events)).toEqual(["session-ended", "session", "authenticated", "keepalive"]);
    expect(events[0]).toEqual({ kind: "session-ended", peer: bAtA, localIndex: first.a });
  });
});

describe("asking for a session", () => {
  test("twice sends one initiation", () => {
    const { a, bAtA } = makePair();
    a.machine.requestSession(bAtA, at(0));
    a.machine.requestSession(bAtA, at(10));
    expect(a.takeTransmits()).toHaveLength(1);
  });

  test("right after a session came changes nothing: the wish is older than the session", () => {
    const pair = makePair();
    shakeHands(pair, 0);
    pair.a.machine.requestSession(pair.bAtA, at(4_999));
    expect(pair.a.takeTransmits()).toEqual([]);
    pair.a.machine.requestSession(pair.bAtA, at(5_000));
    expect(pair.a.takeTransmits()).toHaveLength(1);
  });

  test("soon after our response waits until the response is REKEY_TIMEOUT old", () => {
    const pair = makePair();
    const { a, b, aAtB } = pair;
    b.machine.handleDatagram(initiationOf(pair, 0), a.address, at(0));
    b.takeTransmits();
    b.machine.requestSession(aAtB, at(1_000));
    expect(b.takeTransmits()).toEqual([]);
    runTimeouts(b, 4_999);
    expect(b.transmits).toEqual([]);
    runTimeouts(b, 5_334);
    expect(b.transmits).toHaveLength(1);
  });

  test("and having it confirmed meanwhile needs no initiation any more", () => {
    const pair = makePair();
    const { a, b, aAtB } = pair;
    b.machine.handleDatagram(initiationOf(pair, 0), a.address, at(0));
    const { localIndex } = b.takeSession();
    b.takeTransmits();
    b.machine.requestSession(aAtB, at(1_000));
    b.machine.handleSessionConfirmed(aAtB, localIndex, at(1_100));
    runTimeouts(b, 10_000);
    expect(b.transmits).toEqual([]);
  });

  test("with a key that no session is possible with fails at once", () => {
    const node = new WireGuardNode(3);
    for (const publicKey of [node.publicKey, new Uint8Array(32), Uint8Array.of(1, ...new Uint8Array(31))]) {
      const peer = node.machine.addPeer({ publicKey });
      node.machine.requestSession(peer, at(0));
      expect(node.takeEvents()).toEqual([{ kind: "handshake-failed", peer, reason: "invalid-public-key" }]);
      expect(node.takeTransmits()).toEqual([]);
      node.machine.removePeer(peer);
    }
  });
});

describe("without an answer", () => {
  test("initiations repeat every 5 s and up to 334 ms, each new, and end after 90 s", () => {
    const { a, b, bAtA } = makePair();
    a.machine.requestSession(bAtA, at(0));
    const acted = runTimeouts(a, 200_000);
    const messages = a.takeTransmits();
    expect(messages.length).toBeGreaterThanOrEqual(17);
    expect(messages.length).toBeLessThanOrEqual(18);
    expect(new Set(messages.map(({ bytes }) => Buffer.from(bytes).toString("hex"))).size).toBe(messages.length);
    acted.slice(0, -1).reduce((previous, now) => {
      expect(now - previous).toBeGreaterThanOrEqual(5_000);
      expect(now - previous).toBeLessThanOrEqual(5_334);
      return now;
    }, at(0).now);
    expect(acted.at(-1)).toBe(90_000);
    expect(a.takeEvents()).toEqual([{ kind: "handshake-failed", peer: bAtA, reason: "no-answer" }]);
    expect(a.machine.peerState(bAtA, at(90_000).now)).toEqual({ handshaking: false });
    expect(a.machine.pollTimeout()).toBeUndefined();
    // The last initiation of the series is good for nothing any more; a new series works.
    expect(b.machine.handleDatagram(messages[0]?.bytes ?? new Uint8Array(), a.address, at(90_000))).toBeUndefined();
    expect(a.machine.handleDatagram(b.takeMessage(), b.address, at(90_000))).toBe("unknown-index");
    a.machine.requestSession(bAtA, at(100_000));
    expect(a.takeTransmits()).toHaveLength(1);
  });

  test("a response to an initiation that was repeated since is too late", () => {
    const pair = makePair();
    const { a, b } = pair;
    const initiation = initiationOf(pair, 0);
    runTimeouts(a, 5_400);
    b.machine.handleDatagram(initiation, a.address, at(5_400));
    expect(a.machine.handleDatagram(b.takeMessage(), b.address, at(5_400))).toBe("unknown-index");
    expect(b.machine.handleDatagram(a.takeMessage(), a.address, at(5_450))).toBeUndefined();
    expect(a.machine.handleDatagram(b.takeMessage(), b.address, at(5_450))).toBeUndefined();
  });

  test("a clock that was set back still makes initiations that count as newer", () => {
    const pair = makePair();
    const { a, b, bAtA } = pair;
    b.machine.handleDatagram(initiationOf(pair, 0), a.address, at(0));
    const past = { now: at(20_000).now, wall: at(-100_000_000).wall };
    runTimeouts(a, 0);
    a.machine.removePeer(bAtA);
    const again = a.machine.addPeer({ publicKey: b.publicKey });
    a.machine.requestSession(again, past);
    // A peer that was removed has lost its memory of timestamps, as after a restart …
    expect(b.machine.handleDatagram(a.takeMessage(), a.address, past)).toBe("replayed");
    // … but within one life the clock may do what it likes.
    const other = makePair();
    other.b.machine.handleDatagram(initiationOf(other, 0), other.a.address, at(0));
    other.b.takeTransmits();
    other.a.machine.handleTimeout({ now: at(6_000).now, wall: past.wall });
    expect(other.b.machine.handleDatagram(other.a.takeMessage(), other.a.address, at(6_000))).toBeUndefined();
  });
});

describe("preshared keys", () => {
  test("that differ are reported with the first response, the initiator goes on trying", () => {
    const pair = makePair({ a: PSK });
    const { a, b, bAtA } = pair;
    b.machine.handleDatagram(initiationOf(pair, 0), a.address, at(0));
    const response = b.takeMessage();
    expect(a.machine.handleDatagram(response, b.address, at(0))).toBe("wrong-response");
    expect(a.machine.handleDatagram(response, b.address, at(1))).toBe("wrong-response");
    expect(a.takeEvents()).toEqual([{ kind: "handshake-failed", peer: bAtA, reason: "wrong-preshared-key" }]);
    expect(a.machine.peerState(bAtA, at(1).now).handshaking).toBe(true);
    // Once the key is right, the next initiation succeeds.
    b.machine.setPresharedKey(pair.aAtB, PSK);
    runTimeouts(a, 5_400);
    b.machine.handleDatagram(a.takeMessage(), a.address, at(5_400));
    expect(a.machine.handleDatagram(b.takeMessage(), b.address, at(5_400))).toBeUndefined();
  });

  test("a forged response does not stop the handshake", () => {
    const pair = makePair();
    const { a, b } = pair;
    b.machine.handleDatagram(initiationOf(pair, 0), a.address, at(0));
    const response = b.takeMessage();
    const other = makePair({ b: PSK });
    other.b.machine.handleDatagram(initiationOf(other, 0), a.address, at(0));
    expect(a.machine.handleDatagram(other.b.takeMessage(), path(66), at(1))).toBe("wrong-response");
    expect(a.machine.handleDatagram(response, b.address, at(2))).toBeUndefined();
  });

  test("can be taken away", () => {
    const pair = makePair({ a: PSK });
    pair.a.machine.setPresharedKey(pair.bAtA, undefined);
    expect(() => shakeHands(pair, 0)).not.toThrow();
  });
});

describe("peers", () => {
  test("misuse is an error that says what is wrong", () => {
    const { a, b, bAtA } = makePair();
    expect(() => a.machine.addPeer({ publicKey: new Uint8Array(31) })).toThrow(/public key is 32 bytes, not 31/);
    expect(() => a.machine.addPeer({ publicKey: b.publicKey })).toThrow(/exists already/);
    expect(() => a.machine.setPresharedKey(bAtA, new Uint8Array(5))).toThrow(/preshared key is 32 bytes, not 5/);
    expect(() => a.machine.addPeer({ publicKey: new Uint8Array(32).fill(9), persistentKeepaliveMs: 0 })).toThrow(
      /at least 1000 ms/,
    );
    expect(() => a.machine.requestSession(99, at(0))).toThrow(/no peer has the handle 99/);
  });

  test("a refused peer leaves no trace", () => {
    const node = new WireGuardNode(4);
    const publicKey = new WireGuardNode(5).publicKey;
    expect(() => node.machine.addPeer({ publicKey, presharedKey: new Uint8Array(3) })).toThrow(RangeError);
    expect(() => node.machine.addPeer({ publicKey })).not.toThrow();
  });

  test("of a removed one nothing more is heard, and its keys in waiting events are wiped", () => {
    const pair = makePair();
    const { a, b, aAtB } = pair;
    b.machine.handleDatagram(initiationOf(pair, 0), a.address, at(0));
    b.machine.removePeer(aAtB);
    expect(b.takeEvents()).toEqual([]);
    expect(b.takeTransmits()).toEqual([]);
    expect(b.machine.pollTimeout()).toBeUndefined();
    expect(() => b.machine.peerState(aAtB, at(0).now)).toThrow(RangeError);
    expect(b.machine.addPeer({ publicKey: a.publicKey })).not.toBe(aAtB);
  });

  test("a closed device holds no peer", () => {
    const pair = makePair();
    shakeHands(pair, 0);
    pair.a.machine.close();
    expect(pair.a.machine.pollTimeout()).toBeUndefined();
    expect(() => pair.a.machine.requestSession(pair.bAtA, at(0))).toThrow(RangeError);
  });
});
