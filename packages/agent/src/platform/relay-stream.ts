import { connect, type Socket } from "node:net";
import { connect as connectTls, type TLSSocket } from "node:tls";
import { connectThroughNat64, type Dialer, type OpenConnection } from "@asterism/client";
import type { StreamEndpoint } from "@asterism/core/gathering";

/** RFC 7443: tells TURN apart from the web on the server's HTTPS port. */
const ALPN_TURN = "stun.turn";
/** What waits to be sent; more is dropped, as a network would. Half a second at 8 Mbit/s. */
const MAX_UNSENT_BYTES = 512 * 1024;
/** For the stream to be open, TLS included. */
const OPEN_LIMIT_MS = 8_000;
const KEEPALIVE_MS = 15_000;

export interface RelayStreamHandlers {
  readonly onOpen: () => void;
  readonly onBytes: (bytes: Uint8Array) => void;
  /** Once, also if it was never open. */
  readonly onClosed: (why: string) => void;
}

/**
 * A TCP or TLS stream to a relay.
 *
 * TLS is a way through firewalls here, not what protects: what is relayed is sealed, and relay and client prove to each
 * other that they know the password (MESSAGE-INTEGRITY), as over UDP and TCP. Where the relay's certificate is known,
 * no other is accepted, and nothing is sent before.
 */
export class RelayStream {
  readonly #handlers: RelayStreamHandlers;
  readonly #end = new AbortController();
  #socket: Socket | undefined;
  #why = "closed by the relay";
  #isOver = false;

  constructor(endpoint: StreamEndpoint, dialer: Dialer, handlers: RelayStreamHandlers) {
    this.#handlers = handlers;
    void this.#open(endpoint, dialer);
  }

  /** False if so much waits already that the frames were dropped. */
  send(frames: Uint8Array): boolean {
    const socket = this.#socket;
    if (this.#isOver || socket === undefined || socket.writableLength > MAX_UNSENT_BYTES) return false;
    socket.write(frames);
    return true;
  }

  /** Nothing is reported any more. */
  close(): void {
    this.#isOver = true;
    this.#end.abort();
    this.#socket?.destroy();
  }

  async #open(endpoint: StreamEndpoint, dialer: Dialer): Promise<void> {
    const { serverName } = endpoint;
    const { address: host, port } = endpoint.address;
    const names = serverName === null ? [] : [serverName];
    const signal = AbortSignal.any([this.#end.signal, AbortSignal.timeout(OPEN_LIMIT_MS)]);
    try {
      const open: OpenConnection<Socket> = (tunnel, end) =>
        connectThroughNat64(host, (address) => openSocket({ ...endpoint, address: { address, port } }, tunnel, end));
      this.#use(await dialer.dial({ host, port }, open, { names, signal }));
    } catch (error) {
      this.#why = signal.aborted ? "the relay does not answer" : String(error instanceof Error ? error.message : error);
      this.#finish();
    }
  }

  #use(socket: Socket): void {
    if (this.#isOver) {
      socket.destroy();
      return;
    }
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.setKeepAlive(true, KEEPALIVE_MS);
    socket.on("data", (bytes) => {
      if (!this.#isOver) this.#handlers.onBytes(bytes);
    });
    socket.on("error", (error) => {
      this.#why = error.message;
    });
    socket.once("close", () => this.#finish());
    this.#handlers.onOpen();
  }

  #finish(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#handlers.onClosed(this.#why);
  }
}

/** Resolves when it is open, TLS included, and shows the certificate that it should. */
function openSocket(endpoint: StreamEndpoint, tunnel: Socket | undefined, signal: AbortSignal): Promise<Socket> {
  const { transport, fingerprint } = endpoint;
  // The tunnel is a TCP connection already.
  if (transport === "tcp" && tunnel !== undefined) return Promise.resolve(tunnel);
  return new Promise((resolve, reject) => {
    const socket = transport === "tls" ? openTls(endpoint, tunnel) : openTcp(endpoint);
    const giveUp = (error: Error): void => {
      socket.destroy();
      reject(error);
    };
    const onAbort = (): void => giveUp(new Error("the relay does not answer"));
    const onClose = (): void => giveUp(new Error("closed by the relay"));
    signal.addEventListener("abort", onAbort, { once: true });
    socket.once("error", giveUp);
    socket.once("close", onClose);
    socket.once(transport === "tls" ? "secureConnect" : "connect", () => {
      signal.removeEventListener("abort", onAbort);
      socket.removeListener("close", onClose);
      if (transport === "tls" && fingerprint !== null && fingerprintOf(socket) !== fingerprint) {
        giveUp(new Error("the relay shows another certificate than the network's settings name"));
        return;
      }
      socket.removeListener("error", giveUp);
      resolve(socket);
    });
  });
}

function openTcp({ address: { address: host, port } }: StreamEndpoint): Socket {
  return connect({ host, port });
}

function openTls(
  { address: { address: host, port }, serverName }: StreamEndpoint,
  tunnel: Socket | undefined,
): TLSSocket {
  return connectTls({
    ...(tunnel === undefined ? { host, port } : { socket: tunnel }),
    ALPNProtocols: [ALPN_TURN],
    minVersion: "TLSv1.2",
    // The certificate is compared with the fingerprint, if there is one, before anything is sent.
    rejectUnauthorized: false,
    ...(serverName === null ? {} : { servername: serverName }),
  });
}

/** SHA-256 of the relay's certificate, lower-case hex; undefined without one. */
function fingerprintOf(socket: Socket): string | undefined {
  const certificate = "getPeerX509Certificate" in socket ? (socket as TLSSocket).getPeerX509Certificate() : undefined;
  return certificate?.fingerprint256.replaceAll(":", "").toLowerCase();
}
