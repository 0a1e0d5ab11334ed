import { describe, expect, test } from "vitest";
import { at, makePair, type Pair } from "../../test/wireguard-node.ts";

/** An initiation of a's to b. */
function initiationOf({ a, bAtA }: Pair, now: number): Uint8Array {
  a.machine.requestSession(bAtA, at(now));
  return a.takeMessage();
}

describe("both initiate at once", () => {
  test("both handshakes complete, every key pair matches, and each side can send", () => {
    const pair = makePair();
    const { a, b, bAtA, aAtB } = pair;
    a.machine.requestSession(bAtA, at(0));
    b.machine.requestSession(aAtB, at(0));
    const [fromA, fromB] = [a.takeMessage(), b.takeMessage()];
    expect(a.machine.handleDatagram(fromB, b.address, at(50))).toBeUndefined();
    expect(b.machine.handleDatagram(fromA, a.address, at(50))).toBeUndefined();
    const [answerOfA, answerOfB] = [a.takeMessage(), b.takeMessage()];
    expect(a.machine.handleDatagram(answerOfB, b.address, at(100))).toBeUndefined();
    expect(b.machine.handleDatagram(answerOfA, a.address, at(100))).toBeUndefined();
    const sessionsA = a.takeEvents().filter((event) => event.kind === "session");
    const sessionsB = b.takeEvents().filter((event) => event.kind === "session");
    expect(sessionsA.map(({ role }) => role)).toEqual(["responder", "initiator"]);
    for (const ours of sessionsA) {
      const theirs = sessionsB.find(({ localIndex }) => localIndex === ours.remoteIndex);
      expect(theirs?.remoteIndex).toBe(ours.localIndex);
      expect(theirs?.receiveKey).toEqual(ours.sendKey);
    }
    expect(a.machine.peerState(bAtA, at(100).now).sessionRole).toBe("initiator");
    expect(b.machine.peerState(aAtB, at(100).now).sessionRole).toBe("initiator");
    // Each keeps the other's session to receive in: nothing has ended, and there is nothing to confirm.
    a.machine.handleSessionConfirmed(bAtA, sessionsA[0]?.localIndex ?? 0, at(150));
    expect(a.machine.peerState(bAtA, at(150).now).sessionRole).toBe("initiator");
    expect([...a.takeEvents(), ...b.takeEvents()]).toEqual([]);
  });

  test("one of the two renews the session, the other holds back", () => {
    const pair = makePair();
    const { a, b, bAtA, aAtB } = pair;
    a.machine.requestSession(bAtA, at(0));
    b.machine.requestSession(aAtB, at(0));
    const [fromA, fromB] = [a.takeMessage(), b.takeMessage()];
    a.machine.handleDatagram(fromB, b.address, at(50));
    b.machine.handleDatagram(fromA, a.address, at(50));
    const [answerOfA, answerOfB] = [a.takeMessage(), b.takeMessage()];
    a.machine.handleDatagram(answerOfB, b.address, at(100));
    b.machine.handleDatagram(answerOfA, a.address, at(100));
    const busy = (now: number) => ({
      lastDataSentAt: at(now).now,
      lastDataReceivedAt: at(now).now,
      lastSentAt: at(now).now,
      lastReceivedAt: at(now).now,
      firstUnansweredSentAt: at(0).now,
      firstUnacknowledgedReceivedAt: at(0).now,
    });
    a.machine.handleTraffic(bAtA, busy(120_100), at(120_100));
    b.machine.handleTraffic(aAtB, busy(120_100), at(120_100));
    expect(a.takeTransmits().length + b.takeTransmits().length).toBe(1);
  });

  test("a handshake of ours that is under way ends when the peer's session is confirmed", () => {
    const pair = makePair();
    const { a, b, aAtB } = pair;
    b.machine.requestSession(aAtB, at(0));
    b.takeTransmits();
    b.machine.handleDatagram(initiationOf(pair, 10), a.address, at(10));
    b.machine.handleSessionConfirmed(aAtB, b.takeSession().localIndex, at(20));
    expect(b.machine.peerState(aAtB, at(20).now).handshaking).toBe(false);
  });
});
