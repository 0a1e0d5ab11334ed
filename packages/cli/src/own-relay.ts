/** The relay that runs inside `asterism server`. */
import { isAsterismError } from "@asterism/core/errors";
import {
  DEFAULT_PORT,
  loadOrCreateSecret,
  parseListenAddress,
  type RelayOptions,
  type RunningRelay,
  startRelay,
} from "@asterism/relay";
import type { ServerOptions } from "@asterism/server";

export interface OwnRelayOptions {
  readonly dataDir: string;
  /** `HOST:PORT`, `none`, or undefined for port 3478 of every address if it is free. */
  readonly listen: string | undefined;
  readonly allowPeers: readonly string[];
  readonly externalIpv4: string | undefined;
  readonly log: NonNullable<RelayOptions["log"]>;
}

export interface OwnRelay {
  readonly running: RunningRelay;
  /** What the server tells its members. */
  readonly description: NonNullable<ServerOptions["ownRelay"]>;
}

/** Starts the relay. Without `listen`, a taken port leaves TURN over TLS at the server's own port. */
export async function startOwnRelay(options: OwnRelayOptions): Promise<OwnRelay | null> {
  if (options.listen === "none") return null;
  const secret = await loadOrCreateSecret(options.dataDir);
  const isAsked = options.listen !== undefined;
  const listen = parseListenAddress(options.listen ?? `:${DEFAULT_PORT}`, "--relay");
  const start = (addresses: RelayOptions["listen"]): Promise<RunningRelay> =>
    startRelay({
      listen: addresses,
      secret,
      allowPeers: options.allowPeers,
      ...(options.externalIpv4 === undefined ? {} : { externalIpv4: options.externalIpv4 }),
      log: options.log,
    });
  let running: RunningRelay;
  try {
    running = await start([listen]);
  } catch (error) {
    const mayGoOn = isAsterismError(error, "address-in-use") || isAsterismError(error, "permission-denied");
    if (isAsked || !mayGoOn) throw error;
    options.log(
      "warn",
      `no relay over UDP and TCP: ${error.message} Give it another place (--relay HOST:PORT), or none.`,
    );
    running = await start([]);
  }
  return { running, description: describe(running, secret, listen.host, options.externalIpv4) };
}

function describe(
  running: RunningRelay,
  secret: string,
  host: string,
  externalIpv4: string | undefined,
): OwnRelay["description"] {
  const { udp, alternateUdp, tcp } = running.addresses;
  const isEvery = host === "::" || host === "0.0.0.0";
  return {
    addresses: isEvery || udp.length === 0 ? [] : [externalIpv4 ?? host],
    ports: { udp: udp[0]?.port ?? null, tcp: tcp[0]?.port ?? null, alternateUdp: alternateUdp[0]?.port ?? null },
    secret,
    realm: running.realm,
    acceptTls: (socket) => running.acceptStream(socket),
  };
}
