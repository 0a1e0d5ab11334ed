import { randomBytes } from "node:crypto";
import { chmod, rm } from "node:fs/promises";
import type { Server as HttpServer } from "node:http";
import type { Server as HttpsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { DEFAULT_IPV4_RANGE } from "@asterism/core/addresses";
import { formatFingerprint } from "@asterism/core/control";
import { AsterismError } from "@asterism/core/errors";
import type { FastifyInstance } from "fastify";
import { type Logger, pino } from "pino";
import { loadOrCreateCertificate } from "./certificate.ts";
import type { ServerContext, ServerIdentity } from "./context.ts";
import { type DataFolder, openDataFolder } from "./data-folder.ts";
import type { BucketLimits } from "./domain/token-bucket.ts";
import { keepHouse, startHousekeeping } from "./housekeeping.ts";
import { createAdminApp, createMetricsApp, createPublicApp } from "./http/app.ts";
import { acceptControlStreams, type ControlUpgrades } from "./http/control-upgrade.ts";
import { separateTurnConnections, type TurnConnections } from "./http/turn-connections.ts";
import {
  DEFAULT_LISTEN,
  guessPublicUrl,
  type ListenAddress,
  lacksIpv6,
  listenError,
  parseListen,
  parsePublicUrl,
  urlHost,
} from "./listen.ts";
import { addNetworkGauges } from "./metrics/network-gauges.ts";
import { addRelayMetrics } from "./metrics/relay-metrics.ts";
import { createServerMetrics } from "./metrics/server-metrics.ts";
import { ensureDefaults } from "./operations/networks.ts";
import { MemberRelays } from "./relays/member-relays.ts";
import { type OwnRelay, parseRelayListen, startOwnRelay } from "./relays/own-relay.ts";
import { RelayHosts, type ResolveHost } from "./relays/relay-hosts.ts";
import { keepRelays, startRelayUpkeep } from "./relays/relay-upkeep.ts";
import { setLastSeen } from "./store/nodes.ts";
import { type Database, openSqlite } from "./store/sqlite.ts";
import { StreamHub } from "./streams/hub.ts";
import { DEFAULT_STREAM_LIMITS, type StreamLimits } from "./streams/limits.ts";

export const DEFAULT_DATA_DIR = "/var/lib/asterism/server";

export interface ServerOptions {
  /** Folder for database, certificate and admin socket; made with mode 0700 if it is missing. */
  readonly dataDir?: string;
  /** `HOST:PORT`; port 0 takes any free one. */
  readonly listen?: string;
  /** `https://host[:port]` as agents reach it; guessed from this machine's addresses if left out. */
  readonly publicUrl?: string;
  /** `HOST:PORT` of the relay (STUN and TURN over UDP and TCP) with a numeric host, or `none`; default: port 3478. */
  readonly relay?: string;
  /** Public IPv4 address of a host behind a one-to-one NAT, for the relay. */
  readonly relayExternalIp?: string;
  /** Ranges in CIDR notation that the relay's users may reach though they are not public. */
  readonly relayAllowPeer?: readonly string[];
  /** `HOST:PORT` at which Prometheus metrics are served over HTTP, to anybody who asks; nowhere if left out. */
  readonly metrics?: string;
  /** Not supported yet: refused if given. */
  readonly database?: string;
  readonly logLevel?: "trace" | "debug" | "info" | "warn" | "error" | "silent";
  /** Milliseconds since 1970; the system's clock unless a test brings its own. */
  readonly wallNow?: () => number;
  /** Addresses of a name; the system's resolver unless a test brings its own. */
  readonly resolveHost?: ResolveHost;
  readonly streamLimits?: Partial<StreamLimits>;
  readonly joinLimits?: BucketLimits;
}

export interface RunningServer {
  /** As it stands in join keys. */
  readonly url: string;
  /** SHA-256 of the certificate, 32 bytes. */
  readonly fingerprint: Uint8Array;
  readonly port: number;
  readonly adminSocketPath: string;
  /** Port of the metrics, null if they are not served. */
  readonly metricsPort: number | null;
  /** Runs the regular clearing away at once; it runs by itself every 15 s. */
  keepHouse(): Promise<void>;
  /** Ends all streams, writes everything down and frees the data folder. */
  close(): Promise<void>;
}

const RESTART_SPREAD_MS = 3000;

/** Starts a server; it accepts members when the promise resolves. Throws `AsterismError` with what to do about it. */
export async function startServer(options: ServerOptions = {}): Promise<RunningServer> {
  refuseUnsupported(options);
  const listen = parseListen(options.listen ?? DEFAULT_LISTEN);
  const relayListen = parseRelayListen(options.relay, listen.host);
  const publicUrl = options.publicUrl === undefined ? undefined : parsePublicUrl(options.publicUrl);
  // Standard output belongs to the one line `ready: URL`.
  const log = pino({ level: options.logLevel ?? "info", base: null }, pino.destination({ dest: 2, sync: true }));
  const folder = await openDataFolder(options.dataDir ?? DEFAULT_DATA_DIR);
  try {
    const db = await openSqlite(folder.databasePath);
    try {
      return await startWithRelay({ options, listen, relayListen, publicUrl, folder, db, log });
    } catch (error) {
      await db.destroy();
      throw error;
    }
  } catch (error) {
    folder.release();
    throw error;
  }
}

interface StartUp {
  readonly options: ServerOptions;
  readonly listen: ListenAddress;
  readonly relayListen: ListenAddress | null;
  readonly publicUrl: string | undefined;
  readonly folder: DataFolder;
  readonly db: Database;
  readonly log: Logger;
}

async function startWithRelay(startUp: StartUp): Promise<RunningServer> {
  const { options, relayListen, folder, log } = startUp;
  if (relayListen === null) return await startOnDatabase(startUp, null);
  const { relayExternalIp: externalIpv4, relayAllowPeer: allowPeers = [] } = options;
  const relay = await startOwnRelay({ listen: relayListen, externalIpv4, allowPeers }, folder.path, log);
  try {
    return await startOnDatabase(startUp, relay);
  } catch (error) {
    await relay.close();
    throw error;
  }
}

async function startOnDatabase(startUp: StartUp, ownRelay: OwnRelay | null): Promise<RunningServer> {
  const { options, listen, publicUrl, folder } = startUp;
  const wallNow = options.wallNow ?? Date.now;
  const certificateHost = urlHost(publicUrl ?? guessPublicUrl(listen.host, listen.port));
  const certificate = await loadOrCreateCertificate(folder.path, certificateHost, wallNow());
  // The port, and with it the URL, is known once the server listens; nothing reads it before.
  const identity = { url: publicUrl ?? "", fingerprint: certificate.fingerprint, startedAt: wallNow() };
  const context = createContext(startUp, identity, ownRelay);
  await ensureDefaults(context, DEFAULT_IPV4_RANGE);
  const hub = new StreamHub(context);
  addNetworkGauges(context, hub);
  if (ownRelay !== null) addRelayMetrics(context.metrics.registry, () => ownRelay.status());
  const app = createPublicApp(context, hub, certificate, options.joinLimits);
  const turn = ownRelay === null ? null : separateTurnConnections(app.server, (socket) => ownRelay.acceptTls(socket));
  const upgrades = acceptControlStreams(app.server, context, hub, {
    ...DEFAULT_STREAM_LIMITS,
    ...options.streamLimits,
  });
  const admin = createAdminApp(context, hub);
  const metrics = options.metrics === undefined ? null : createMetricsApp(context);
  let port: number;
  let metricsPort: number | null = null;
  try {
    if (metrics !== null) metricsPort = await listenMetrics(metrics, parseListen(options.metrics ?? ""));
    port = await listenPublic(app, listen);
    identity.url = publicUrl ?? guessPublicUrl(listen.host, port);
    await listenAdmin(admin, folder.adminSocketPath);
  } catch (error) {
    await Promise.allSettled([app.close(), admin.close(), metrics?.close()]);
    throw error;
  }
  const upkeep = [startHousekeeping(context, hub), startRelayUpkeep(context, hub)];
  return runningServer({ app, admin, metrics, turn, upgrades, hub, upkeep }, context, folder, { port, metricsPort });
}

function createContext(startUp: StartUp, identity: ServerIdentity, ownRelay: OwnRelay | null): ServerContext {
  const { options, db, log } = startUp;
  const wallNow = options.wallNow ?? Date.now;
  return {
    db,
    identity,
    random: (sizeBytes) => new Uint8Array(randomBytes(sizeBytes)),
    wallNow,
    log,
    ownRelay,
    memberRelays: new MemberRelays(),
    relayHosts: new RelayHosts(wallNow, log, options.resolveHost),
    metrics: createServerMetrics(),
  };
}

function runningServer(
  parts: ServerParts,
  context: ServerContext,
  folder: DataFolder,
  ports: Pick<RunningServer, "port" | "metricsPort">,
): RunningServer {
  const { url, fingerprint } = context.identity;
  context.log.info({ url, fingerprint: formatFingerprint(fingerprint), port: ports.port }, "server ready");
  let closing: Promise<void> | undefined;
  return {
    url,
    fingerprint,
    ...ports,
    adminSocketPath: folder.adminSocketPath,
    keepHouse: async () => {
      await keepHouse(context, parts.hub);
      await keepRelays(context, parts.hub);
    },
    close: () => {
      closing ??= shutDown(parts, context, folder);
      return closing;
    },
  };
}

function refuseUnsupported(options: ServerOptions): void {
  if (options.database !== undefined) {
    throw new AsterismError(
      "not-supported",
      "--database is not supported in this version: the server keeps its data in SQLite in the data folder. Leave it out.",
    );
  }
}

/** Listens, on both families where `::` is asked for and on IPv4 alone where the machine has no IPv6; gives the port. */
async function listenPublic(app: FastifyInstance<HttpsServer>, address: ListenAddress): Promise<number> {
  try {
    await app.listen({ host: address.host, port: address.port, ipv6Only: false });
  } catch (cause) {
    const error = cause as NodeJS.ErrnoException;
    if (address.host !== "::" || !lacksIpv6(error)) throw listenError(address, error);
    try {
      await app.listen({ host: "0.0.0.0", port: address.port });
    } catch (secondCause) {
      throw listenError(address, secondCause as NodeJS.ErrnoException);
    }
  }
  // SAFETY: a server that listens on a port has an address with a port.
  return (app.server.address() as AddressInfo).port;
}

async function listenMetrics(app: FastifyInstance<HttpServer>, address: ListenAddress): Promise<number> {
  try {
    await app.listen({ host: address.host, port: address.port });
  } catch (cause) {
    throw listenError(address, cause as NodeJS.ErrnoException, "--metrics");
  }
  // SAFETY: a server that listens on a port has an address with a port.
  return (app.server.address() as AddressInfo).port;
}

async function listenAdmin(admin: FastifyInstance<HttpServer>, path: string): Promise<void> {
  // What is left of a server that was killed; the folder's lock says that nobody else uses it.
  await rm(path, { force: true });
  await admin.listen({ path });
  await chmod(path, 0o600);
}

interface ServerParts {
  readonly app: FastifyInstance<HttpsServer>;
  readonly admin: FastifyInstance<HttpServer>;
  readonly metrics: FastifyInstance<HttpServer> | null;
  readonly turn: TurnConnections | null;
  readonly upgrades: ControlUpgrades;
  readonly hub: StreamHub;
  /** Stop what runs by the clock. */
  readonly upkeep: readonly (() => Promise<void>)[];
}

async function shutDown(parts: ServerParts, context: ServerContext, folder: DataFolder): Promise<void> {
  const { app, admin, metrics, turn, upgrades, hub, upkeep } = parts;
  await Promise.all(upkeep.map((stop) => stop()));
  await setLastSeen(context.db, hub.allOnline(), context.wallNow());
  upgrades.close();
  hub.shutdown(RESTART_SPREAD_MS);
  turn?.close();
  await Promise.all([app.close(), admin.close(), metrics?.close()]);
  await upgrades.closed;
  await context.ownRelay?.close();
  await context.db.destroy();
  await rm(folder.adminSocketPath, { force: true });
  folder.release();
  context.log.info("server stopped");
}
