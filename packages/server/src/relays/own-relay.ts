import type { TLSSocket } from "node:tls";

/** The relay that runs together with this server, told by whoever started it. */
export interface OwnRelay {
  /** Numeric addresses at which members reach it; empty: what the host of the public URL stands for. */
  readonly addresses: readonly string[];
  readonly ports: {
    readonly udp: number | null;
    readonly tcp: number | null;
    /** Second UDP port of the same addresses that answers STUN (RFC 5780), null without one. */
    readonly alternateUdp: number | null;
  };
  /** Shared secret of the time-limited credentials. */
  readonly secret: string;
  readonly realm: string | null;
  /**
   * Takes TLS connections that asked for TURN (ALPN `stun.turn`, RFC 7443) on the server's own port; null: TURN over TLS
   * is not offered. The server destroys those that are left when it stops.
   */
  readonly acceptTls: ((socket: TLSSocket) => void) | null;
}

/** Goes by this id in lists and messages. */
export const OWN_RELAY_ID = "relay-server";
