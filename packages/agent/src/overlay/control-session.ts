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
import { hostHasAddress } from "../platform/host-addresses.ts";
import { systemRandom } from "../platform/random.ts";

/** Two agents with one identity would otherwise push each other off the server without end. */
const REPLACED_DELAY_MS = 30_000;
/** An answer is due after this long when the network has changed, or when a call is sent after a silence. */
const CHANGE_PROBE_MS = 1_000;
const CALL_PROBE_MS = 2_000;
const RECENTLY_MS = 1_000;
/** From an open connection to the server's word that it knows this machine. */
const AUTHENTICATION_LIMIT_MS = 10_000;
/** What WebSocket says of a connection that ended without a word (RFC 6455 §7.1.5). */
const NO_CLOSE_CODE = 1006;

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
  /** Looks whether an attempt that was young when the network changed has come to anything. */
  #review: NodeJS.Timeout | undefined;
  /** Runs out if the server does not answer a ping of ours. */
  #probe: NodeJS.Timeout | undefined;
  #heardAt = 0;
  /** Tells the present attempt to connect from those that were given up. */
  #connecting: { readonly since: number } | undefined;
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
    clearTimeout(this.#probe);
    clearTimeout(this.#review);
    this.#socket?.close();
    this.#setConnected(false);
  }

  /** False if there is no connection to send on: control messages are never queued for a later one. */
  send(message: AgentMessage): boolean {
    if (!this.#authenticated || this.#socket === undefined) return false;
    this.#socket.send(message);
    // A path is in question, and perhaps what lies between us and the server as well.
    if (message.type === "call" && performance.now() - this.#heardAt > RECENTLY_MS) this.#expectAnswer(CALL_PROBE_MS);
    return true;
  }

  /** Ends the connection and makes a new one: what came on this one did not fit together. */
  restart(): void {
    this.#socket?.terminate();
  }

  /**
   * Addresses, links or routes have changed. No waiting for the back-off, nor for TCP to notice that its connection leads
   * nowhere.
   */
  handleNetworkChange(): void {
    if (this.#retry !== undefined) this.#connectAnew();
    else if (this.#connecting !== undefined) this.#reviewAttempt(this.#connecting);
    else if (this.#socket !== undefined) {
      const { localAddress } = this.#socket;
      const isGone = localAddress !== undefined && !hostHasAddress(localAddress);
      if (isGone) this.#abandon("its address is gone");
      else if (!this.#authenticated) this.#abandon("the network has changed before the server had answered");
      else this.#expectAnswer(CHANGE_PROBE_MS);
    }
  }

  /** The host slept for so long, or this process was stopped. */
  handleSleep(sleptMs: number): void {
    if (sleptMs >= STREAM_WATCHDOG_MS && this.#socket !== undefined) this.#abandon("the host was asleep");
  }

  /** An attempt that began before the change may wait for what will never come. */
  #reviewAttempt(attempt: { readonly since: number }): void {
    clearTimeout(this.#review);
    const isYoung = performance.now() - attempt.since <= RECENTLY_MS;
    const review = (): void => {
      if (this.#connecting === attempt) this.#connectAnew();
    };
    this.#review = setTimeout(review, isYoung ? RECENTLY_MS : 0);
  }

  /** The connection leads nowhere: the next one at once. */
  #abandon(why: string): void {
    this.#options.logger.info({ why }, "the control stream is given up");
    const socket = this.#socket;
    this.#forgetSocket();
    socket?.terminate();
    this.#problem = `the control stream ended (${why})`;
    this.#connectAnew();
  }

  #connectAnew(): void {
    if (this.#stopped) return;
    this.#schedule.reset();
    clearTimeout(this.#retry);
    void this.#connect();
  }

  #forgetSocket(): void {
    clearTimeout(this.#watchdog);
    clearTimeout(this.#probe);
    this.#probe = undefined;
    this.#socket = undefined;
    this.#setConnected(false);
  }

  #expectAnswer(limitMs: number): void {
    if (this.#probe !== undefined || this.#socket === undefined || !this.#authenticated) return;
    this.#socket.send({ type: "ping" });
    this.#probe = setTimeout(() => this.#abandon("the server does not answer"), limitMs);
  }

  async #connect(): Promise<void> {
    this.#retry = undefined;
    const connecting = { since: performance.now() };
    this.#connecting = connecting;
    let mine: ControlSocket | undefined;
    let isClosed = false;
    try {
      const { server, dialer } = this.#options;
      const handlers: ControlHandlers = {
        onMessage: (message) => {
          if (!this.#stopped && mine === this.#socket) this.#handleMessage(message);
        },
        onClose: (code, reason) => {
          isClosed = true;
          // One that was given up has a successor already.
          if (mine === this.#socket && this.#connecting === undefined) this.#handleClose(code, reason);
        },
      };
      mine = await openControlSocket(server, handlers, { dialer });
      if (this.#stopped || this.#connecting !== connecting) {
        mine.close();
        return;
      }
      this.#connecting = undefined;
      this.#socket = mine;
      this.#feedWatchdog();
      if (isClosed) this.#handleClose(NO_CLOSE_CODE, "");
    } catch (error) {
      if (this.#stopped || this.#connecting !== connecting) return;
      this.#connecting = undefined;
      const text = error instanceof Error ? error.message : String(error);
      if (isAsterismError(error, "fingerprint-mismatch")) this.#options.logger.error(text);
      this.#scheduleReconnect(text, retryAfterMs(error));
    }
  }

  #handleMessage(message: ServerMessage): void {
    this.#feedWatchdog();
    this.#heardAt = performance.now();
    clearTimeout(this.#probe);
    this.#probe = undefined;
    switch (message.type) {
      case "hello":
        this.#serverTimeOffsetMs = Math.round(message.serverTime - wallNow());
        this.#authenticate(message);
        return;
      case "authenticated":
        this.#schedule.handleConnected(performance.now());
        this.#setConnected(true);
        this.#feedWatchdog();
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
    this.#forgetSocket();
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
    const limitMs = this.#authenticated ? STREAM_WATCHDOG_MS : AUTHENTICATION_LIMIT_MS;
    this.#watchdog = setTimeout(() => {
      this.#options.logger.warn("the server has fallen silent");
      this.#socket?.terminate();
    }, limitMs);
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
