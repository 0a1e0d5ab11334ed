/**
 * Clients behind TCP and TLS (RFC 8656 §2.1). Requests go to the deciding machine one by one; data passes to and from the
 * engine in runs of frames. Everything is bounded: connections, half a frame of input, output that nobody reads.
 */
import type { Duplex } from "node:stream";
import { formatIpAddress, parseIpAddress } from "@asterism/core/addresses";
import { concatBytes, readUint16Be } from "@asterism/core/bytes";
import type { UdpAddress } from "@asterism/core/net";
import { type TurnFrame, TurnStreamReader } from "@asterism/core/turn";
import type { TurnClientAddress } from "./client.ts";
import { type FrameWriter, PlainWriter, RecordWriter } from "./frame-writer.ts";

export type StreamClientAddress = TurnClientAddress & { via: "stream" };

export interface StreamClientsOptions {
  readonly maxConnections: number;
  readonly maxConnectionsPerSource: number;
  onRequest(client: StreamClientAddress, bytes: Uint8Array): void;
  /** Whole frames of data. */
  onFrames(client: StreamClientAddress, bytes: Uint8Array): void;
  onClosed(client: StreamClientAddress): void;
  /** Whether the connection is of use: it has an allocation. */
  isNeeded(client: StreamClientAddress): boolean;
}

/** What both `net.Socket` and `tls.TLSSocket` are. */
export type StreamSocket = Duplex & {
  readonly remoteAddress?: string | undefined;
  readonly remotePort?: number | undefined;
  readonly localAddress?: string | undefined;
  readonly localPort?: number | undefined;
  /** True of TLS. */
  readonly encrypted?: boolean;
  setNoDelay(noDelay?: boolean): unknown;
};

export type StreamRefusal = "too-many-connections" | "output-full" | "out-of-step" | "idle";
type StreamDrop = StreamRefusal | "data-queue-full" | "frame-too-long" | "frame-cut-short";

interface StreamClient {
  readonly address: StreamClientAddress;
  readonly socket: StreamSocket;
  readonly reader: TurnStreamReader;
  readonly writer: FrameWriter;
  usefulAt: number;
  /** As many as have been counted. */
  tooLongFrames: number;
}

/** Largest frame of a client: more than any datagram that a path carries in one piece. */
const MAX_FRAME_BYTES = 16_384;
/** Data beyond this is dropped, as a datagram would be that finds a full queue. */
const MAX_QUEUED_DATA_BYTES = 1_048_576;
/** A client that asks on without reading its answers is cut off at this. */
const MAX_QUEUED_BYTES = 2 * MAX_QUEUED_DATA_BYTES;
/** How long a connection may be without an allocation. */
const IDLE_MS = 30_000;
const SWEEP_MS = 5_000;
const SEND_INDICATION = 0x0016;

export class StreamClients {
  readonly #options: StreamClientsOptions;
  readonly #clients = new Map<number, StreamClient>(); // bounded: maxConnections
  readonly #perSource = new Map<string, number>(); // bounded: maxConnections
  readonly #drops: Partial<Record<StreamDrop, number>> = {};
  readonly #sweep: NodeJS.Timeout;
  #nextId = 1;

  constructor(options: StreamClientsOptions) {
    this.#options = options;
    this.#sweep = setInterval(() => this.#closeIdle(), SWEEP_MS);
    this.#sweep.unref();
  }

  get size(): number {
    return this.#clients.size;
  }

  get drops(): Readonly<Partial<Record<StreamDrop, number>>> {
    return this.#drops;
  }

