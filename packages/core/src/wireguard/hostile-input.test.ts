import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { fuzzRuns } from "../../test/fuzz-runs.ts";
import { at, makePair, type Pair, path, shakeHands } from "../../test/wireguard-node.ts";
import { WIREGUARD_DROP_REASONS } from "./drop-reason.ts";

/** Everything about a device that the outside can see. */
function visible({ b, aAtB }: Pair, now: number): unknown {
  return {
    state: b.machine.peerState(aAtB, at(now).now),
    timeout: b.machine.pollTimeout(),
    transmits: b.takeTransmits(),
    events: b.takeEvents(),
  };
}

/** A pair in the middle of its life: one session, and a handshake of each side under way. */
function busyPair(): { pair: Pair; initiation: Uint8Array; response: Uint8Array } {
  const pair = makePair();
  const { a, b, bAtA, aAtB } = pair;
  shakeHands(pair, 0);
  b.machine.requestSession(aAtB, at(10_000));
  a.machine.handleDatagram(b.takeMessage(), b.address, at(10_000));
  const response = a.takeMessage();
  a.machine.requestSession(bAtA, at(20_000));
  const initiation = a.takeMessage();
  b.drain();
  b.takeEvents();
  return { pair, initiation, response };
}

describe("hostile input", () => {
  test("any bytes give a drop reason and change nothing", () => {
    const { pair } = busyPair();
    const before = visible(pair, 20_000);
    const typed = fc
      .tuple(
        fc.constantFrom(1, 2, 3, 4, 5),
        fc.constantFrom(64, 92, 148, 32),
        fc.uint8Array({ minLength: 144, maxLength: 144 }),
      )
      .map(([type, size, tail]) => Uint8Array.of(type, 0, 0, 0, ...tail).slice(0, size));
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 200 }), typed), (bytes) => {
        const reason = pair.b.machine.handleDatagram(bytes, path(66), at(20_000));
        expect(WIREGUARD_DROP_REASONS).toContain(reason);
        expect(visible(pair, 20_000)).toEqual(before);
      }),
      fuzzRuns(1_000),
    );
  });

  test("any change to one byte of an authentic message makes it worthless", () => {
    const { pair, initiation, response } = busyPair();
    const before = visible(pair, 20_000);
    const change = fc.record({
      message: fc.constantFrom(initiation, response),
      offset: fc.nat(10_000),
      flip: fc.integer({ min: 1, max: 255 }),
    });
    fc.assert(
      fc.property(change, ({ message, offset, flip }) => {
        const covered = message.length - 16; // mac2 means nothing to a device that is not under load.
        const changed = message.slice();
        changed[offset % covered] = (changed[offset % covered] ?? 0) ^ flip;
        expect(WIREGUARD_DROP_REASONS).toContain(pair.b.machine.handleDatagram(changed, path(66), at(20_000)));
        expect(visible(pair, 20_000)).toEqual(before);
      }),
      fuzzRuns(300),
    );
    expect(pair.b.machine.handleDatagram(response, path(1), at(20_000))).toBeUndefined();
    expect(pair.b.machine.handleDatagram(initiation, path(1), at(20_000))).toBeUndefined();
  });

  test("truncated and extended messages are malformed", () => {
    const { pair, initiation, response } = busyPair();
    for (const message of [initiation, response]) {
      const cuts = [0, 1, 3, 4, 16, message.length - 1];
      for (const cut of cuts) {
        expect(pair.b.machine.handleDatagram(message.subarray(0, cut), path(1), at(20_000))).toBe("malformed");
      }
      const longer = Uint8Array.of(...message, 0);
      expect(pair.b.machine.handleDatagram(longer, path(1), at(20_000))).toBe("malformed");
    }
  });
});
