import { randomBytes } from "node:crypto";
import { bytesEqual } from "@asterism/core/bytes";
import { encodeEchoRequest, parseEchoReply } from "@asterism/core/inner";
import type { PathAddress } from "@asterism/core/net";
import type { Instant } from "@asterism/core/time";
import type { EngineEvent } from "@asterism/engine";
import { monotonicNow } from "../platform/clock.ts";

const TOKEN_BYTES = 16;

export interface PingTarget {
  readonly nodeId: string;
  readonly source: string;
  readonly destination: string;
}

export interface PingReply {
  readonly rttMs: number;
  readonly from: PathAddress;
}

interface PendingPing {
  readonly nodeId: string;
  readonly token: Uint8Array;
  readonly sentAt: Instant;
  readonly resolve: (reply: PingReply | undefined) => void;
}

/** Sends ICMP echoes through the tunnel on the agent's own account and matches the answers. */
export class Pinger {
  readonly #identifier: number;
  readonly #send: (nodeId: string, packet: Uint8Array) => boolean;
  readonly #pending = new Set<PendingPing>(); // bounded: one per request of the local API, each with a time limit

  constructor(identifier: number, send: (nodeId: string, packet: Uint8Array) => boolean) {
    this.#identifier = identifier;
    this.#send = send;
  }

  /** Undefined if no answer came in time or the caller went away. */
  async ping(
    target: PingTarget,
    sequence: number,
    timeoutMs: number,
    signal: AbortSignal,
  ): Promise<PingReply | undefined> {
    const token = randomBytes(TOKEN_BYTES);
    const packet = encodeEchoRequest({ ...target, identifier: this.#identifier, sequence, data: token });
    const { promise, resolve } = Promise.withResolvers<PingReply | undefined>();
    const pending: PendingPing = { nodeId: target.nodeId, token, sentAt: monotonicNow(), resolve };
    const giveUp = (): void => resolve(undefined);
    const timer = setTimeout(giveUp, timeoutMs);
    signal.addEventListener("abort", giveUp, { once: true });
    this.#pending.add(pending);
    try {
      if (!this.#send(target.nodeId, packet)) return undefined;
      return await promise;
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", giveUp);
      this.#pending.delete(pending);
    }
  }

  handleInner(nodeId: string, event: Extract<EngineEvent, { kind: "inner" }>): void {
    const reply = parseEchoReply(event.bytes);
    if (reply === undefined || reply.identifier !== this.#identifier) return;
    for (const pending of this.#pending) {
      if (pending.nodeId !== nodeId || !bytesEqual(pending.token, reply.data)) continue;
      pending.resolve({ rttMs: Math.max(0, event.receivedAt - pending.sentAt), from: event.from });
    }
  }
}
