import type { Dialer } from "@asterism/client";
import type { StreamEndpoint } from "@asterism/core/gathering";
import { formatUdpAddress, type LinkId } from "@asterism/core/net";
import type { EngineDevice } from "@asterism/engine";
import type { Logger } from "pino";
import { RelayStream } from "../platform/relay-stream.ts";

export interface RelayStreamsOptions {
  readonly device: EngineDevice;
  readonly dialer: Dialer;
  readonly logger: Logger;
  readonly onOpened: (streamId: number, linkId: LinkId) => void;
  readonly onClosed: (streamId: number) => void;
}

interface Entry {
  readonly stream: RelayStream;
  /** The engine's, once the stream is open. */
  linkId: LinkId | null;
  /** Batches of frames for which it had no room. */
  droppedBatches: number;
}

/** The streams to relays of one network, each of which is a link of the engine's device. */
export class RelayStreams {
  readonly #options: RelayStreamsOptions;
  readonly #entries = new Map<number, Entry>(); // bounded: by the mesh, which closes what it opens

  constructor(options: RelayStreamsOptions) {
    this.#options = options;
  }

  open(streamId: number, endpoint: StreamEndpoint): void {
    const { logger, dialer } = this.#options;
    const relay = `${formatUdpAddress(endpoint.address)}/${endpoint.transport}`;
    const stream = new RelayStream(endpoint, dialer, {
      onOpen: () => this.#handleOpen(streamId, endpoint),
      onBytes: (bytes) => this.#handleBytes(streamId, bytes),
      onClosed: (why) => {
        logger.debug({ relay, why }, "no stream to the relay");
        this.#options.onClosed(streamId);
      },
    });
    this.#entries.set(streamId, { stream, linkId: null, droppedBatches: 0 });
  }

  /** The engine's link goes with it. */
  close(streamId: number): void {
    const entry = this.#entries.get(streamId);
    if (entry === undefined) return;
    this.#entries.delete(streamId);
    entry.stream.close();
    const { droppedBatches } = entry;
    if (droppedBatches > 0) this.#options.logger.info({ droppedBatches }, "a stream to a relay was too slow at times");
    if (entry.linkId !== null) this.#options.device.closeLink(entry.linkId);
  }

  /** What the engine sends by a stream's link. */
  sendFrames(linkId: LinkId, frames: Uint8Array): void {
    for (const entry of this.#entries.values()) {
      if (entry.linkId === linkId && !entry.stream.send(frames)) entry.droppedBatches += 1;
    }
  }

  closeAll(): void {
    for (const streamId of [...this.#entries.keys()]) this.close(streamId);
  }

  #handleOpen(streamId: number, { address }: StreamEndpoint): void {
    const entry = this.#entries.get(streamId);
    if (entry === undefined) return;
    entry.linkId = this.#options.device.openStreamLink(address);
    this.#options.onOpened(streamId, entry.linkId);
  }

  #handleBytes(streamId: number, bytes: Uint8Array): void {
    const linkId = this.#entries.get(streamId)?.linkId ?? null;
    if (linkId === null || this.#options.device.receiveFrames(linkId, bytes)) return;
    this.#options.logger.warn("a relay sent what is no TURN frame; its stream is closed");
    this.#options.onClosed(streamId);
  }
}
