/**
 * Streams of a virtual host: TCP as far as its users notice it. What is sent arrives whole and in order, or the stream
 * ends; what gets lost on the way is sent again, as soon as later packets show the gap or else after a growing pause, and
 * what comes behind it waits. No windows, no congestion, no orderly end.
 */
import { formatUdpAddress, type UdpAddress } from "@asterism/core/net";
import type { Packet, StreamSegment } from "./packet.ts";

export interface StreamHandlers {
  readonly onOpen?: () => void;
  readonly onBytes: (bytes: Uint8Array) => void;
  /** Once, unless this side has closed it. */
  readonly onClosed: () => void;
}

/** What the stack needs of its host. */
export interface StreamSurroundings {
  readonly send: (packet: Packet) => void;
  /** In virtual time; the host's processes are drained afterwards, and while it sleeps nothing happens. */
  readonly after: (delayMs: number, run: () => void) => void;
  readonly nowMs: () => number;
}

type Accept = (stream: VirtualStream) => StreamHandlers;

interface Sent {
  readonly sequence: number;
  readonly bytes: Uint8Array;
  sentAtMs: number;
}

/** RFC 6298: before the first round trip is known, and at the least (Linux's bound, not the RFC's). */
const FIRST_RTO_MS = 1_000;
const MIN_RTO_MS = 200;
const MAX_RTO_MS = 10_000;
/** An opening, and anything else, without an answer for so long ends the stream. */
const OPEN_PATIENCE_MS = 8_000;
const PATIENCE_MS = 60_000;
const DUPLICATES_THAT_SHOW_A_GAP = 3;
const FIRST_PORT = 32_768;
const EMPTY = new Uint8Array();

export class StreamStack {
  readonly #surroundings: StreamSurroundings;
  readonly #streams = new Map<string, VirtualStream>(); // bounded: by the scenario
  readonly #listeners = new Map<number, Accept>(); // bounded: by the scenario
  #nextPort = FIRST_PORT;

  constructor(surroundings: StreamSurroundings) {
    this.#surroundings = surroundings;
  }

  open(localAddress: string, remote: UdpAddress, handlers: StreamHandlers): VirtualStream {
    const local = { address: localAddress, port: this.#nextPort++ };
    const stream = this.#add(local, remote);
    stream.start(handlers);
    return stream;
  }

  /** Streams to this port are taken, until the host closes it. */
  listen(port: number, accept: Accept): void {
    this.#listeners.set(port, accept);
  }

  close(port: number): void {
    this.#listeners.delete(port);
  }

  receive(packet: Packet & { readonly stream: StreamSegment }): void {
    const { source, destination, stream: segment } = packet;
    const known = this.#streams.get(keyOf(destination, source));
    if (known !== undefined) {
      known.receive(segment, packet.bytes);
      return;
    }
    const accept = this.#listeners.get(destination.port);
    if (segment.kind === "reset") return;
    if (segment.kind !== "open" || accept === undefined) {
      const reset: StreamSegment = { kind: "reset", sequence: 0, acknowledged: 0 };
      this.#surroundings.send({ source: destination, destination: source, bytes: EMPTY, stream: reset });
      return;
    }
    const accepted = this.#add(destination, source);
    accepted.accept(accept(accepted));
  }

  #add(local: UdpAddress, remote: UdpAddress): VirtualStream {
    const key = keyOf(local, remote);
    const stream = new VirtualStream(local, remote, this.#surroundings, () => this.#streams.delete(key));
    this.#streams.set(key, stream);
    return stream;
  }
}

export class VirtualStream {
  readonly local: UdpAddress;
  readonly remote: UdpAddress;
  readonly #surroundings: StreamSurroundings;
  readonly #forget: () => void;
  readonly #unacknowledged: Sent[] = []; // bounded: by the scenario
  readonly #early = new Map<number, Uint8Array>(); // bounded: likewise
  #handlers: StreamHandlers | undefined;
  #state: "opening" | "open" | "closed" = "opening";
  #nextSequence = 1;
  #expected = 1;
  #duplicates = 0;
  #rtoMs = FIRST_RTO_MS;
  /** When something came for the last time, or the first thing that waits for an answer left. */
  #hopefulSinceMs = 0;
  #timer = 0;

  constructor(local: UdpAddress, remote: UdpAddress, surroundings: StreamSurroundings, forget: () => void) {
    this.local = local;
    this.remote = remote;
    this.#surroundings = surroundings;
    this.#forget = forget;
  }

  get isOpen(): boolean {
    return this.#state === "open";
  }

  /** Bytes on their way. */
  get unsentBytes(): number {
    return this.#unacknowledged.reduce((sum, { bytes }) => sum + bytes.length, 0);
  }

  start(handlers: StreamHandlers): void {
    this.#handlers = handlers;
    this.#hopefulSinceMs = this.#surroundings.nowMs();
    this.#transmit("open", 0, EMPTY);
    this.#setTimer();
  }

