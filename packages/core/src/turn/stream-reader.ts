/**
 * Cuts the byte stream of TURN over TCP or TLS into frames (RFC 8656 §2.1, §12.5): STUN messages and padded ChannelData,
 * one after the other, told apart by their first two bits.
 *
 * A frame over the limit is skipped without being kept. Where no frame can begin the stream is out of step for good: the
 * reader reads nothing more, and its owner closes the connection.
 */
import { concatBytes, readUint16Be, readUint32Be } from "../bytes/index.ts";
import { MAGIC_COOKIE, STUN_HEADER_BYTES } from "../stun/message.ts";
import { CHANNEL_DATA_HEADER_BYTES } from "./channel-data.ts";

export type TurnFrame =
  /** To be read with `parseStun`. */
  | { readonly kind: "stun"; readonly bytes: Uint8Array }
  /** With header and padding: to be read with `parseChannelData`. */
  | { readonly kind: "channel-data"; readonly bytes: Uint8Array };

export type StreamDropReason = "stream-frame-too-long" | "stream-out-of-step";

export interface StreamReaderOptions {
  /** Largest frame that is kept, with header and padding. Default 8 KiB. */
  readonly maxFrameBytes?: number;
}

/** A jumbo frame of 9,000 bytes is no datagram of ours; what fits an ordinary Ethernet is far below this. */
const DEFAULT_MAX_FRAME_BYTES = 8_192;

export class TurnStreamReader {
  readonly #maxFrameBytes: number;
  readonly #drops: Partial<Record<StreamDropReason, number>> = {};
  /** The beginning of a frame whose end has not come. */
  #pending: Uint8Array = new Uint8Array(0); // bounded: #maxFrameBytes
  #skipBytes = 0;
  #isOutOfStep = false;

  constructor(options: StreamReaderOptions = {}) {
    this.#maxFrameBytes = Math.max(options.maxFrameBytes ?? DEFAULT_MAX_FRAME_BYTES, STUN_HEADER_BYTES);
  }

  /** Nothing more can be read: close the connection. */
  get isOutOfStep(): boolean {
    return this.#isOutOfStep;
  }

  /** Bytes of an unfinished frame that are kept. */
  get pendingBytes(): number {
    return this.#pending.length;
  }

  get drops(): Readonly<Partial<Record<StreamDropReason, number>>> {
    return this.#drops;
  }

  /** The frames that are whole with this chunk, in order. They may be views of it. */
  handleStream(chunk: Uint8Array): TurnFrame[] {
    const frames: TurnFrame[] = [];
    let rest = this.#skip(chunk);
    if (this.#pending.length > 0) rest = concatBytes(this.#pending, rest);
    while (rest.length > 0 && !this.#isOutOfStep) {
      const frame = measureFrame(rest);
      if (frame === "incomplete") break;
      if (frame === "impossible") {
        this.#isOutOfStep = true;
        this.#count("stream-out-of-step");
      } else if (frame.sizeBytes > this.#maxFrameBytes) {
        this.#count("stream-frame-too-long");
        this.#skipBytes = frame.sizeBytes;
        rest = this.#skip(rest);
      } else if (frame.sizeBytes > rest.length) {
        break;
      } else {
        frames.push({ kind: frame.kind, bytes: rest.subarray(0, frame.sizeBytes) });
        rest = rest.subarray(frame.sizeBytes);
      }
    }
    // A copy: the chunk is its owner's again, and a small rest must not keep a large one alive.
    this.#pending = this.#isOutOfStep ? new Uint8Array(0) : rest.slice();
    return frames;
  }

  #skip(chunk: Uint8Array): Uint8Array {
    const skippedBytes = Math.min(this.#skipBytes, chunk.length);
    this.#skipBytes -= skippedBytes;
    return chunk.subarray(skippedBytes);
  }

  #count(reason: StreamDropReason): void {
    this.#drops[reason] = (this.#drops[reason] ?? 0) + 1;
  }
}

/** Size of the frame that begins here, as soon as its header tells. */
function measureFrame(
  bytes: Uint8Array,
): { readonly kind: TurnFrame["kind"]; readonly sizeBytes: number } | "incomplete" | "impossible" {
  const firstBits = (bytes[0] ?? 0) >> 6;
  if (firstBits > 1) return "impossible";
  if (firstBits === 1) {
    if (bytes.length < CHANNEL_DATA_HEADER_BYTES) return "incomplete";
    return { kind: "channel-data", sizeBytes: (CHANNEL_DATA_HEADER_BYTES + readUint16Be(bytes, 2) + 3) & ~3 };
  }
  if (bytes.length < 8) return "incomplete";
  const attributeBytes = readUint16Be(bytes, 2);
  if (readUint32Be(bytes, 4) !== MAGIC_COOKIE || attributeBytes % 4 !== 0) return "impossible";
  return { kind: "stun", sizeBytes: STUN_HEADER_BYTES + attributeBytes };
}
