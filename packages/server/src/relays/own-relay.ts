import { isIP } from "node:net";
import type { TLSSocket } from "node:tls";
import { AsterismError, isAsterismError } from "@asterism/core/errors";
import {
  DEFAULT_PORT,
  type ListenAddress,
  loadOrCreateSecret,
  parseListenAddress,
  type RelayStatus,
  type RunningRelay,
  startRelay,
} from "@asterism/relay";
import type { Logger } from "pino";
import { isWildcard } from "../listen.ts";

/** The relay that runs inside this server. */
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
  readonly realm: string;
  /** Takes TLS connections that asked for TURN (ALPN `stun.turn`, RFC 7443) on the server's own port. */
  acceptTls(socket: TLSSocket): void;
  status(): RelayStatus;
  close(): Promise<void>;
}

export interface OwnRelaySettings {
  readonly listen: ListenAddress;
  readonly externalIpv4: string | undefined;
  readonly allowPeers: readonly string[];
}

/** Goes by this id in lists and messages. */
export const OWN_RELAY_ID = "relay-server";

const OPTION = "--relay";

/**
 * Reads what `--relay` says; null for `none`. Without it: port 3478 of the address that the server listens on.
 * Throws `invalid-input`.
 */
export function parseRelayListen(text: string | undefined, serverHost: string): ListenAddress | null {
  if (text?.trim() === "none") return null;
  if (text !== undefined) return parseListenAddress(text, OPTION);
  // A name instead of an address says too little about where to relay.
  return { host: isIP(serverHost) === 0 ? "::" : serverHost, port: DEFAULT_PORT };
}

/** Starts the relay, with the secret that the data folder keeps. Throws `AsterismError` with what to do about it. */
export async function startOwnRelay(settings: OwnRelaySettings, dataDir: string, log: Logger): Promise<OwnRelay> {
  const { listen, externalIpv4, allowPeers } = settings;
  const secret = await loadOrCreateSecret(dataDir);
  try {
    const relay = await startRelay({
      listen: [listen],
      secret,
      allowPeers,
      ...(externalIpv4 === undefined ? {} : { externalIpv4 }),
      log: (level, message, details) => log[level](details ?? {}, message),
    });
    return ownRelay(relay, settings, secret);
  } catch (cause) {
    throw relayFailure(listen, cause);
  }
}

function ownRelay(relay: RunningRelay, { listen, externalIpv4 }: OwnRelaySettings, secret: string): OwnRelay {
  const { udp, alternateUdp, tcp } = relay.addresses;
  return {
    addresses: isWildcard(listen.host) ? [] : [externalIpv4 ?? listen.host],
    ports: { udp: udp[0]?.port ?? null, tcp: tcp[0]?.port ?? null, alternateUdp: alternateUdp[0]?.port ?? null },
    secret,
    realm: relay.realm,
    acceptTls: (socket) => relay.acceptStream(socket),
    status: () => relay.status(),
    close: () => relay.close(),
  };
}

function relayFailure({ host, port }: ListenAddress, cause: unknown): unknown {
  const where = `${host.includes(":") ? `[${host}]` : host}:${port}`;
  const instead = `let the relay listen elsewhere: ${OPTION} HOST:PORT; or do without it: ${OPTION} none`;
  if (isAsterismError(cause, "address-in-use")) {
    const message = `The relay's port is taken by another program (${where}, UDP and TCP). Stop that, or ${instead}`;
    return new AsterismError("address-in-use", message, { cause, details: { address: where } });
  }
  if (isAsterismError(cause, "permission-denied") || isAsterismError(cause, "engine-missing")) {
    return new AsterismError(cause.code, `${cause.message} Mend that, or ${instead}`, {
      cause,
      details: cause.details,
    });
  }
  return cause;
}
