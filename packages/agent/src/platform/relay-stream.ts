import { connect, type Socket } from "node:net";
import { connect as connectTls, type TLSSocket } from "node:tls";
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
  readonly #socket: Socket;
  readonly #handlers: RelayStreamHandlers;
  readonly #limit: NodeJS.Timeout;
  #why = "closed by the relay";
  #isOver = false;

  constructor(endpoint: StreamEndpoint, handlers: RelayStreamHandlers) {
    this.#handlers = handlers;
    const { transport } = endpoint;
    this.#socket = transport === "tls" ? openTls(endpoint) : openTcp(endpoint);
    this.#limit = setTimeout(() => this.#fail("the relay does not answer"), OPEN_LIMIT_MS);
    this.#socket.once(transport === "tls" ? "secureConnect" : "connect", () => this.#handleOpen(endpoint));
    this.#socket.on("data", (bytes) => {
      if (!this.#isOver) handlers.onBytes(bytes);
    });
    this.#socket.on("error", (error) => {
      this.#why = error.message;
    });
    this.#socket.once("close", () => this.#finish());
  }

  /** False if so much waits already that the frames were dropped. */
  send(frames: Uint8Array): boolean {
    if (this.#isOver || this.#socket.writableLength > MAX_UNSENT_BYTES) return false;
    this.#socket.write(frames);
    return true;
  }

  /** Nothing is reported any more. */
  close(): void {
    this.#isOver = true;
    clearTimeout(this.#limit);
    this.#socket.destroy();
  }

  #handleOpen({ transport, fingerprint }: StreamEndpoint): void {
    if (this.#isOver) return;
    if (transport === "tls" && fingerprint !== null && fingerprintOf(this.#socket) !== fingerprint) {
      this.#fail("the relay shows another certificate than the network's settings name");
      return;
    }
    clearTimeout(this.#limit);
    this.#socket.setNoDelay(true);
    this.#socket.setKeepAlive(true, KEEPALIVE_MS);
    this.#handlers.onOpen();
  }

  #fail(why: string): void {
    this.#why = why;
    this.#socket.destroy();
  }

  #finish(): void {
    clearTimeout(this.#limit);
    if (this.#isOver) return;
    this.#isOver = true;
    this.#handlers.onClosed(this.#why);
  }
}

function openTcp({ address: { address: host, port } }: StreamEndpoint): Socket {
  return connect({ host, port });
}

function openTls({ address: { address: host, port }, serverName }: StreamEndpoint): TLSSocket {
  return connectTls({
    host,
    port,
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
