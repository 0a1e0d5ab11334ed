/** HTTP proxies that lead on by CONNECT (RFC 9110 §9.3.6): how they are written, and the way through one. */
import { type ClientRequestArgs, type IncomingMessage, request } from "node:http";
import { request as requestTls } from "node:https";
import { isIP, type Socket } from "node:net";
import { AsterismError, fail, ok, type Result } from "@asterism/core/errors";

export interface HttpProxy {
  /** `http://host:port`, for people: without user and password. */
  readonly name: string;
  readonly host: string;
  readonly port: number;
  /** Whether the proxy itself is spoken to over TLS. */
  readonly isTls: boolean;
  /** Value of Proxy-Authorization (RFC 7617), null without a user. */
  readonly authorization: string | null;
}

/** What a connection leads to: an address or a name, without brackets. */
export interface DialTarget {
  readonly host: string;
  readonly port: number;
}

export interface TunnelLimits {
  readonly timeoutMs: number;
  /** Ends the attempt. */
  readonly signal: AbortSignal;
}

/** `http://[user:password@]host[:port]`, `https://…`; without a scheme it is `http`. Error: `invalid-input`. */
export function parseProxyUrl(text: string): Result<HttpProxy> {
  const full = text.includes("://") ? text : `http://${text}`;
  const url = URL.canParse(full) ? new URL(full) : undefined;
  // The text may hold a password.
  if (url === undefined || url.hostname === "") {
    return fail(new AsterismError("invalid-input", "The proxy is no URL. Write it as http://host:port."));
  }
  if (url.protocol !== "http:" && url.protocol !== "https:") {
    const text = `A proxy of kind ${url.protocol.slice(0, -1)} can't be used; name one for HTTP, as http://host:port.`;
    return fail(new AsterismError("invalid-input", text));
  }
  const isTls = url.protocol === "https:";
  const usualPort = isTls ? 443 : 80;
  const port = url.port === "" ? usualPort : Number(url.port);
  const login = [url.username, url.password].map(decode).join(":");
  return ok({
    name: `${url.protocol}//${url.hostname}:${port}`,
    host: url.hostname.replace(/^\[|\]$/g, ""),
    port,
    isTls,
    authorization: url.username === "" ? null : `Basic ${Buffer.from(login, "utf8").toString("base64")}`,
  });
}

/**
 * Asks the proxy for a way to the target; the socket that it resolves with is the way. What the proxy refuses or leaves
 * unanswered rejects with an error whose message says so in words that follow "the proxy".
 */
export function openTunnel(proxy: HttpProxy, target: DialTarget, { timeoutMs, signal }: TunnelLimits): Promise<Socket> {
  const authority = `${isIP(target.host) === 6 ? `[${target.host}]` : target.host}:${target.port}`;
  const options: ClientRequestArgs = {
    host: proxy.host,
    port: proxy.port,
    method: "CONNECT",
    path: authority,
    headers: {
      host: authority,
      ...(proxy.authorization === null ? {} : { "proxy-authorization": proxy.authorization }),
    },
    agent: false,
    signal,
  };
  return new Promise((resolve, reject) => {
    const outgoing = proxy.isTls ? requestTls(options) : request(options);
    const giveUp = (why: string, cause?: Error): void => {
      clearTimeout(timer);
      outgoing.destroy();
      reject(new Error(why, { cause }));
    };
    const timer = setTimeout(() => giveUp("does not answer"), timeoutMs);
    outgoing.once("error", (error: NodeJS.ErrnoException) => giveUp(whyUnreachable(error), error));
    outgoing.once("response", (response) => giveUp(whyRefused(response)));
    outgoing.once("connect", (response, socket: Socket, head) => {
      clearTimeout(timer);
      if (response.statusCode !== undefined && response.statusCode >= 200 && response.statusCode < 300) {
        if (head.length > 0) socket.unshift(head);
        resolve(socket);
      } else {
        socket.destroy();
        giveUp(whyRefused(response));
      }
    });
    outgoing.end();
  });
}

function whyRefused({ statusCode = 0, statusMessage = "" }: IncomingMessage): string {
  const status = `${statusCode} ${statusMessage}`.trim();
  const reasons: Readonly<Record<number, string>> = {
    403: "its rules do not allow this destination or port",
    407: "it wants a user and a password, or another one: http://user:password@host:port",
    502: "it can't reach the destination",
    503: "it can't reach the destination",
    504: "it can't reach the destination",
  };
  const reason = reasons[statusCode];
  return `refuses (${status}${reason === undefined ? "" : `: ${reason}`})`;
}

function whyUnreachable({ code, message }: NodeJS.ErrnoException): string {
  const reasons: Readonly<Record<string, string>> = {
    ECONNREFUSED: "is not running there",
    ENOTFOUND: "has a name that can't be resolved",
    EAI_AGAIN: "has a name that can't be resolved at the moment",
    ECONNRESET: "closes the connection",
    ETIMEDOUT: "does not answer",
  };
  return reasons[code ?? ""] ?? `can't be reached (${message})`;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // a percent sign that stands for itself
  }
}
