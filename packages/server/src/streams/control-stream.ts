import { randomBytes } from "node:crypto";
import { encodeBase64 } from "@asterism/core/bytes";
import {
  type AgentMessage,
  type AuthenticateMessage,
  agreeOnProtocol,
  CLOSE_CODES,
  type OutgoingCallMessage,
  PROTOCOL_VERSION,
  parseAgentMessage,
  parseJson,
  type ReportMessage,
  type ServerMessage,
} from "@asterism/core/control";
import { AsterismError, isAsterismError, unwrap } from "@asterism/core/errors";
import type { RawData, WebSocket } from "ws";
import type { ServerContext } from "../context.ts";
import { TokenBucket } from "../domain/token-bucket.ts";
import { countReport } from "../metrics/count-report.ts";
import { deltaFor, type MapPosition, readMap } from "../operations/network-map.ts";
import { type AgentRequest, carryOutRequest } from "./agent-request.ts";
import { requireStreamOwner } from "./authenticate.ts";
import type { StreamHub } from "./hub.ts";
import type { StreamLimits } from "./limits.ts";
import { type Caller, type CallFailure, passCall } from "./pass-call.ts";
import { RelayUpdates } from "./relay-updates.ts";

export interface StreamOptions {
  readonly context: ServerContext;
  readonly hub: StreamHub;
  readonly limits: StreamLimits;
  /** Address the agent comes from, without port. */
  readonly remoteAddress: string;
  readonly onAuthenticated: () => void;
  readonly onClosed: () => void;
}

type EndReason = Exclude<keyof typeof CLOSE_CODES, "restarting">;

type StreamState =
  | { readonly kind: "greeting"; readonly nonce: string }
  | { readonly kind: "member"; readonly nodeId: string; readonly networkId: string; readonly relays: RelayUpdates }
  | { readonly kind: "ended" };

const CLOSE_GRACE_MS = 2000;
const MAX_REASON_BYTES = 120;

/**
 * The server's end of one control stream.
 *
 *   greeting ──authenticate──► member ──► ended
 *
 * Map and presence updates to a slow reader are held back and merged into one when it has caught up, so what waits for
 * it stays small; one that does not read at all runs into the watchdog.
 */
export class ControlStream {
  readonly #socket: WebSocket;
  readonly #options: StreamOptions;
  #state: StreamState;
  /** The map that the agent has, as far as sent. */
  #position: MapPosition | undefined;
  #synchronising = false;
  #synchroniseAgain = false;
  /** Held back until the agent has caught up with reading. */
  #synchroniseOwed = false;
  #presenceOwed = false;
  #mapCharacters = 0;
  #lastHeardAt: number;
  #pending: Promise<void> = Promise.resolve();
  #pendingCount = 0;
  readonly #timers = new Set<NodeJS.Timeout>(); // bounded: ping, authentication and close timers
  readonly #messages: TokenBucket;
  readonly #calls: TokenBucket;
  readonly #requests: TokenBucket;
  readonly #reportedPairs: TokenBucket;

