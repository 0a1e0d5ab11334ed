/**
 * How far relays are for a host whose UDP is blocked: a stream to each of them, two Binding requests by it one after the
 * other, and its end. The shorter round trip counts: without what it takes to open the stream, as that is paid once.
 */
import { bytesEqual } from "../bytes/index.ts";
import type { LinkId, PathAddress } from "../net/index.ts";
import type { RandomBytes } from "../random.ts";
import { encodeStun, STUN_METHOD_BINDING, type StunMessage, TRANSACTION_ID_BYTES } from "../stun/index.ts";
import { addMs, earliest, type Instant } from "../time.ts";
import type { GatheringEvent, Relay, StreamEndpoint } from "./gathering-types.ts";
import { StreamRace } from "./stream-race.ts";
import { STREAM_PROBE_AGAIN_MS, STREAM_PROBE_LIMIT_MS } from "./timings.ts";

interface Probe {
  readonly relayId: string;
  readonly race: StreamRace;
  linkId: LinkId | null;
  transactionId: Uint8Array;
  sentAt: Instant | undefined;
  answers: number;
}

interface Transmit {
  readonly to: PathAddress;
  readonly bytes: Uint8Array;
}

const REQUESTS = 2;
/** The server names no more. */
const MAX_PROBES = 16;

export class StreamProbes {
  readonly #random: RandomBytes;
  readonly #makeStreamId: () => number;
  #probes: Probe[] = []; // bounded: MAX_PROBES
  readonly #rttsMs = new Map<string, number>(); // bounded: MAX_PROBES
  readonly #transmits: Transmit[] = []; // bounded: drained after every input
  readonly #events: GatheringEvent[] = []; // bounded: drained after every input
  #startedAt: Instant | undefined;

  constructor(random: RandomBytes, makeStreamId: () => number) {
    this.#random = random;
    this.#makeStreamId = makeStreamId;
  }

  /** The shortest round trip of the last probe; null before the first answer. */
  rttMs(relayId: string): number | null {
    return this.#rttsMs.get(relayId) ?? null;
  }

  /** Begins, unless that was done lately. */
  run(relays: readonly Relay[], now: Instant): void {
    if (this.#startedAt !== undefined && now < addMs(this.#startedAt, STREAM_PROBE_AGAIN_MS)) return;
    this.#startedAt = now;
    this.#stop();
    this.#probes = relays.slice(0, MAX_PROBES).map(({ id, streams }) => {
      const race = new StreamRace(this.#makeStreamId);
      race.start(streams, now);
      return { relayId: id, race, linkId: null, transactionId: new Uint8Array(), sentAt: undefined, answers: 0 };
    });
    this.#collect();
  }

  /** Another network: nothing is known. */
  forget(): void {
    this.#stop();
    this.#rttsMs.clear();
    this.#startedAt = undefined;
  }

  /** False if the stream is somebody else's. */
  handleOpened(streamId: number, linkId: LinkId, now: Instant): boolean {
    const probe = this.#find(streamId);
    if (probe === undefined) return false;
    if (probe.race.handleOpened(streamId)) {
      probe.linkId = linkId;
      this.#ask(probe, now);
    } else this.#events.push({ kind: "close-stream", streamId, linkId });
    this.#collect();
    return true;
  }

  handleClosed(streamId: number, now: Instant): boolean {
    const probe = this.#find(streamId);
    if (probe === undefined) return false;
    if (probe.race.handleClosed(streamId, now)) this.#end(probe);
    this.#collect();
    return true;
  }

  /** True if the message answers a probe. */
  handleMessage(message: StunMessage, from: PathAddress, now: Instant): boolean {
    const probe = this.#probes.find(({ linkId }) => linkId === from.linkId);
    if (probe?.sentAt === undefined || !bytesEqual(message.transactionId, probe.transactionId)) return false;
    const rttMs = now - probe.sentAt;
    this.#rttsMs.set(
      probe.relayId,
      Math.min(rttMs, probe.answers === 0 ? rttMs : (this.rttMs(probe.relayId) ?? rttMs)),
    );
    probe.answers += 1;
    if (probe.answers < REQUESTS) this.#ask(probe, now);
    else this.#end(probe);
    this.#collect();
    return true;
  }

  handleTimeout(now: Instant): void {
    for (const { race } of this.#probes) race.handleTimeout(now);
    const endsAt = this.#endsAt();
    if (endsAt !== undefined && now >= endsAt) this.#stop();
    this.#collect();
  }

  pollTimeout(): Instant | undefined {
    return this.#probes.reduce((next, { race }) => earliest(next, race.pollTimeout()), this.#endsAt());
  }

  pollTransmit(): Transmit | undefined {
    return this.#transmits.shift();
  }

  pollEvent(): GatheringEvent | undefined {
    return this.#events.shift();
  }

  #endsAt(): Instant | undefined {
    if (this.#probes.length === 0 || this.#startedAt === undefined) return undefined;
    return addMs(this.#startedAt, STREAM_PROBE_LIMIT_MS);
  }

  #find(streamId: number): Probe | undefined {
    return this.#probes.find(({ race }) => race.has(streamId));
  }

  #ask(probe: Probe, now: Instant): void {
    const endpoint: StreamEndpoint | undefined = probe.race.endpoint;
    if (endpoint === undefined || probe.linkId === null) return;
    probe.transactionId = this.#random(TRANSACTION_ID_BYTES);
    probe.sentAt = now;
    const to = { linkId: probe.linkId, remote: endpoint.address, channel: null };
    const { transactionId } = probe;
    const bytes = encodeStun({ class: "request", method: STUN_METHOD_BINDING, transactionId, attributes: [] });
    this.#transmits.push({ to, bytes });
  }

  #end(probe: Probe): void {
    probe.race.stop();
    this.#collectOf(probe);
    this.#probes = this.#probes.filter((other) => other !== probe);
  }

  #stop(): void {
    for (const probe of [...this.#probes]) this.#end(probe);
  }

  #collect(): void {
    for (const probe of this.#probes) this.#collectOf(probe);
  }

  #collectOf({ race, linkId }: Probe): void {
    for (let event = race.pollEvent(); event !== undefined; event = race.pollEvent()) {
      if (event.kind === "open") this.#events.push({ ...event, kind: "open-stream" });
      else {
        const { streamId, wasOpen } = event;
        this.#events.push({ kind: "close-stream", streamId, linkId: wasOpen ? linkId : null });
      }
    }
  }
}