  accept(handlers: StreamHandlers): void {
    this.#handlers = handlers;
    this.#state = "open";
    this.#transmit("opened", 0, EMPTY);
  }

  send(bytes: Uint8Array): void {
    if (this.#state !== "open") return;
    const nowMs = this.#surroundings.nowMs();
    if (this.#unacknowledged.length === 0) this.#hopefulSinceMs = nowMs;
    const sent = { sequence: this.#nextSequence++, bytes, sentAtMs: nowMs };
    this.#unacknowledged.push(sent);
    this.#transmit("data", sent.sequence, bytes);
    if (this.#unacknowledged.length === 1) this.#setTimer();
  }

  /** Ends it at once; the other side learns of it if it can be reached. */
  close(): void {
    if (this.#state === "closed") return;
    this.#transmit("reset", 0, EMPTY);
    this.#end();
  }

  receive(segment: StreamSegment, bytes: Uint8Array): void {
    if (this.#state === "closed") return;
    this.#hopefulSinceMs = this.#surroundings.nowMs();
    switch (segment.kind) {
      case "reset":
        this.#fail();
        return;
      case "open":
        // The answer got lost.
        if (this.#state === "open") this.#transmit("opened", 0, EMPTY);
        return;
      case "opened":
        if (this.#state !== "opening") return;
        this.#state = "open";
        this.#rtoMs = FIRST_RTO_MS;
        this.#handlers?.onOpen?.();
        return;
      case "acknowledgement":
        this.#acknowledge(segment.acknowledged);
        return;
      case "data":
        this.#acknowledge(segment.acknowledged, true);
        this.#take(segment.sequence, bytes);
        return;
    }
  }

  #take(sequence: number, bytes: Uint8Array): void {
    if (sequence >= this.#expected) this.#early.set(sequence, bytes);
    const ready: Uint8Array[] = [];
    for (let next = this.#early.get(this.#expected); next !== undefined; next = this.#early.get(this.#expected)) {
      this.#early.delete(this.#expected);
      this.#expected += 1;
      ready.push(next);
    }
    this.#transmit("acknowledgement", 0, EMPTY);
    for (const part of ready) this.#handlers?.onBytes(part);
  }

  /** With data an acknowledgement that says nothing new is no sign of a gap. */
  #acknowledge(acknowledged: number, isWithData = false): void {
    const [first] = this.#unacknowledged;
    if (first === undefined) return;
    if (first.sequence >= acknowledged) {
      if (!isWithData && ++this.#duplicates === DUPLICATES_THAT_SHOW_A_GAP) this.#repeat(first);
      return;
    }
    const nowMs = this.#surroundings.nowMs();
    this.#duplicates = 0;
    // Those behind it may have waited for it at the other end.
    const rttMs = nowMs - first.sentAtMs;
    while ((this.#unacknowledged[0]?.sequence ?? acknowledged) < acknowledged) this.#unacknowledged.shift();
    this.#rtoMs = Math.min(Math.max(MIN_RTO_MS, 2 * rttMs), MAX_RTO_MS);
    // What is still missing after so long is another gap (RFC 6582).
    const [next] = this.#unacknowledged;
    if (next !== undefined && nowMs - next.sentAtMs > 2 * rttMs) this.#repeat(next);
    this.#setTimer();
  }

  #repeat(sent: Sent): void {
    sent.sentAtMs = this.#surroundings.nowMs();
    this.#transmit("data", sent.sequence, sent.bytes);
  }

  #setTimer(): void {
    const timer = ++this.#timer;
    this.#surroundings.after(this.#rtoMs, () => {
      if (timer === this.#timer) this.#handleTimeout();
    });
  }

  #handleTimeout(): void {
    const [first] = this.#unacknowledged;
    if (this.#state === "closed" || (this.#state === "open" && first === undefined)) return;
    const patienceMs = this.#state === "opening" ? OPEN_PATIENCE_MS : PATIENCE_MS;
    if (this.#surroundings.nowMs() - this.#hopefulSinceMs >= patienceMs) {
      this.#fail();
      return;
    }
    if (first === undefined) this.#transmit("open", 0, EMPTY);
    else this.#repeat(first);
    this.#rtoMs = Math.min(2 * this.#rtoMs, MAX_RTO_MS);
    this.#setTimer();
  }

  #fail(): void {
    this.#end();
    this.#handlers?.onClosed();
  }

  #end(): void {
    this.#state = "closed";
    this.#timer += 1;
    this.#forget();
  }

  #transmit(kind: StreamSegment["kind"], sequence: number, bytes: Uint8Array): void {
    const stream = { kind, sequence, acknowledged: this.#expected };
    this.#surroundings.send({ source: this.local, destination: this.remote, bytes, stream });
  }
}

function keyOf(local: UdpAddress, remote: UdpAddress): string {
  return `${formatUdpAddress(local)} ${formatUdpAddress(remote)}`;
}
