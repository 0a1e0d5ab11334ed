import { createSocket, type Socket } from "node:dgram";
import type { GatewayPlace } from "@asterism/core/port-mapping";

/** Where routers answer PCP (RFC 6887 §19.1) and NAT-PMP (RFC 6886 §3.1). */
const PORT = 5_351;
const MAX_WAITING = 8;

export interface GatewaySocketEvents {
  readonly onMessage: (bytes: Uint8Array) => void;
  /** Nobody listens there, or nothing leads there. */
  readonly onUnreachable: () => void;
}

/**
 * A UDP socket from our address on the link to the router's port 5351. It is connected: the kernel lets only the
 * router's answers in, and tells when the router has no such port.
 */
export class GatewaySocket {
  readonly #socket: Socket;
  #isConnected = false;
  #isClosed = false;
  #waiting: Uint8Array[] = []; // bounded: MAX_WAITING, until connected

  constructor({ gateway, local }: GatewayPlace, events: GatewaySocketEvents) {
    this.#socket = createSocket("udp4");
    this.#socket.on("message", (bytes) => this.#isClosed || events.onMessage(new Uint8Array(bytes)));
    this.#socket.on("error", () => this.#isClosed || events.onUnreachable());
    this.#socket.once("connect", () => this.#handleConnected());
    this.#socket.bind({ address: local, port: 0 }, () => {
      if (!this.#isClosed) this.#socket.connect(PORT, gateway);
    });
  }

  send(bytes: Uint8Array): void {
    if (this.#isClosed) return;
    if (this.#isConnected) this.#socket.send(bytes);
    else if (this.#waiting.length < MAX_WAITING) this.#waiting.push(bytes);
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#socket.close();
  }

  #handleConnected(): void {
    if (this.#isClosed) return;
    this.#isConnected = true;
    for (const bytes of this.#waiting) this.#socket.send(bytes);
    this.#waiting = [];
  }
}
