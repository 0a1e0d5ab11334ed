import {
  type AgentMessage,
  CONTROL_PATH,
  MAX_SERVER_MESSAGE_BYTES,
  parseJson,
  parseServerMessage,
  type ServerMessage,
  STREAM_KEEPALIVE_MS,
} from "@asterism/core/control";
import { AsterismError, fail, type Result } from "@asterism/core/errors";
import { type RawData, WebSocket } from "ws";
import { type ConnectOptions, connectPinned, type PinnedServer, unreachable } from "./pinned-connection.ts";

export interface ControlHandlers {
  /** Checked messages, in order. Messages of an unknown type are left out. */
  readonly onMessage: (message: ServerMessage) => void;
  /** Called once, however the stream ends; `code` is a WebSocket close code (1006 without one, see CLOSE_CODES). */
  readonly onClose: (code: number, reason: string) => void;
}

/** An open control stream: nothing was said on it yet. */
export interface ControlSocket {
  send(message: AgentMessage): void;
  /** Of this host, as long as the connection stands and goes through no proxy. */
  readonly localAddress: string | undefined;
  /** Bytes that wait to be sent. */
  readonly bufferedBytes: number;
  /** Stops reading until `resume`: what comes waits in the connection. */
  pause(): void;
  resume(): void;
  /** Says good-bye; `onClose` follows. */
  close(): void;
  /** Ends it without good-bye, where the other side is not answering any more. */
  terminate(): void;
}

const UPGRADE_TIMEOUT_MS = 10_000;
const CLOSE_INVALID = 4400;
/** Nobody is kept away for longer by one answer. */
const MAX_RETRY_AFTER_SECONDS = 600;
const MAX_REASON_BYTES = 123;

/**
 * Opens the control stream of a server, whose certificate is verified before anything is sent. The caller authenticates
 * when `hello` comes. Handlers are called after the promise has resolved, and not at all if it rejects.
 * Errors: `fingerprint-mismatch`, `server-unreachable`, whose detail `retryAfterMs` says when the server wants to be asked
 * again if it does not want to be now.
 */
export async function openControlSocket(
  server: PinnedServer,
  handlers: ControlHandlers,
  options: ConnectOptions = {},
): Promise<ControlSocket> {
  const socket = await connectPinned(server, options);
  socket.setKeepAlive(true, STREAM_KEEPALIVE_MS);
  const url = new URL(CONTROL_PATH, server.url.replace(/^https:/, "wss:"));
  const webSocket = new WebSocket(url, {
    createConnection: () => socket,
    handshakeTimeout: options.timeoutMs ?? UPGRADE_TIMEOUT_MS,
    maxPayload: MAX_SERVER_MESSAGE_BYTES,
    perMessageDeflate: false,
  });
  await opened(webSocket, server.url, handlers);
  // Messages that came with the upgrade wait until the caller has the socket in hand.
  setImmediate(() => webSocket.resume());
  return {
    send: (message) => webSocket.send(JSON.stringify(message)),
    get localAddress() {
      return socket.localAddress;
    },
    get bufferedBytes() {
      return webSocket.bufferedAmount;
    },
    pause: () => webSocket.pause(),
    resume: () => webSocket.resume(),
    close: () => webSocket.close(1000),
    terminate: () => webSocket.terminate(),
  };
}

function opened(webSocket: WebSocket, url: string, handlers: ControlHandlers): Promise<void> {
  return new Promise((resolve, reject) => {
    webSocket.once("unexpected-response", (_request, response) => {
      response.resume();
      webSocket.terminate();
      const cause = new Error(`it answered HTTP ${response.statusCode ?? "?"} to the control stream`);
      reject(unreachable(url, cause, readRetryAfter(response.headers["retry-after"])));
    });
    // Once the stream is open "close" follows an error and is what counts.
    webSocket.on("error", (cause) => reject(unreachable(url, cause)));
    webSocket.once("open", () => {
      webSocket.pause();
      webSocket.on("message", (data, isBinary) => handleMessage(webSocket, handlers, data, isBinary));
      webSocket.once("close", (code, reason) => handlers.onClose(code, reason.toString("utf8")));
      resolve();
    });
  });
}

/** Whole seconds (RFC 9110 §10.2.3); dates are not understood. */
function readRetryAfter(text: string | undefined): Readonly<Record<string, number>> {
  if (text === undefined || !/^\d{1,6}$/.test(text)) return {};
  return { retryAfterMs: Math.min(Number(text), MAX_RETRY_AFTER_SECONDS) * 1_000 };
}

function handleMessage(webSocket: WebSocket, handlers: ControlHandlers, data: RawData, isBinary: boolean): void {
  const message = isBinary ? notText() : readMessage(data);
  if (message.ok) handlers.onMessage(message.value);
  // A newer server may say more than we know.
  else if (!isUnknownType(message.error)) closeInvalid(webSocket, message.error.message);
}

function readMessage(data: RawData): Result<ServerMessage> {
  // SAFETY: ws gives Buffers unless it is told otherwise.
  const json = parseJson("server message", (data as Buffer).toString("utf8"));
  return json.ok ? parseServerMessage(json.value) : json;
}

function notText(): Result<never> {
  return fail(new AsterismError("invalid-input", "server message: is binary"));
}

function isUnknownType(error: AsterismError): boolean {
  return error.details["unknownType"] === true;
}

function closeInvalid(webSocket: WebSocket, problem: string): void {
  webSocket.close(CLOSE_INVALID, Buffer.from(problem).subarray(0, MAX_REASON_BYTES).toString("latin1"));
}
