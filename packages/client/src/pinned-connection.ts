import { createHash, timingSafeEqual } from "node:crypto";
import { isIP, type LookupFunction, type Socket } from "node:net";
import { connect, type TLSSocket } from "node:tls";
import { formatFingerprint } from "@asterism/core/control";
import { AsterismError } from "@asterism/core/errors";
import type { Dialer, OpenConnection } from "./dialer.ts";
import { connectThroughNat64 } from "./nat64-lookup.ts";

/** Where a server is and which certificate it must show. */
export interface PinnedServer {
  /** `https://host[:port]`. */
  readonly url: string;
  /** SHA-256 of the certificate (DER), 32 bytes. */
  readonly fingerprint: Uint8Array;
}

export interface ConnectOptions {
  /** For the whole connection set-up, TLS included; 10 s unless told otherwise. */
  readonly timeoutMs?: number;
  /** Resolves the server's name, where the host's resolver must not be asked. */
  readonly lookup?: LookupFunction;
  /** Goes through proxies; without one the connection is direct. */
  readonly dialer?: Dialer;
}

const CONNECT_TIMEOUT_MS = 10_000;

/**
 * Opens a TLS 1.3 connection and verifies the certificate's fingerprint before anything of ours is sent on it.
 * Certificate authorities and host names play no part: the fingerprint came with the join key. A numeric IPv4 host is
 * reached through the network's NAT64 where there is no IPv4.
 * Errors: `fingerprint-mismatch`, `server-unreachable`.
 */
export function connectPinned(server: PinnedServer, options: ConnectOptions = {}): Promise<TLSSocket> {
  const { dialer } = options;
  const target = targetOf(server);
  const open: OpenConnection<TLSSocket> = (tunnel, signal) =>
    connectThroughNat64(target.host, (host) => openPinned(server, options, { host, tunnel, signal }));
  return dialer === undefined ? open(undefined, new AbortController().signal) : dialer.dial(target, open);
}

function targetOf({ url }: PinnedServer): { host: string; port: number } {
  const { hostname, port } = new URL(url);
  return { host: hostname.replace(/^\[|\]$/g, ""), port: port === "" ? 443 : Number(port) };
}

interface Way {
  /** The target's, or the address by which a NAT64 reaches it. */
  readonly host: string;
  readonly tunnel: Socket | undefined;
  readonly signal: AbortSignal;
}

function openPinned(server: PinnedServer, options: ConnectOptions, way: Way): Promise<TLSSocket> {
  const { host, tunnel, signal } = way;
  const { port } = targetOf(server);
  return new Promise((resolve, reject) => {
    const socket = connect({
      ...(tunnel === undefined ? { host, port } : { socket: tunnel }),
      ...(isIP(host) === 0 ? { servername: host } : {}),
      ALPNProtocols: ["http/1.1"],
      minVersion: "TLSv1.3",
      // The fingerprint is checked below; it says more than any authority could.
      rejectUnauthorized: false,
      ...(options.lookup === undefined ? {} : { lookup: options.lookup }),
    });
    const giveUp = (error: AsterismError): void => {
      socket.destroy();
      reject(error);
    };
    const timer = setTimeout(
      () => giveUp(unreachable(server.url, new Error("no answer in time"))),
      options.timeoutMs ?? CONNECT_TIMEOUT_MS,
    );
    const onError = (cause: Error): void => {
      clearTimeout(timer);
      giveUp(unreachable(server.url, cause));
    };
    const onAbort = (): void => onError(new Error("another way was faster"));
    signal.addEventListener("abort", onAbort, { once: true });
    socket.once("error", onError);
    socket.once("close", () => onError(new Error("the connection was closed during the TLS handshake")));
    socket.once("secureConnect", () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", onAbort);
      socket.removeAllListeners("close");
      const mismatch = fingerprintMismatch(socket, server);
      if (mismatch !== undefined) return giveUp(mismatch);
      socket.removeListener("error", onError);
      socket.setNoDelay(true);
      resolve(socket);
    });
  });
}

function fingerprintMismatch(socket: TLSSocket, server: PinnedServer): AsterismError | undefined {
  const certificate = socket.getPeerX509Certificate();
  const shown = certificate === undefined ? Buffer.alloc(32) : createHash("sha256").update(certificate.raw).digest();
  if (timingSafeEqual(shown, server.fingerprint)) return undefined;
  return new AsterismError(
    "fingerprint-mismatch",
    `The server at ${server.url} is not the one that the key was made for: its certificate is ${formatFingerprint(shown)}, expected ${formatFingerprint(server.fingerprint)}. Nothing was sent to it. If the server was set up anew, make a new join key there; otherwise somebody is between you and the server.`,
    { details: { shown: formatFingerprint(shown), expected: formatFingerprint(server.fingerprint) } },
  );
}

/** Says in plain words why a server can't be reached. */
export function unreachable(
  where: string,
  cause: NodeJS.ErrnoException,
  details: Readonly<Record<string, number>> = {},
): AsterismError<"server-unreachable"> {
  const reasons: Readonly<Record<string, string>> = {
    ECONNREFUSED: "nothing listens there. Is the server running?",
    ENOTFOUND: "its name can't be resolved.",
    EAI_AGAIN: "its name can't be resolved at the moment.",
    EHOSTUNREACH: "there is no route to it.",
    ENETUNREACH: "there is no route to it.",
    ETIMEDOUT: "no answer came in time. Is a firewall in between?",
    ECONNRESET: "the connection was reset.",
  };
  const reason = reasons[cause.code ?? ""] ?? `${cause.message}.`;
  return new AsterismError("server-unreachable", `The server at ${where} can't be reached: ${reason}`, {
    cause,
    details,
  });
}
