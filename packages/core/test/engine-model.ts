/**
 * What a packet engine does with one peer, as far as the handshake machine can tell: three sessions, and the times of
 * packets. Keys are compared instead of used. For tests.
 */
import { encodeHex } from "../src/bytes/index.ts";
import type { Instant } from "../src/time.ts";
import { NO_TRAFFIC, type TrafficFacts, type WireGuardEvent } from "../src/wireguard/index.ts";

export interface DataPacket {
  readonly receiverIndex: number;
  readonly key: string;
  readonly isKeepalive: boolean;
}

interface EngineSession {
  readonly localIndex: number;
  readonly remoteIndex: number;
  readonly sendKey: string;
  readonly receiveKey: string;
  readonly expiresAt: Instant;
}

type SessionEvent = Extract<WireGuardEvent, { kind: "session" }>;
type Facts = { -readonly [Name in keyof TrafficFacts]: TrafficFacts[Name] };

const NEVER = 0 as Instant;

export class EngineModel {
  readonly facts: Facts = { ...NO_TRAFFIC };
  isStaged = false;
  #current: EngineSession | undefined;
  #previous: EngineSession | undefined;
  #next: EngineSession | undefined;

  install(event: SessionEvent): void {
    const { localIndex, remoteIndex, expiresAt } = event;
    const keys = { sendKey: encodeHex(event.sendKey), receiveKey: encodeHex(event.receiveKey) };
    const session = { localIndex, remoteIndex, expiresAt, ...keys };
    if (event.role === "responder") {
      this.#next = session;
      this.#previous = undefined;
      return;
    }
    this.#previous = this.#next ?? this.#current;
    this.#next = undefined;
    this.#current = session;
  }

  remove(localIndex: number): void {
    if (this.#current?.localIndex === localIndex) this.#current = undefined;
    if (this.#previous?.localIndex === localIndex) this.#previous = undefined;
    if (this.#next?.localIndex === localIndex) this.#next = undefined;
  }

  get sessions(): EngineSession[] {
    return [this.#current, this.#previous, this.#next].filter((session) => session !== undefined);
  }

  /** Undefined if no session may send; then the packet is staged. */
  send(isKeepalive: boolean, now: Instant): DataPacket | undefined {
    const session = this.#current;
    if (session === undefined || now >= session.expiresAt) {
      if (!isKeepalive) this.isStaged = true;
      return undefined;
    }
    this.facts.lastSentAt = now;
    this.facts.firstUnacknowledgedReceivedAt = NEVER;
    if (!isKeepalive) {
      this.facts.lastDataSentAt = now;
      if (this.facts.firstUnansweredSentAt === NEVER) this.facts.firstUnansweredSentAt = now;
    }
    return { receiverIndex: session.remoteIndex, key: session.sendKey, isKeepalive };
  }

  /** Undefined if the packet opens in no session; else the index of the session if that confirmed it. */
  receive(packet: DataPacket, now: Instant): { confirmed?: number } | undefined {
    const session = this.sessions.find(({ localIndex }) => localIndex === packet.receiverIndex);
    if (session === undefined || session.receiveKey !== packet.key || now >= session.expiresAt) return undefined;
    this.facts.lastReceivedAt = now;
    this.facts.firstUnansweredSentAt = NEVER;
    if (!packet.isKeepalive) {
      this.facts.lastDataReceivedAt = now;
      if (this.facts.firstUnacknowledgedReceivedAt === NEVER) this.facts.firstUnacknowledgedReceivedAt = now;
    }
    if (session !== this.#next) return {};
    this.#previous = this.#current;
    this.#current = session;
    this.#next = undefined;
    return { confirmed: session.localIndex };
  }
}
