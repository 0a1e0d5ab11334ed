import {
  type ControlHandlers,
  type ControlSocket,
  type Dialer,
  openControlSocket,
  type PinnedServer,
} from "@asterism/client";
import { encodeBase64 } from "@asterism/core/bytes";
import {
  type AgentMessage,
  type AuthenticatedMessage,
  CLOSE_CODES,
  controlProofBytes,
  formatFingerprint,
  type HelloMessage,
  type MachineSign,
  PROTOCOL_VERSION,
  ReconnectSchedule,
  type ServerMessage,
  STREAM_WATCHDOG_MS,
} from "@asterism/core/control";
import { isAsterismError } from "@asterism/core/errors";
import { VERSION } from "@asterism/core/version";
import type { Logger } from "pino";
import { wallNow } from "../platform/clock.ts";
import { systemRandom } from "../platform/random.ts";

/** Two agents with one identity would otherwise push each other off the server without end. */
const REPLACED_DELAY_MS = 30_000;

export interface ControlSessionOptions {
  readonly server: PinnedServer;
  readonly dialer: Dialer;
  readonly nodeId: string;
  readonly sign: MachineSign;
  readonly logger: Logger;
  /** The map that this agent has; asked for at each connection. */
  readonly resumePoint: () => { epoch: string; version: number } | null;
  /** `serverTimeOffsetMs`: how far the server's clock is ahead of this host's. */
  readonly onAuthenticated: (message: AuthenticatedMessage, serverTimeOffsetMs: number) => void;
  /** There is no connection any more; it will be sought again. */
  readonly onLost: () => void;
  /** Messages after authentication; `ping`, `pong` and `hello` are dealt with here. */
  readonly onMessage: (message: ServerMessage) => void;
  /** The server says that this device is no member any more; the session is over. */
  readonly onRemoved: () => void;
}

/**
 * The control stream of one membership, kept alive: connects, proves who this machine is, answers pings, notices
 * silence, comes back with back-off and jitter for as long as it is not stopped.
 */
export class ControlSession {
  readonly #options: ControlSessionOptions;
  #socket: ControlSocket | undefined;
  #authenticated = false;
  #since = new Date();
  readonly #schedule = new ReconnectSchedule(systemRandom);
  #serverTimeOffsetMs = 0;
  /** When the server, about to restart, wants this agent back. */
  #announcedDelayMs: number | undefined;
  #retry: NodeJS.Timeout | undefined;
  #watchdog: NodeJS.Timeout | undefined;
  /** Why there is no connection, for people; null while there is one. */
  #problem: string | null = null;
  #stopped = false;

  constructor(options: ControlSessionOptions) {
    this.#options = options;
  }

  get connected(): boolean {
    return this.#authenticated;
  }

  /** When `connected` last changed. */
  get since(): Date {
    return this.#since;
  }

  get problem(): string | null {
    return this.#problem;
  }

  start(): void {
    void this.#connect();
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#retry);
    clearTimeout(this.#watchdog);
    this.#socket?.close();
    this.#setConnected(false);
  }

  /** False if there is no connection to send on: control messages are never queued for a later one. */
  send(message: AgentMessage): boolean {
    if (!this.#authenticated || this.#socket === undefined) return false;
    this.#socket.send(message);
    return true;
  }

  /** Ends the connection and makes a new one: what came on this one did not fit together. */
  restart(): void {
    this.#socket?.terminate();
  }

  /** Something about the network changed: don't wait for the back-off. */
  reconnectNow(): void {
    if (this.#retry === undefined) return;
    this.#schedule.reset();
    clearTimeout(this.#retry);
    void this.#connect();
  }

  async #connect(): Promise<void> {
    this.#retry = undefined;
    let closed = false;
    try {
      const { server, dialer } = this.#options;
      const handlers: ControlHandlers = {
        onMessage: (message) => {
          if (!this.#stopped) this.#handleMessage(message);
        },
        onClose: (code, reason) => {
          closed = true;
          this.#handleClose(code, reason);
        },
      };
      const socket = await openControlSocket(server, handlers, { dialer });
      if (this.#stopped) {
        socket.close();
        return;
      }
      if (closed) return;
      this.#socket = socket;
      this.#feedWatchdog();
    } catch (error) {
      if (this.#stopped) return;
      const text = error instanceof Error ? error.message : String(error);
      if (isAsterismError(error, "fingerprint-mismatch")) this.#options.logger.error(text);
      this.#scheduleReconnect(text, retryAfterMs(error));
    }
  }

  #handleMessage(message: ServerMessage): void {
    this.#feedWatchdog();
    switch (message.type) {
      case "hello":
        this.#serverTimeOffsetMs = Math.round(message.serverTime - wallNow());
        this.#authenticate(message);
        return;
      case "authenticated":
        this.#schedule.handleConnected(performance.now());
        this.#setConnected(true);
        this.#options.onAuthenticated(message, this.#serverTimeOffsetMs);
        return;
      case "ping":
        this.#socket?.send({ type: "pong" });
        return;
      case "pong":
        return;
      case "restarting":
        this.#announcedDelayMs = message.reconnectAfterMs;
        return;
      default:
        this.#options.onMessage(message);
    }
  }

  #authenticate(hello: HelloMessage): void {
    const { server, nodeId, sign, resumePoint } = this.#options;
    const proof = controlProofBytes(formatFingerprint(server.fingerprint), hello.nonce, nodeId);
    this.#socket?.send({
      type: "authenticate",
      protocol: PROTOCOL_VERSION,
      nodeId,
      signature: encodeBase64(sign(proof)),
      resume: resumePoint(),
      agentVersion: VERSION,
    });
  }

  #handleClose(code: number, reason: string): void {
    clearTimeout(this.#watchdog);
    this.#socket = undefined;
    this.#setConnected(false);
    if (this.#stopped) return;
    if (code === CLOSE_CODES["device-removed"]) {
      this.#stopped = true;
      this.#options.onRemoved();
      return;
    }
    if (code === CLOSE_CODES["stream-replaced"]) {
      this.#scheduleReconnect(
        "another agent has taken over the control stream: does a copy of this machine's state folder run elsewhere?",
        REPLACED_DELAY_MS,
      );
      return;
    }
    this.#scheduleReconnect(
      `the control stream ended (${code}${reason === "" ? "" : `: ${reason}`})`,
      this.#announcedDelayMs,
    );
    this.#announcedDelayMs = undefined;
  }

  #scheduleReconnect(why: string, atLeastMs = 0): void {
    this.#problem = why;
    const delayMs = this.#schedule.nextDelayMs(performance.now(), atLeastMs);
    this.#options.logger.info({ reconnectInMs: Math.round(delayMs) }, why);
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => void this.#connect(), delayMs);
  }

  #feedWatchdog(): void {
    clearTimeout(this.#watchdog);
    this.#watchdog = setTimeout(() => {
      this.#options.logger.warn("the server has fallen silent");
      this.#socket?.terminate();
    }, STREAM_WATCHDOG_MS);
  }

  #setConnected(connected: boolean): void {
    if (connected) this.#problem = null;
    if (connected === this.#authenticated) return;
    this.#authenticated = connected;
    this.#since = new Date();
    if (!connected && !this.#stopped) this.#options.onLost();
  }
}

/** When the server, which has too much to do, wants to be asked again. */
function retryAfterMs(error: unknown): number {
  const wanted = isAsterismError(error, "server-unreachable") ? error.details["retryAfterMs"] : undefined;
  return typeof wanted === "number" ? wanted : 0;
}
