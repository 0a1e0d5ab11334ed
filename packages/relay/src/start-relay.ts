import { randomBytes } from "node:crypto";
import { createServer, type Server } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import { AsterismError, isAsterismError } from "@asterism/core/errors";
import type { UdpAddress } from "@asterism/core/net";
import type { ClockReading, WallTime } from "@asterism/core/time";
import { makeTurnCredentials, type TurnCredentials } from "@asterism/core/turn";
import { type AllocationId, engineNow, openRelayDevice, type RelayDevice, type RelayEvent } from "@asterism/engine";
import { expandHost, localAddresses } from "./local-addresses.ts";
import { checkOptions, type ListenAddress, type RelayOptions } from "./options.ts";
import { PeerPolicy } from "./peer-policy.ts";
import { StreamClients, type StreamSocket } from "./stream-clients.ts";
import { type RelayCounters, TurnServer } from "./turn-server.ts";
import { UdpListeners } from "./udp-listeners.ts";

export interface RunningRelay {
  readonly realm: string;
  /** Where clients can send to. */
  readonly addresses: {
    readonly udp: readonly UdpAddress[];
    /** Second ports, which answer STUN too. */
    readonly alternateUdp: readonly UdpAddress[];
    readonly tcp: readonly UdpAddress[];
    readonly tls: readonly UdpAddress[];
  };
  /** Credentials for a user of that name. */
  mintCredentials(user: string, ttlSeconds: number): TurnCredentials;
  /** Takes over a connection that speaks TURN, after TLS: for a port that is shared with other protocols. */
  acceptStream(socket: StreamSocket): void;
  status(): RelayStatus;
  close(): Promise<void>;
}

export interface RelayStatus {
  readonly allocations: number;
  readonly connections: number;
  readonly requests: RelayCounters;
  /** Data that was dropped, by reason; packets. */
  readonly dataDrops: Readonly<Record<string, number>>;
  readonly streamDrops: Readonly<Partial<Record<string, number>>>;
}

const DEFAULT_MAX_ALLOCATIONS = 10_000;
const DEFAULT_MAX_ALLOCATIONS_PER_USER = 64;
const DEFAULT_MAX_CONNECTIONS = 10_000;
const DEFAULT_MAX_CONNECTIONS_PER_SOURCE = 256;
const CHALLENGES = { perSecond: 50, atOnce: 500 };
const FOLLOW_ADDRESSES_MS = 10_000;
const TLS_HANDSHAKE_TIMEOUT_MS = 10_000;
/** Where the port is left open. */
const MAX_PORT_CHOICES = 5;

/** Starts a STUN and TURN server; it answers when the promise resolves. Throws `AsterismError` with what to do about it. */
export async function startRelay(options: RelayOptions): Promise<RunningRelay> {
  for (let triesLeft = letsPortsBeChosen(options) ? MAX_PORT_CHOICES : 1; ; ) {
    const relay = new Relay(options);
    try {
      await relay.listen();
      return relay;
    } catch (error) {
      await relay.close();
      triesLeft -= 1;
      if (triesLeft === 0 || !isAsterismError(error, "address-in-use")) throw error;
    }
  }
}

/** The port that UDP gets may be another program's over TCP: then other ports are as good. */
function letsPortsBeChosen({ listen, tlsListen = [] }: RelayOptions): boolean {
  return listen.length > 0 && [...listen, ...tlsListen].every(({ port }) => port === 0);
}

