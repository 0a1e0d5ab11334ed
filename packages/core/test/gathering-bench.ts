import { expect } from "vitest";
import { Gatherer, type GatheringEvent, type Relay, type StreamEndpoint } from "../src/gathering/index.ts";
import type { LinkId, PathAddress, UdpAddress } from "../src/net/index.ts";
import { candidatePriority, type LocalCandidate } from "../src/paths/index.ts";
import {
  encodeErrorCode,
  encodeStun,
  encodeUint32,
  encodeXorAddress,
  findAttribute,
  longTermKey,
  parseStun,
  STUN_ATTRIBUTE,
  type StunMessage,
} from "../src/stun/index.ts";
import { addMs, type Instant } from "../src/time.ts";
import { TURN_ATTRIBUTE, TURN_METHOD } from "../src/turn/index.ts";
import { seededRandom } from "./seeded-random.ts";

const START = 1_000_000 as Instant;
const KEY = longTermKey("user", "realm", "password");
export const STUN: UdpAddress = { address: "198.51.100.99", port: 3_478 };
export const MAPPED: UdpAddress = { address: "203.0.113.7", port: 4_000 };

/** A relay at 198.51.100.`number`. */
export function relay(number: number, more: Partial<Relay> = {}): Relay {
  const udp = [{ address: `198.51.100.${number}`, port: 3_478 }];
  const [id, name] = [`relay-${number}`, `relay-${number}`];
  return { id, name, udp, streams: [], username: "user", password: "password", ...more };
}

export function endpoint(transport: "tcp" | "tls", number = 1): StreamEndpoint {
  const address = { address: `198.51.100.${number}`, port: transport === "tls" ? 443 : 3_478 };
  return { transport, address, serverName: null, fingerprint: null };
}

export function host(address: string, linkId: LinkId = 1): LocalCandidate {
  return { kind: "host", address: { address, port: 41_641 }, linkId, priority: candidatePriority("host", 0) };
}

interface Sent {
  readonly at: Instant;
  readonly to: PathAddress;
  readonly message: StunMessage;
}

/** Answers as STUN and TURN servers do, `rttMs` later; null is no answer. */
class Servers {
  rttMs = new Map<string, number | null>();
  mapped = MAPPED;
  allocations = 0;

  answer({ message, to }: Sent): Uint8Array {
    const { method, transactionId } = message;
    const attributes: { type: number; value: Uint8Array }[] = [];
    const isSigned = findAttribute(message, STUN_ATTRIBUTE.username) !== undefined;
    if (method !== 1 && !isSigned) {
      attributes.push({ type: STUN_ATTRIBUTE.errorCode, value: encodeErrorCode({ code: 401, reason: "" }) });
      for (const type of [STUN_ATTRIBUTE.realm, STUN_ATTRIBUTE.nonce]) {
        attributes.push({ type, value: new TextEncoder().encode("realm") });
      }
      return encodeStun({ class: "error", method, transactionId, attributes });
    }
    attributes.push({ type: STUN_ATTRIBUTE.xorMappedAddress, value: encodeXorAddress(this.mapped, transactionId) });
    if (method === TURN_METHOD.allocate) {
      const relayed = { address: to.remote.address, port: 50_000 + this.allocations++ };
      attributes.push({ type: TURN_ATTRIBUTE.xorRelayedAddress, value: encodeXorAddress(relayed, transactionId) });
    }
    if (method === TURN_METHOD.allocate || method === TURN_METHOD.refresh) {
      attributes.push({ type: TURN_ATTRIBUTE.lifetime, value: encodeUint32(600) });
    }
    const integrity = method === 1 ? {} : { integrity: { kind: "sha1" as const, key: KEY } };
    return encodeStun({ class: "success", method, transactionId, attributes, ...integrity });
  }
}

/** Links of streams have numbers from here on. */
const FIRST_STREAM_LINK = 100;

/** How a stream to a relay fares: it opens so late, or is closed at once, or nothing comes at all. */
export type StreamFate = { readonly opensAfterMs: number } | "refused" | "silent";

/** A gatherer with servers around it, in virtual time. */
export class GatheringBench {
  readonly gatherer = new Gatherer({ random: seededRandom(1), overlayRanges: [] });
  readonly servers = new Servers();
  readonly events: GatheringEvent[] = [];
  readonly sent: Sent[] = [];
  /** Streams that are being opened, or open. */
  readonly streams = new Map<number, StreamEndpoint>();
  readonly opened: { readonly at: Instant; readonly endpoint: StreamEndpoint }[] = [];
  streamFate: (endpoint: StreamEndpoint) => StreamFate = () => ({ opensAfterMs: 40 });
  isUdpBlocked = false;
  now = START;
  #inputs: { readonly at: Instant; readonly run: (gatherer: Gatherer, now: Instant) => void }[] = [];

