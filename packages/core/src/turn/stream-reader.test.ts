import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { concatBytes } from "../bytes/index.ts";
import { encodeStun } from "../stun/index.ts";
import { encodeChannelData, type TurnFrame, TurnStreamReader } from "./index.ts";

const anyFrame: fc.Arbitrary<TurnFrame> = fc.oneof(
  fc
    .record({ channel: fc.integer({ min: 0x4000, max: 0x4fff }), data: fc.uint8Array({ maxLength: 40 }) })
    .map((message) => ({ kind: "channel-data" as const, bytes: encodeChannelData(message, "padded") })),
  fc.uint8Array({ maxLength: 40 }).map((value) => ({
    kind: "stun" as const,
    bytes: encodeStun({
      class: "indication",
      method: 6,
      transactionId: new Uint8Array(12),
      attributes: [{ type: 0x13, value }],
    }),
  })),
);

/** The same bytes, cut at any places. */
function cut(bytes: Uint8Array, sizes: readonly number[]): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  let offset = 0;
  for (const size of sizes) {
    chunks.push(bytes.subarray(offset, offset + size));
    offset += size;
  }
  return [...chunks, bytes.subarray(offset)];
}

function readAll(reader: TurnStreamReader, chunks: readonly Uint8Array[]): TurnFrame[] {
  return chunks.flatMap((chunk) =>
    reader.handleStream(chunk).map(({ kind, bytes }) => ({ kind, bytes: bytes.slice() })),
  );
}

describe("stream of TURN frames", () => {
  it("is cut into the same frames wherever it was torn", () => {
    fc.assert(
      fc.property(fc.array(anyFrame, { maxLength: 8 }), fc.array(fc.integer({ min: 0, max: 30 })), (frames, sizes) => {
        const reader = new TurnStreamReader();
        const stream = concatBytes(...frames.map(({ bytes }) => bytes));
        expect(readAll(reader, cut(stream, sizes))).toEqual(frames);
        expect(reader.pendingBytes).toBe(0);
        expect(reader.isOutOfStep).toBe(false);
      }),
    );
  });

  it("keeps a truncated frame to itself", () => {
    const reader = new TurnStreamReader();
    const bytes = encodeChannelData({ channel: 0x4000, data: new Uint8Array(6) }, "padded");
    for (const byte of bytes.subarray(0, -1)) expect(reader.handleStream(Uint8Array.of(byte))).toEqual([]);
    expect(reader.pendingBytes).toBe(bytes.length - 1);
    expect(reader.handleStream(bytes.subarray(-1))).toHaveLength(1);
  });

  it("skips a frame over the limit and goes on behind it", () => {
    const reader = new TurnStreamReader({ maxFrameBytes: 64 });
    const long = encodeChannelData({ channel: 0x4000, data: new Uint8Array(1_001) }, "padded");
    const short = encodeChannelData({ channel: 0x4001, data: Uint8Array.of(1) }, "padded");
    const frames = readAll(reader, cut(concatBytes(short, long, long, short), [10, 500, 3, 600]));
    expect(frames.map(({ bytes }) => bytes)).toEqual([short, short]);
    expect(reader.drops).toEqual({ "stream-frame-too-long": 2 });
  });

  it.each([
    ["a first byte of another protocol", [0x80]],
    ["STUN without the magic cookie", [0, 1, 0, 0, 1, 2, 3, 4]],
    ["STUN with an odd length", [0, 1, 0, 2, 0x21, 0x12, 0xa4, 0x42]],
  ])("is out of step for good after %s", (_what, bytes) => {
    const reader = new TurnStreamReader();
    expect(reader.handleStream(Uint8Array.from(bytes))).toEqual([]);
    expect(reader.isOutOfStep).toBe(true);
    expect(reader.handleStream(encodeChannelData({ channel: 0x4000, data: new Uint8Array() }, "padded"))).toEqual([]);
    expect(reader.drops).toEqual({ "stream-out-of-step": 1 });
    expect(reader.pendingBytes).toBe(0);
  });

  it("of any bytes never keeps more than one frame", () => {
    const start = fc.constantFrom<readonly number[]>(
      [],
      [0x40, 1],
      [0x4f, 0xff, 0, 9],
      [0, 1, 0, 8, 0x21, 0x12, 0xa4, 0x42],
    );
    const chunk = fc
      .tuple(start, fc.uint8Array({ maxLength: 60 }))
      .map(([head, tail]) => Uint8Array.from([...head, ...tail]));
    fc.assert(
      fc.property(fc.array(chunk, { maxLength: 10 }), (chunks) => {
        const reader = new TurnStreamReader({ maxFrameBytes: 32 });
        for (const bytes of chunks) {
          for (const frame of reader.handleStream(bytes)) expect(frame.bytes.length).toBeLessThanOrEqual(32);
          expect(reader.pendingBytes).toBeLessThan(32);
        }
      }),
      { numRuns: 300 },
    );
  });
});
