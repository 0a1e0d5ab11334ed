import type { Server as HttpsServer } from "node:https";
import type { TLSSocket } from "node:tls";

/** TURN over TLS, told apart from HTTP in the TLS handshake (RFC 7443). */
export const TURN_ALPN = "stun.turn";

export interface TurnConnections {
  /** Destroys those that are open. */
  close(): void;
}

/** Hands connections that asked for TURN to the relay, and the others to HTTP as before. */
export function separateTurnConnections(server: HttpsServer, accept: (socket: TLSSocket) => void): TurnConnections {
  const open = new Set<TLSSocket>(); // bounded: the server's maxConnections
  // SAFETY: Node.js calls the listeners of this event with the new socket.
  const takeHttp = server.listeners("secureConnection") as ((socket: TLSSocket) => void)[];
  server.removeAllListeners("secureConnection");
  server.on("secureConnection", (socket) => {
    if (socket.alpnProtocol !== TURN_ALPN) {
      for (const take of takeHttp) take.call(server, socket);
      return;
    }
    open.add(socket);
    socket.once("close", () => open.delete(socket));
    // A socket error without a listener would end the process.
    socket.on("error", () => socket.destroy());
    accept(socket);
  });
  return {
    close: () => {
      for (const socket of open) socket.destroy();
    },
  };
}
