import type { Writable } from "node:stream";
import { concatBytes } from "@asterism/core/bytes";
import { TurnStreamReader } from "@asterism/core/turn";

/** Somewhat more than a client can have on its way that waits for each answer. */
const MAX_SINGLE_FRAMES = 256;
/** The most that a TLS record holds. */
const MAX_RECORD_BYTES = 16_384;
/** More than any frame that the engine makes. */
const MAX_FRAME_BYTES = 131_072;

export interface FrameWriter {
  /** Bytes that the connection has not taken yet. */
  readonly queuedBytes: number;
  /** Whole frames, one after the other. */
  write(frames: Uint8Array): void;
}

/** For plain TCP, where nobody can tell how the bytes were written. */
export class PlainWriter implements FrameWriter {
  readonly #socket: Writable;

  constructor(socket: Writable) {
    this.#socket = socket;
  }

  get queuedBytes(): number {
    return this.#socket.writableLength;
  }

  write(frames: Uint8Array): void {
    this.#socket.write(frames);
  }
}

/**
 * For TLS: each frame gets a record of its own, as some clients (coturn's among them) take for one message what one
 * record holds. Only a long backlog goes out in fewer, fuller records.
 */
export class RecordWriter implements FrameWriter {
  readonly #socket: Writable;
  #queue: Uint8Array[] = []; // bounded: by whoever looks at queuedBytes
  #queuedBytes = 0;
  #isWriting = false;

  constructor(socket: Writable) {
    this.#socket = socket;
  }

  get queuedBytes(): number {
    return this.#queuedBytes + this.#socket.writableLength;
  }

  write(frames: Uint8Array): void {
    for (const { bytes } of new TurnStreamReader({ maxFrameBytes: MAX_FRAME_BYTES }).handleStream(frames)) {
      this.#queue.push(bytes);
      this.#queuedBytes += bytes.length;
    }
    this.#writeNext();
  }

  #writeNext(): void {
    if (this.#isWriting) return;
    const record = this.#takeRecord();
    if (record === undefined) return;
    this.#isWriting = true;
    // A write that waits for another is merged with it.
    this.#socket.write(record, () => {
      this.#isWriting = false;
      if (!this.#socket.destroyed) this.#writeNext();
    });
  }

  #takeRecord(): Uint8Array | undefined {
    const [first] = this.#queue;
    if (first === undefined) return undefined;
    let count = 1;
    if (this.#queue.length > MAX_SINGLE_FRAMES) {
      let sizeBytes = first.length;
      for (const frame of this.#queue.slice(1, MAX_SINGLE_FRAMES)) {
        sizeBytes += frame.length;
        if (sizeBytes > MAX_RECORD_BYTES) break;
        count += 1;
      }
    }
    const frames = this.#queue.splice(0, count);
    const record = frames.length === 1 ? first : concatBytes(...frames);
    this.#queuedBytes -= record.length;
    return record;
  }
}