  act(input: (gatherer: Gatherer, now: Instant) => void): void {
    input(this.gatherer, this.now);
    for (let event = this.gatherer.pollEvent(); event !== undefined; event = this.gatherer.pollEvent()) {
      this.events.push(event);
      if (event.kind === "open-stream") this.#openStream(event.streamId, event.endpoint);
      if (event.kind === "close-stream") this.streams.delete(event.streamId);
    }
    for (let next = this.gatherer.pollTransmit(); next !== undefined; next = this.gatherer.pollTransmit()) {
      this.#transmit(next.to, next.bytes);
    }
  }

  /** `needed`: somebody needs us once a second. */
  run(durationMs: number, needed: "needed" | "idle" = "idle"): void {
    const end = addMs(this.now, durationMs);
    let needAt = this.now;
    for (;;) {
      this.#inputs.sort((a, b) => a.at - b.at);
      const inputAt = this.#inputs[0]?.at ?? end;
      const timerAt = this.gatherer.pollTimeout() ?? end;
      const at = Math.min(inputAt, timerAt, needed === "needed" ? needAt : end) as Instant;
      if (at >= end) break;
      expect(at).toBeGreaterThanOrEqual(this.now);
      this.now = at;
      if (needed === "needed" && at === needAt) {
        needAt = addMs(needAt, 1_000);
        this.act((gatherer, now) => gatherer.handleNeed(now));
      } else if (at === inputAt) this.act(this.#inputs.shift()?.run ?? (() => undefined));
      else this.act((gatherer, now) => gatherer.handleTimeout(now));
    }
    this.now = end;
  }

  start(relays: readonly Relay[], hosts: readonly LocalCandidate[] = [host("192.168.1.2")]): void {
    this.act((gatherer, now) => gatherer.handleHostCandidates(hosts, now));
    this.act((gatherer, now) => gatherer.handleServers(relays, [STUN], now));
    this.run(10_000);
  }

  candidates(kind: LocalCandidate["kind"]): LocalCandidate[] {
    return this.gatherer.candidates.filter((candidate) => candidate.kind === kind);
  }

  requests(method: number): Sent[] {
    return this.sent.filter(({ message }) => message.method === method && message.class === "request");
  }

  #transmit(to: PathAddress, bytes: Uint8Array): void {
    const parsed = parseStun(bytes);
    if (!parsed.ok) throw new Error(parsed.reason);
    const sent = { at: this.now, to, message: parsed.message };
    this.sent.push(sent);
    const rttMs = this.servers.rttMs.get(to.remote.address);
    const isStream = to.linkId >= FIRST_STREAM_LINK;
    if (isStream && !this.streams.has(to.linkId - FIRST_STREAM_LINK)) throw new Error("sent by a closed stream");
    if (rttMs === null || (this.isUdpBlocked && !isStream)) return;
    const answer = parseStun(this.servers.answer(sent));
    if (!answer.ok) throw new Error(answer.reason);
    this.later(rttMs ?? 20, (gatherer, now) => gatherer.handleMessage(answer.message, to, now));
  }

  later(delayMs: number, run: (gatherer: Gatherer, now: Instant) => void): void {
    this.#inputs.push({ at: addMs(this.now, delayMs), run });
  }

  /** The other ends close all streams. */
  closeStreams(): void {
    for (const streamId of [...this.streams.keys()]) this.#closeStream(streamId);
  }

  #openStream(streamId: number, to: StreamEndpoint): void {
    this.streams.set(streamId, to);
    this.opened.push({ at: this.now, endpoint: to });
    const fate = this.streamFate(to);
    if (fate === "refused") this.later(1, () => this.#closeStream(streamId));
    else if (fate !== "silent") {
      this.later(fate.opensAfterMs, (gatherer, now) => {
        if (this.streams.has(streamId)) gatherer.handleStreamOpened(streamId, FIRST_STREAM_LINK + streamId, now);
      });
    }
  }

  #closeStream(streamId: number): void {
    this.act((gatherer, now) => gatherer.handleStreamClosed(streamId, now));
  }
}