  /** Takes over a connection. It is closed when there are too many. */
  accept(socket: StreamSocket): void {
    const remote = endOf(socket.remoteAddress, socket.remotePort);
    const local = endOf(socket.localAddress, socket.localPort);
    // A connection that was reset before it got here has no address.
    if (remote === undefined || local === undefined) {
      socket.destroy();
      return;
    }
    const ofSource = this.#perSource.get(remote.address) ?? 0;
    if (this.#clients.size >= this.#options.maxConnections || ofSource >= this.#options.maxConnectionsPerSource) {
      this.#count("too-many-connections");
      socket.destroy();
      return;
    }
    const address: StreamClientAddress = { via: "stream", streamId: this.#nextId, remote, local };
    this.#nextId += 1;
    const reader = new TurnStreamReader({ maxFrameBytes: MAX_FRAME_BYTES });
    const writer = socket.encrypted === true ? new RecordWriter(socket) : new PlainWriter(socket);
    const client: StreamClient = { address, socket, reader, writer, usefulAt: performance.now(), tooLongFrames: 0 };
    this.#clients.set(address.streamId, client);
    this.#perSource.set(remote.address, ofSource + 1);
    socket.setNoDelay(true);
    socket.on("data", (chunk: Uint8Array) => this.#handleChunk(client, chunk));
    socket.on("error", () => socket.destroy());
    socket.on("end", () => socket.destroy());
    socket.once("close", () => this.#forget(client));
  }

  sendAnswer(streamId: number, bytes: Uint8Array): void {
    const client = this.#clients.get(streamId);
    if (client === undefined) return;
    if (client.writer.queuedBytes > MAX_QUEUED_BYTES) this.#cutOff(client, "output-full");
    else client.writer.write(bytes);
  }

  sendFrames(streamId: number, bytes: Uint8Array): void {
    const client = this.#clients.get(streamId);
    if (client === undefined) return;
    if (client.writer.queuedBytes > MAX_QUEUED_DATA_BYTES) this.#count("data-queue-full");
    else client.writer.write(bytes);
  }

  close(): void {
    clearInterval(this.#sweep);
    for (const { socket } of this.#clients.values()) socket.destroy();
  }

  #handleChunk(client: StreamClient, chunk: Uint8Array): void {
    const run = new FrameRun((bytes) => this.#options.onFrames(client.address, bytes));
    for (const frame of client.reader.handleStream(chunk)) {
      if (isData(frame)) {
        run.add(frame.bytes);
        continue;
      }
      run.flush();
      this.#options.onRequest(client.address, frame.bytes);
    }
    run.flush();
    const tooLong = client.reader.drops["stream-frame-too-long"] ?? 0;
    this.#count("frame-too-long", tooLong - client.tooLongFrames);
    client.tooLongFrames = tooLong;
    if (client.reader.isOutOfStep) this.#cutOff(client, "out-of-step");
  }

  #forget({ address, reader }: StreamClient): void {
    if (reader.pendingBytes > 0) this.#count("frame-cut-short");
    this.#clients.delete(address.streamId);
    const left = (this.#perSource.get(address.remote.address) ?? 1) - 1;
    if (left > 0) this.#perSource.set(address.remote.address, left);
    else this.#perSource.delete(address.remote.address);
    this.#options.onClosed(address);
  }

  #closeIdle(): void {
    const now = performance.now();
    for (const client of this.#clients.values()) {
      if (this.#options.isNeeded(client.address)) client.usefulAt = now;
      else if (now - client.usefulAt > IDLE_MS) this.#cutOff(client, "idle");
    }
  }

  #cutOff(client: StreamClient, reason: StreamRefusal): void {
    this.#count(reason);
    client.socket.destroy();
  }

  #count(reason: StreamDrop, by = 1): void {
    if (by > 0) this.#drops[reason] = (this.#drops[reason] ?? 0) + by;
  }
}

/** Frames that follow each other in memory go on as one piece. */
class FrameRun {
  readonly #emit: (bytes: Uint8Array) => void;
  #pieces: Uint8Array[] = []; // bounded: by one chunk

  constructor(emit: (bytes: Uint8Array) => void) {
    this.#emit = emit;
  }

  add(frame: Uint8Array): void {
    const last = this.#pieces.at(-1);
    if (last !== undefined && last.buffer === frame.buffer && last.byteOffset + last.length === frame.byteOffset) {
      this.#pieces.splice(-1, 1, new Uint8Array(last.buffer, last.byteOffset, last.length + frame.length));
    } else {
      this.#pieces.push(frame);
    }
  }

  flush(): void {
    const [first] = this.#pieces;
    if (first === undefined) return;
    this.#emit(this.#pieces.length === 1 ? first : concatBytes(...this.#pieces));
    this.#pieces = [];
  }
}

function isData(frame: TurnFrame): boolean {
  return frame.kind === "channel-data" || readUint16Be(frame.bytes, 0) === SEND_INDICATION;
}

/** An IPv4 client of a dual-stack socket is an IPv4 client. */
function endOf(address: string | undefined, port: number | undefined): UdpAddress | undefined {
  const bytes = parseIpAddress((address ?? "").replace(/^::ffff:(?=[0-9.]+$)/i, "").split("%")[0] ?? "");
  return bytes === undefined || port === undefined ? undefined : { address: formatIpAddress(bytes), port };
}
