import type { IncomingMessage, Server } from "node:http";
import type { Duplex } from "node:stream";
import { CONTROL_PATH, MAX_AGENT_MESSAGE_BYTES } from "@asterism/core/control";
import { type WebSocket, WebSocketServer } from "ws";
import type { ServerContext } from "../context.ts";
import { type BucketLimits, KeyedBuckets, sourceOf, TokenBucket } from "../domain/token-bucket.ts";
import { ControlStream } from "../streams/control-stream.ts";
import type { StreamHub } from "../streams/hub.ts";
import type { StreamLimits } from "../streams/limits.ts";

/** New control streams of one source address: many agents may sit behind one address and come back together. */
export const DEFAULT_UPGRADE_LIMITS: BucketLimits = { burst: 1000, perSecond: 20 };

/** When those that are refused for want of room or time are to come back. */
const MIN_RETRY_AFTER_SECONDS = 1;
const RETRY_AFTER_SPREAD_SECONDS = 9;

export interface ControlUpgrades {
  /** Takes no further streams and ends those that have not authenticated. */
  close(): void;
  /** Resolves when `close` was called and no stream is left. */
  readonly closed: Promise<void>;
}

/** Lets agents turn a request for the control path into a control stream. */
export function acceptControlStreams(
  server: Pick<Server, "on">,
  context: ServerContext,
  hub: StreamHub,
  limits: StreamLimits,
  upgradeLimits = DEFAULT_UPGRADE_LIMITS,
): ControlUpgrades {
  const webSockets = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    maxPayload: MAX_AGENT_MESSAGE_BYTES,
    perMessageDeflate: false,
  });
  const buckets = new KeyedBuckets(upgradeLimits, performance.now());
  const newStreams = new TokenBucket(limits.newStreams, performance.now());
  const unauthenticated = new Set<WebSocket>(); // bounded: maxUnauthenticated
  let streamCount = 0;
  let closed = false;
  const allClosed = Promise.withResolvers<void>();
  const resolveIfDone = (): void => {
    if (closed && streamCount === 0) allClosed.resolve();
  };

  const refusal = (request: IncomingMessage): string | undefined => {
    if (closed) return "503 Service Unavailable";
    if (request.url?.split("?", 1)[0] !== CONTROL_PATH) return "404 Not Found";
    const now = performance.now();
    if (!buckets.take(sourceOf(request.socket.remoteAddress ?? ""), now)) return "429 Too Many Requests";
    const isFull = streamCount >= limits.maxStreams || unauthenticated.size >= limits.maxUnauthenticated;
    return isFull || !newStreams.take(now) ? "503 Service Unavailable" : undefined;
  };
  const start = (webSocket: WebSocket, request: IncomingMessage): void => {
    streamCount++;
    unauthenticated.add(webSocket);
    new ControlStream(webSocket, {
      context,
      hub,
      limits,
      remoteAddress: plainAddress(request.socket.remoteAddress),
      onAuthenticated: () => unauthenticated.delete(webSocket),
      onClosed: () => {
        unauthenticated.delete(webSocket);
        streamCount--;
        resolveIfDone();
      },
    });
  };
  server.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on("error", () => socket.destroy());
    const status = refusal(request);
    if (status !== undefined) socket.end(refusalText(status));
    else webSockets.handleUpgrade(request, socket, head, (webSocket) => start(webSocket, request));
  });
  return {
    close: () => {
      closed = true;
      for (const webSocket of unauthenticated) webSocket.terminate();
      resolveIfDone();
    },
    closed: allClosed.promise,
  };
}

/** With a time to come back that differs from one to the next, so that those refused together don't return together. */
function refusalText(status: string): string {
  const isBusy = status.startsWith("503") || status.startsWith("429");
  const seconds = MIN_RETRY_AFTER_SECONDS + Math.floor(Math.random() * RETRY_AFTER_SPREAD_SECONDS);
  const retryAfter = isBusy ? `retry-after: ${seconds}\r\n` : "";
  return `HTTP/1.1 ${status}\r\n${retryAfter}connection: close\r\ncontent-length: 0\r\n\r\n`;
}

/** An IPv4 address that came in on a dual-stack socket, as IPv4. */
function plainAddress(address: string | undefined): string {
  const text = (address ?? "::").replace(/%.*$/, "");
  return text.startsWith("::ffff:") && text.includes(".") ? text.slice(7) : text;
}
