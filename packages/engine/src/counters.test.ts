import { expect, test } from "vitest";
import type { CountersLayout } from "./binding.ts";
import { PeerCounterBlock, readDropCounters } from "./counters.ts";

const LAYOUT: CountersLayout = {
  version: 2,
  peersPerChunk: 64,
  peerWords: 208,
  peerHeaderWords: 16,
  pathWords: 12,
  maxPaths: 16,
  dropReasons: ["no-peer", "replayed"],
};

function chunkOf(words: Readonly<Record<number, bigint>>): ArrayBuffer {
  const chunk = new BigUint64Array(LAYOUT.peersPerChunk * LAYOUT.peerWords);
  for (const [index, word] of Object.entries(words)) chunk[Number(index)] = word;
  return chunk.buffer;
}

test("a peer's words are read at its place, times in milliseconds", () => {
  const base = 3 * LAYOUT.peerWords;
  const block = new PeerCounterBlock(chunkOf({ [base]: 5n, [base + 4]: 1_500_000n, [base + 9]: 77n }), 3, LAYOUT);
  const counters = block.readPeer();
  expect(counters.txPackets).toBe(5);
  expect(counters.lastSentAt).toBe(1.5);
  expect(counters.rxBytes).toBe(77);
  expect(counters.lastReceivedAt).toBe(0);
});

test("a path's words are read at its slot", () => {
  const base = LAYOUT.peerWords + LAYOUT.peerHeaderWords + 2 * LAYOUT.pathWords;
  const block = new PeerCounterBlock(chunkOf({ [base + 1]: 10n, [base + 4]: 2_000_000n }), 1, LAYOUT);
  const remote = { address: "192.0.2.1", port: 9 };
  const path = { linkId: 1, remote, channel: null, relayed: false, weight: 1, mtuBytes: 0 };
  expect(block.readPath(path, 2)).toEqual({
    linkId: 1,
    remote,
    channel: null,
    txPackets: 0,
    txBytes: 10,
    rxPackets: 0,
    rxBytes: 0,
    lastReceivedAt: 2,
  });
});

test("what is known of a path while packets are spread comes with it", () => {
  const base = LAYOUT.peerHeaderWords + LAYOUT.pathWords;
  const words = {
    [base + 5]: 2_500_000n,
    [base + 6]: 20_000_000n,
    [base + 7]: 1_500_000n,
    [base + 8]: 3n,
    [base + 9]: 2n,
  };
  const block = new PeerCounterBlock(chunkOf({ ...words, [base + 10]: 1n }), 0, LAYOUT);
  const remote = { address: "192.0.2.1", port: 9 };
  const path = { linkId: 1, remote, channel: null, relayed: false, weight: 1, mtuBytes: 0 };
  expect(block.readPath(path, 1).spread).toEqual({
    rateBytesPerSecond: 2_500_000,
    rttMs: 20,
    queueingMs: 1.5,
    lostPackets: 3,
    resentPackets: 2,
    dead: true,
  });
  expect(block.readPath(path, 2).spread).toBeUndefined();
});

test.each([
  [1_250_000n, undefined, null],
  [1_250_000n, 5_000_000, null],
  [1_250_000n, 1_250_000, 1_250_000],
  [625_000n, 625_000, 625_000],
  [1_250_001n, undefined, 1_250_001],
])("a rate of %i of a path that is limited to %s tells %s: the first guess is not passed on", (rate, cap, known) => {
  const block = new PeerCounterBlock(chunkOf({ [LAYOUT.peerHeaderWords + 5]: rate }), 0, LAYOUT);
  const remote = { address: "192.0.2.1", port: 9 };
  const limit = cap === undefined ? {} : { capBytesPerSecond: cap };
  const path = { linkId: 1, remote, channel: null, relayed: false, weight: 1, mtuBytes: 0, ...limit };
  expect(block.readPath(path, 0).spread?.rateBytesPerSecond).toBe(known);
});

test("only drop reasons that occurred are listed", () => {
  expect(readDropCounters(new BigUint64Array([0n, 4n]), LAYOUT)).toEqual({ replayed: 4 });
});