  constructor(socket: WebSocket, options: StreamOptions) {
    const now = performance.now();
    const { limits, context } = options;
    this.#socket = socket;
    this.#options = options;
    this.#lastHeardAt = now;
    this.#messages = new TokenBucket(limits.messages, now);
    this.#calls = new TokenBucket(limits.calls, now);
    this.#requests = new TokenBucket(limits.requests, now);
    this.#reportedPairs = new TokenBucket(limits.reportedPairs, now);
    const nonce = encodeBase64(randomBytes(32));
    this.#state = { kind: "greeting", nonce };
    socket.on("message", (data, isBinary) => this.#receive(data, isBinary));
    socket.on("error", (error) => context.log.debug({ err: error }, "control stream error"));
    socket.once("close", () => this.#closed());
    this.#send({ type: "hello", protocol: PROTOCOL_VERSION, nonce, serverTime: context.wallNow() });
    this.#after(limits.authenticateTimeoutMs, () => {
      if (this.#state.kind === "greeting") this.end("not-authorised", "No authentication came in time.");
    });
    this.#schedulePing();
  }

  /** Ends the stream; the agent learns why. */
  end(reason: EndReason, message: string): void {
    if (this.#state.kind === "ended") return;
    this.#options.context.metrics.streamsEnded.inc({ reason });
    const code = reason === "invalid" || reason === "overloaded" ? undefined : reason;
    const fallback = reason === "invalid" ? "invalid-input" : "rate-limited";
    this.#send({ type: "error", code: code ?? fallback, message: message.slice(0, 1000), requestId: null });
    this.#close(CLOSE_CODES[reason], message);
  }

  endForRestart(reconnectAfterMs: number): void {
    if (this.#state.kind === "ended") return;
    this.#send({ type: "restarting", reconnectAfterMs });
    this.#close(CLOSE_CODES.restarting, "The server restarts.");
  }

  /** Sends what changed since the map that the agent has. Calls while one is under way are merged. */
  synchronise(): void {
    if (this.#synchronising) {
      this.#synchroniseAgain = true;
      return;
    }
    this.#synchronising = true;
    this.#synchroniseUntilCurrent()
      .catch((error: unknown) => this.#fail(error))
      .finally(() => {
        this.#synchronising = false;
        if (this.#synchroniseAgain) this.synchronise();
      });
  }

  tellPresence(online: readonly string[], offline: readonly string[]): void {
    // Before the first map the whole list is still to come.
    if (this.#state.kind !== "member" || this.#position === undefined) return;
    if (this.#isBehind()) this.#presenceOwed = true;
    else this.#send({ type: "presence", full: false, online: [...online], offline: [...offline] });
  }

  /** Sends the network's relays if the agent does not have them, or its credentials are half used up. */
  updateRelays(): void {
    if (this.#state.kind === "member") this.#state.relays.update().catch((error: unknown) => this.#fail(error));
  }

  /** Whether the agent knows its peers, so that calls mean something to it. */
  get hasMap(): boolean {
    return this.#state.kind === "member" && this.#position !== undefined;
  }

  /** Passes a call on to this agent; false if too much waits for it already. */
  deliverCall(from: string, sealed: string): boolean {
    if (this.#socket.bufferedAmount > this.#options.limits.maxCallBacklogBytes) return false;
    this.#send({ type: "call", from, sealed });
    return true;
  }

  #receive(data: RawData, isBinary: boolean): void {
    const now = performance.now();
    this.#lastHeardAt = now;
    if (this.#state.kind === "ended") return;
    if (!this.#messages.take(now)) {
      this.end("overloaded", "Too many messages.");
      return;
    }
    if (isBinary) {
      this.end("invalid", "agent message: is binary");
      return;
    }
    // SAFETY: ws gives Buffers unless it is told otherwise.
    const json = parseJson("agent message", (data as Buffer).toString("utf8"));
    const message = json.ok ? parseAgentMessage(json.value) : json;
    if (message.ok) {
      this.#dispatch(message.value, now);
      return;
    }
    if (message.error.details["unknownType"] !== true || this.#state.kind === "greeting") {
      this.end("invalid", message.error.message);
      return;
    }
    this.#send({ type: "error", code: "not-supported", message: message.error.message, requestId: null });
  }

  #dispatch(message: AgentMessage, now: number): void {
    this.#options.context.metrics.messagesReceived.inc({ type: message.type });
    if (message.type === "ping") {
      this.#send({ type: "pong" });
      return;
    }
    if (message.type === "pong") return;
    if (this.#pendingCount === 0 && message.type === "call" && this.#state.kind === "member") {
      this.#passCall(message, this.#state, now);
      return;
    }
    if (this.#pendingCount >= this.#options.limits.maxPendingMessages) {
      this.end("overloaded", "Too many messages at once.");
      return;
    }
    this.#pendingCount++;
    this.#pending = this.#pending
      .then(() => this.#handle(message))
      .catch((error: unknown) => this.#fail(error))
      .finally(() => {
        this.#pendingCount--;
      });
  }

  async #handle(message: AgentMessage): Promise<void> {
    const state = this.#state;
    if (state.kind === "ended") return;
    if (message.type === "authenticate") {
      if (state.kind !== "greeting") return this.end("invalid", "The stream has authenticated already.");
      return await this.#authenticate(message, state.nonce);
    }
    if (state.kind !== "member") return this.end("not-authorised", "The first message must be authenticate.");
    if (message.type === "call") return this.#passCall(message, state, performance.now());
    if (message.type === "report") return this.#takeReport(message, state);
    if (message.type === "ping" || message.type === "pong") return;
    await this.#carryOut(message, state.nodeId);
  }

  async #authenticate(message: AuthenticateMessage, nonce: string): Promise<void> {
    const { context, hub, remoteAddress } = this.#options;
    const protocol = unwrap(agreeOnProtocol(message.protocol));
    const node = await requireStreamOwner(context, message, nonce);
    // The agent may have gone while its node was looked up.
    if (this.#state.kind !== "greeting") return;
    const relays = this.#createRelayUpdates(node.id, node.network_id);
    this.#state = { kind: "member", nodeId: node.id, networkId: node.network_id, relays };
    this.#options.onAuthenticated();
    hub.add(this, node.id, node.network_id);
    this.#send({ type: "authenticated", protocol, observedAddress: remoteAddress });
    context.log.info({ nodeId: node.id, networkId: node.network_id }, "agent connected");
    await relays.update();
    await this.#sendFirstMap(message.resume);
  }

  #createRelayUpdates(nodeId: string, networkId: string): RelayUpdates {
    const { context, hub } = this.#options;
    return new RelayUpdates({
      nodeId,
      read: () => hub.relaysOf(networkId),
      send: (message) => this.#send(message),
      isBehind: () => this.#isBehind(),
      wallNow: context.wallNow,
    });
  }

  async #sendFirstMap(resume: MapPosition | null): Promise<void> {
    const state = this.#state;
    if (state.kind !== "member") return;
    const { context, hub } = this.#options;
    const difference = resume === null ? undefined : await hub.differenceSince(state.networkId, resume);
    const message =
      difference === undefined ? await readMap(context.db, state.nodeId) : deltaFor(state.nodeId, difference);
    this.#send(message);
    this.#position = { epoch: message.epoch, version: message.version };
    this.#sendWholePresence();
    // What happened while the map was read.
    this.synchronise();
  }

  async #synchroniseUntilCurrent(): Promise<void> {
    do {
      this.#synchroniseAgain = false;
      const state = this.#state;
      const position = this.#position;
      if (state.kind !== "member" || position === undefined) return;
      if (this.#isBehind()) {
        this.#synchroniseOwed = true;
        return;
      }
      const difference = await this.#options.hub.differenceSince(state.networkId, position);
      const message =
        difference === undefined
          ? await readMap(this.#options.context.db, state.nodeId)
          : deltaFor(state.nodeId, difference);
      if (message.type === "delta" && message.version === position.version) continue;
      this.#send(message);
      this.#position = { epoch: message.epoch, version: message.version };
    } while (this.#synchroniseAgain);
  }

  #sendWholePresence(): void {
    const state = this.#state;
    if (state.kind !== "member") return;
    this.#presenceOwed = false;
    this.#send({ type: "presence", full: true, online: this.#options.hub.online(state.networkId), offline: [] });
  }

  #passCall(message: OutgoingCallMessage, caller: Caller, now: number): void {
    const { context, hub } = this.#options;
    const finish = (failure: CallFailure | undefined): void => {
      context.metrics.calls.inc({ result: failure ?? "forwarded" });
      if (failure !== undefined) this.#send({ type: "call-failed", to: message.to, reason: failure });
    };
    const passed = this.#calls.take(now) ? passCall(context, hub, caller, message) : "rate-limited";
    if (passed instanceof Promise) passed.then(finish).catch((error: unknown) => this.#fail(error));
    else finish(passed);
  }

  #takeReport(report: ReportMessage, { nodeId, networkId }: Caller): void {
    const { context, hub } = this.#options;
    const isPeer = (id: string) => id !== nodeId && hub.isOnline(networkId, id);
    const counts = this.#reportedPairs.take(performance.now(), report.pairs.length);
    if (counts) countReport(context.metrics, report, isPeer);
    else context.metrics.reportedPairs.inc({ result: "rate-limited" }, report.pairs.length);
  }

  async #carryOut(message: AgentRequest, nodeId: string): Promise<void> {
    const { requestId } = message;
    try {
      if (!this.#requests.take(performance.now())) {
        throw new AsterismError("rate-limited", "Too many requests. Wait a moment.");
      }
      const changes = await carryOutRequest(this.#options.context, nodeId, message);
      this.#send({ type: "done", requestId });
      this.#options.hub.publish(changes);
    } catch (error) {
      if (!isAsterismError(error) || error.code === "internal") throw error;
      this.#send({ type: "error", code: error.code, message: error.message.slice(0, 1000), requestId });
    }
  }

  #send(message: ServerMessage): void {
    if (this.#state.kind === "ended" || this.#socket.readyState !== this.#socket.OPEN) return;
    const text = JSON.stringify(message);
    this.#options.context.metrics.messagesSent.inc({ type: message.type });
    if (message.type === "map") this.#mapCharacters = text.length;
    // A map may be large; what comes on top of it is bounded, so whoever never reads is let go.
    else if (this.#socket.bufferedAmount > this.#mapCharacters + this.#options.limits.maxBacklogBytes) {
      this.#options.context.log.info({ remoteAddress: this.#options.remoteAddress }, "agent does not read");
      this.#socket.terminate();
      return;
    }
    this.#socket.send(text, () => this.#sent());
  }

  /** Something has left: make up for what was held back. */
  #sent(): void {
    if (this.#state.kind !== "member" || this.#isBehind()) return;
    if (this.#presenceOwed) this.#sendWholePresence();
    if (!this.#synchroniseOwed) return;
    this.#synchroniseOwed = false;
    this.synchronise();
  }

  #isBehind(): boolean {
    return this.#socket.bufferedAmount > this.#options.limits.holdBackBytes;
  }

  /** An error that ends the stream. */
  #fail(error: unknown): void {
    if (isAsterismError(error, "device-removed")) {
      this.end("device-removed", error.message);
      return;
    }
    if (isAsterismError(error) && error.code !== "internal") {
      this.end("not-authorised", error.message);
      return;
    }
    this.#options.context.log.error({ err: error }, "control stream failed");
    this.end("invalid", "Something went wrong on the server.");
  }

  #schedulePing(): void {
    const { pingIntervalMs, watchdogMs } = this.#options.limits;
    // Jitter keeps thousands of streams that began together from speaking together.
    this.#after(pingIntervalMs * (0.9 + 0.1 * Math.random()), () => {
      if (performance.now() - this.#lastHeardAt > watchdogMs) return this.#socket.terminate();
      this.#send({ type: "ping" });
      this.#schedulePing();
    });
  }

  #after(delayMs: number, action: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      action();
    }, delayMs);
    this.#timers.add(timer);
  }

  #close(code: number, reason: string): void {
    this.#leaveHub();
    this.#socket.close(code, Buffer.from(reason).subarray(0, MAX_REASON_BYTES).toString("latin1"));
    this.#after(CLOSE_GRACE_MS, () => this.#socket.terminate());
  }

  #leaveHub(): void {
    const state = this.#state;
    this.#state = { kind: "ended" };
    if (state.kind === "member") this.#options.hub.remove(this, state.nodeId, state.networkId);
  }

  #closed(): void {
    const { context } = this.#options;
    if (this.#state.kind === "member") context.log.info({ nodeId: this.#state.nodeId }, "agent disconnected");
    this.#leaveHub();
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
    this.#options.onClosed();
  }
}
