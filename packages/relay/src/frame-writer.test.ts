import { Writable } from "node:stream";
import { concatBytes } from "@asterism/core/bytes";
import { expect, it } from "vitest";
import { PlainWriter, RecordWriter } from "./frame-writer.ts";

/** Remembers what it is given in one go, and takes it when told to. */
class SlowSocket extends Writable {
  readonly records: Uint8Array[] = [];
  #done: (() => void) | undefined;

  override _write(chunk: Uint8Array, _encoding: string, done: () => void): void {
    this.records.push(chunk);
    this.#done = done;
  }

  take(): boolean {
    const done = this.#done;
    this.#done = undefined;
    done?.();
    return done !== undefined;
  }
}

async function takeAll(socket: SlowSocket): Promise<void> {
  while (socket.take()) await new Promise((resolve) => setImmediate(resolve));
}

const channelData = (fill: number, sizeBytes: number): Uint8Array => {
  const frame = new Uint8Array(4 + sizeBytes + (-sizeBytes & 3)).fill(fill);
  frame.set([0x40, 0, sizeBytes >> 8, sizeBytes & 0xff]);
  return frame;
};
const stun = Uint8Array.from([0x01, 0x17, 0, 4, 0x21, 0x12, 0xa4, 0x42, ...Array<number>(16).fill(7)]);

it("a run of frames and an answer leave in records of their own, in order", async () => {
  const socket = new SlowSocket();
  const writer = new RecordWriter(socket);
  const frames = [channelData(1, 5), stun, channelData(2, 0), channelData(3, 1_400)];
  writer.write(concatBytes(...frames));
  writer.write(stun);
  expect(writer.queuedBytes).toBe(concatBytes(...frames, stun).length);
  await takeAll(socket);
  expect(socket.records.map((record) => [...record])).toEqual([...frames, stun].map((frame) => [...frame]));
  expect(writer.queuedBytes).toBe(0);
});

it("a long backlog leaves in fuller records, whole frames in each, and nothing is lost", async () => {
  const socket = new SlowSocket();
  const writer = new RecordWriter(socket);
  const frames = Array.from({ length: 2_000 }, (_, index) => channelData(index & 0xff, 100));
  writer.write(concatBytes(...frames));
  await takeAll(socket);
  expect(concatBytes(...socket.records)).toEqual(concatBytes(...frames));
  expect(socket.records.length).toBeLessThan(300);
  for (const { length } of socket.records) {
    expect(length % 104).toBe(0);
    expect(length).toBeLessThanOrEqual(16_384);
  }
});

it("a connection that is closed while it writes ends it", async () => {
  const socket = new SlowSocket();
  const writer = new RecordWriter(socket);
  writer.write(concatBytes(stun, stun));
  socket.destroy();
  socket.take();
  await new Promise((resolve) => setImmediate(resolve));
  expect(socket.records.length).toBe(1);
});

it("over TCP a run leaves as it is", () => {
  const socket = new SlowSocket();
  const writer = new PlainWriter(socket);
  writer.write(concatBytes(stun, stun));
  expect(socket.records.map(({ length }) => length)).toEqual([2 * stun.length]);
  expect(writer.queuedBytes).toBe(2 * stun.length);
});