class Relay implements RunningRelay {
  readonly realm: string;
  readonly #options: RelayOptions;
  readonly #device: RelayDevice;
  readonly #machine: TurnServer;
  readonly #udp: UdpListeners;
  readonly #streams: StreamClients;
  readonly #servers: { readonly kind: "tcp" | "tls"; readonly server: Server }[] = []; // bounded: by options.listen
  readonly #streamOf = new Map<AllocationId, number>(); // bounded: allocations
  #timer: NodeJS.Timeout | undefined;
  #follower: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(options: RelayOptions) {
    const { realm, ports, allowPeers } = checkOptions(options);
    this.realm = realm;
    this.#options = options;
    this.#device = openRelayDevice({}, (events) => this.#handleEvents(events));
    this.#udp = new UdpListeners(this.#device, options.listen);
    const { externalIpv4 } = options;
    this.#machine = new TurnServer({
      forwarding: this.#device,
      secret: options.secret,
      realm,
      ports,
      policy: new PeerPolicy(allowPeers),
      maxAllocations: options.maxAllocations ?? DEFAULT_MAX_ALLOCATIONS,
      maxAllocationsPerUser: options.maxAllocationsPerUser ?? DEFAULT_MAX_ALLOCATIONS_PER_USER,
      userBytesPerSecond: options.userBytesPerSecond ?? 0,
      challenges: CHALLENGES,
      ...(externalIpv4 === undefined
        ? {}
        : { publicAddress: (address) => (address.includes(":") ? address : externalIpv4) }),
      random: (sizeBytes) => new Uint8Array(randomBytes(sizeBytes)),
    });
    this.#streams = new StreamClients({
      maxConnections: options.maxConnections ?? DEFAULT_MAX_CONNECTIONS,
      maxConnectionsPerSource: options.maxConnectionsPerSource ?? DEFAULT_MAX_CONNECTIONS_PER_SOURCE,
      onRequest: (client, bytes) => {
        this.#machine.handleStreamMessage(client, bytes, readClock());
        const allocation = this.#machine.allocations.find(client);
        if (allocation !== undefined) this.#streamOf.set(allocation.id, client.streamId);
        this.#drain();
      },
      onFrames: (client, bytes) => {
        const allocation = this.#machine.allocations.find(client);
        if (allocation !== undefined && !this.#closed) this.#device.sendFrames(allocation.id, bytes);
      },
      onClosed: (client) => {
        const allocation = this.#machine.allocations.find(client);
        if (allocation !== undefined) this.#streamOf.delete(allocation.id);
        if (!this.#closed) this.#machine.handleStreamClosed(client);
      },
      isNeeded: (client) => this.#machine.allocations.find(client) !== undefined,
    });
  }

  get addresses(): RunningRelay["addresses"] {
    const of = (kind: "tcp" | "tls"): UdpAddress[] =>
      this.#servers.filter((entry) => entry.kind === kind).map(({ server }) => localOf(server));
    return { udp: this.#udp.primary, alternateUdp: this.#udp.alternate, tcp: of("tcp"), tls: of("tls") };
  }

  async listen(): Promise<void> {
    const { listen, tlsListen = [], tls } = this.#options;
    const addresses = localAddresses();
    this.#udp.openAll(addresses);
    const udpPorts = this.#udp.primary.map(({ port }) => port);
    for (const [index, { host, port }] of listen.entries()) {
      // With port 0, TCP takes the port that UDP got.
      await this.#listenStream("tcp", createServer(), { host, port: port === 0 ? (udpPorts[index] ?? 0) : port });
    }
    for (const address of tlsListen) {
      if (tls === undefined) throw new AsterismError("invalid-input", "TURN over TLS needs a certificate and its key.");
      const server = createTlsServer({
        cert: tls.certificatePem,
        key: tls.keyPem,
        handshakeTimeout: TLS_HANDSHAKE_TIMEOUT_MS,
        ALPNCallback: ({ protocols }) => (protocols.includes("stun.turn") ? "stun.turn" : protocols[0]),
      });
      server.on("tlsClientError", (_error, socket) => socket.destroy());
      await this.#listenStream("tls", server, address);
    }
    this.#setAddresses(addresses);
    this.#follower = setInterval(() => this.#followAddresses(), FOLLOW_ADDRESSES_MS);
    this.#follower.unref();
  }

  mintCredentials(user: string, ttlSeconds: number): TurnCredentials {
    return makeTurnCredentials(this.#options.secret, user, (Date.now() + ttlSeconds * 1_000) as WallTime);
  }

  acceptStream(socket: StreamSocket): void {
    if (this.#closed) socket.destroy();
    else this.#streams.accept(socket);
  }

  status(): RelayStatus {
    return {
      allocations: this.#machine.allocations.size,
      connections: this.#streams.size,
      requests: this.#machine.counters,
      dataDrops: this.#closed ? {} : this.#device.readDrops(),
      streamDrops: this.#streams.drops,
    };
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#timer);
    clearInterval(this.#follower);
    this.#streams.close();
    this.#device.close();
    await Promise.all(this.#servers.map(({ server }) => new Promise<void>((resolve) => server.close(() => resolve()))));
  }

  async #listenStream(kind: "tcp" | "tls", server: Server, { host, port }: ListenAddress): Promise<void> {
    server.maxConnections = this.#options.maxConnections ?? DEFAULT_MAX_CONNECTIONS;
    server.on(kind === "tcp" ? "connection" : "secureConnection", (socket: StreamSocket) => this.acceptStream(socket));
    try {
      await listenOn(server, host, port);
    } catch (cause) {
      const error = cause as NodeJS.ErrnoException;
      const lacksIpv6 = host === "::" && (error.code === "EAFNOSUPPORT" || error.code === "EADDRNOTAVAIL");
      if (!lacksIpv6) throw listenFailure(kind, host, port, error);
      await listenOn(server, "0.0.0.0", port);
    }
    server.on("error", (error) => this.#options.log?.("warn", `${kind} listener failed`, { error: error.message }));
    this.#servers.push({ kind, server });
  }

  #setAddresses(addresses: readonly string[]): void {
    const listening = this.#options.listen.flatMap(({ host }) => expandHost(host, addresses));
    // A relay that only takes over connections relays from every address.
    const relaying = listening.length > 0 ? listening : addresses;
    this.#machine.setAddresses(this.#udp.all, [...new Set(relaying)], addresses);
  }

  #followAddresses(): void {
    const addresses = localAddresses();
    const gone = this.#udp.gone(addresses);
    const remaining = this.#udp.all.filter((listener) => !gone.includes(listener));
    if (gone.length > 0) {
      const listening = this.#options.listen.flatMap(({ host }) => expandHost(host, addresses));
      this.#machine.setAddresses(remaining, listening, addresses);
      for (const listener of gone) this.#udp.close(listener);
    }
    if (this.#udp.follow(addresses) || gone.length > 0) {
      this.#options.log?.("info", "relay addresses changed", { addresses });
    }
    this.#setAddresses(addresses);
  }

  #handleEvents(events: readonly RelayEvent[]): void {
    for (const event of events) {
      if (event.kind === "frames") {
        const streamId = this.#streamOf.get(event.allocationId);
        if (streamId !== undefined) this.#streams.sendFrames(streamId, event.bytes);
      } else if (event.classic) {
        this.#machine.handleClassicDatagram(event.listenerId, event.from, event.bytes);
      } else {
        this.#machine.handleDatagram(event.listenerId, event.from, event.bytes, readClock());
      }
    }
    this.#drain();
  }

  #drain(): void {
    for (let transmit = this.#machine.pollTransmit(); transmit !== undefined; transmit = this.#machine.pollTransmit()) {
      if (transmit.via === "stream") this.#streams.sendAnswer(transmit.streamId, transmit.bytes);
      else this.#device.reply(transmit.listenerId, transmit.to, transmit.bytes);
    }
    this.#schedule();
  }

  #schedule(): void {
    const at = this.#machine.pollTimeout();
    if (at === undefined || this.#timer !== undefined) return;
    // Later than the deadline is early enough: the engine forwards nothing after it.
    const delayMs = Math.max(at - readClock().now, 0) + 1_000;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#machine.handleTimeout(readClock().now);
      this.#forgetStreams();
      this.#drain();
    }, delayMs);
    this.#timer.unref();
  }

  #forgetStreams(): void {
    const live = new Set([...this.#machine.allocations.values()].map(({ id }) => id));
    for (const id of this.#streamOf.keys()) if (!live.has(id)) this.#streamOf.delete(id);
  }
}

/** The engine's clock (CLOCK_BOOTTIME) and the wall's. */
function readClock(): ClockReading {
  return { now: engineNow(), wall: Date.now() as WallTime };
}

function listenOn(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ host, port, ipv6Only: false }, () => {
      server.off("error", reject);
      resolve();
    });
  });
}

function listenFailure(kind: string, host: string, port: number, cause: NodeJS.ErrnoException): AsterismError {
  const where = host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
  const code = cause.code === "EADDRINUSE" ? "address-in-use" : "permission-denied";
  return new AsterismError(code, `The relay can't listen on ${where} (${kind}): ${cause.message}`, {
    cause,
    details: { address: where },
  });
}

function localOf(server: Server): UdpAddress {
  const address = server.address();
  if (address === null || typeof address === "string") return { address: "::", port: 0 };
  return { address: address.address, port: address.port };
}
