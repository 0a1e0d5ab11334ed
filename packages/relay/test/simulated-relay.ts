/** A `TurnServer` in virtual time with an engine's table that only remembers, and a client that makes requests. */

import { parseIpRange } from "@asterism/core/addresses";
import { encodeUtf8 } from "@asterism/core/bytes";
import type { UdpAddress } from "@asterism/core/net";
import {
  encodeStun,
  encodeUint32,
  encodeXorAddress,
  findAttribute,
  longTermKey,
  parseErrorCode,
  parseStun,
  readXorAddress,
  STUN_ATTRIBUTE,
  type StunMessage,
  verifyIntegrity,
} from "@asterism/core/stun";
import type { ClockReading, Instant, WallTime } from "@asterism/core/time";
import {
  encodeChannelNumber,
  encodeRequestedTransport,
  makeTurnCredentials,
  TURN_ATTRIBUTE,
  TURN_METHOD,
  type TurnCredentials,
} from "@asterism/core/turn";
import type { AllocationId, AllocationOptions } from "@asterism/engine";
import type { TurnClientAddress } from "../src/client.ts";
import type { ForwardingTable } from "../src/forwarding.ts";
import type { UdpListener } from "../src/listeners.ts";
import { PeerPolicy } from "../src/peer-policy.ts";
import { TurnServer, type TurnServerOptions } from "../src/turn-server.ts";

export const SECRET = "a secret for tests";
export const REALM = "asterism";
export const SERVER = "203.0.113.1";
export const SERVER_V6 = "2001:db8::1";
export const CLIENT: UdpAddress = { address: "198.51.100.7", port: 4000 };
export const PEER: UdpAddress = { address: "192.0.2.9", port: 5000 };
const WALL_START = 1_795_000_000_000;

export interface RememberedAllocation {
  readonly options: AllocationOptions;
  expiresAt: Instant;
  readonly permissions: Map<string, { relayedOnly: boolean; expiresAt: Instant }>;
  readonly channels: Map<number, { peer: UdpAddress; expiresAt: Instant }>;
}

export class RememberingTable implements ForwardingTable {
  readonly allocations = new Map<AllocationId, RememberedAllocation>();
  readonly takenPorts = new Set<number>();
  maxPermissions = 1_024;
  #nextId = 1;

  openAllocation(options: AllocationOptions): AllocationId | undefined {
    if (options.relayed.some(({ port }) => this.takenPorts.has(port))) return undefined;
    for (const { port } of options.relayed) this.takenPorts.add(port);
    const id = this.#nextId;
    this.#nextId += 1;
    this.allocations.set(id, {
      options,
      expiresAt: options.expiresAt,
      permissions: new Map(),
      channels: new Map(),
    });
    return id;
  }

  closeAllocation(id: AllocationId): void {
    for (const { port } of this.get(id).options.relayed) this.takenPorts.delete(port);
    this.allocations.delete(id);
  }

  setExpiry(id: AllocationId, expiresAt: Instant): void {
    this.get(id).expiresAt = expiresAt;
  }

  setPermission(id: AllocationId, address: string, relayedOnly: boolean, expiresAt: Instant): boolean {
    const { permissions } = this.get(id);
    if (permissions.size >= this.maxPermissions && !permissions.has(address)) return false;
    permissions.set(address, { relayedOnly, expiresAt });
    return true;
  }

  setChannel(id: AllocationId, channel: number, peer: UdpAddress, expiresAt: Instant): boolean {
    this.get(id).channels.set(channel, { peer, expiresAt });
    return true;
  }

  get(id: AllocationId): RememberedAllocation {
    const allocation = this.allocations.get(id);
    if (allocation === undefined) throw new Error(`no allocation ${id}`);
    return allocation;
  }

  get only(): RememberedAllocation {
    const [first, ...more] = this.allocations.values();
    if (first === undefined || more.length > 0) throw new Error(`${this.allocations.size} allocations`);
    return first;
  }
}

export interface Attribute {
  readonly type: number;
  readonly value: Uint8Array;
}

export interface Asked {
  readonly method: number;
  readonly attributes?: readonly Attribute[];
  readonly transactionId?: Uint8Array;
}

export class SimulatedRelay {
  readonly table = new RememberingTable();
  readonly server: TurnServer;
  nowMs = 1_000_000;
  #random = 1;
  #transactions = 0;

  constructor(options: Partial<TurnServerOptions> & { allow?: readonly string[] } = {}) {
    const allowed = (options.allow ?? []).flatMap((text) => parseIpRange(text) ?? []);
    this.server = new TurnServer({
      forwarding: this.table,
      secret: SECRET,
      realm: REALM,
      ports: { min: 50_000, max: 50_099 },
      policy: new PeerPolicy(allowed),
      maxAllocations: 100,
      maxAllocationsPerUser: 10,
      userBytesPerSecond: 0,
      challenges: { perSecond: 10, atOnce: 50 },
      random: (sizeBytes) => this.#bytes(sizeBytes),
      ...options,
    });
    this.setListeners([
      { id: 0, local: { address: SERVER, port: 3478 } },
      { id: 1, local: { address: SERVER, port: 3479 } },
      { id: 2, local: { address: SERVER_V6, port: 3478 } },
    ]);
  }

  setListeners(listeners: readonly UdpListener[]): void {
    const addresses = [...new Set(listeners.map(({ local }) => local.address))];
    this.server.setAddresses(listeners, addresses, addresses);
  }

  get at(): ClockReading {
    return { now: this.nowMs as Instant, wall: (WALL_START + this.nowMs) as WallTime };
  }

  advance(ms: number): void {
    this.nowMs += ms;
    const due = this.server.pollTimeout();
    if (due !== undefined && due <= this.nowMs) this.server.handleTimeout(this.nowMs as Instant);
  }

  credentials(user = "user", ttlMs = 3_600_000): TurnCredentials {
    return makeTurnCredentials(SECRET, user, (this.at.wall + ttlMs) as WallTime);
  }

  newTransactionId(): Uint8Array {
    this.#transactions += 1;
    const id = new Uint8Array(12);
    new DataView(id.buffer).setUint32(8, this.#transactions);
    return id;
  }

  /** Bytes in, the answer's bytes out. */
  exchange(bytes: Uint8Array, from: UdpAddress | TurnClientAddress = CLIENT): Uint8Array | undefined {
    if (!("via" in from)) this.server.handleDatagram(0, from, bytes, this.at);
    else if (from.via === "stream") this.server.handleStreamMessage(from, bytes, this.at);
    else this.server.handleDatagram(from.listenerId, from.remote, bytes, this.at);
    return this.server.pollTransmit()?.bytes;
  }

  #bytes(sizeBytes: number): Uint8Array {
    return Uint8Array.from({ length: sizeBytes }, () => {
      this.#random = (Math.imul(this.#random, 1_664_525) + 1_013_904_223) >>> 0;
      return this.#random >>> 24;
    });
  }
}

/** A client with credentials, at one five-tuple. */
export class SimulatedClient {
  readonly relay: SimulatedRelay;
  readonly from: UdpAddress | TurnClientAddress;
  credentials: TurnCredentials;
  nonce: Uint8Array | undefined;

  constructor(relay: SimulatedRelay, options: { from?: UdpAddress | TurnClientAddress; user?: string } = {}) {
    this.relay = relay;
    this.from = options.from ?? CLIENT;
    this.credentials = relay.credentials(options.user);
  }

  /** Asks with credentials, learning the nonce first. */
  ask(asked: Asked): StunMessage {
    if (this.nonce === undefined) {
      const challenge = this.askBare({ method: TURN_METHOD.allocate, attributes: [transport()] });
      this.nonce = findAttribute(challenge, STUN_ATTRIBUTE.nonce)?.slice();
    }
    const key = longTermKey(this.credentials.username, REALM, this.credentials.password);
    const bytes = encodeStun({
      class: "request",
      method: asked.method,
      transactionId: asked.transactionId ?? this.relay.newTransactionId(),
      attributes: [
        ...(asked.attributes ?? []),
        { type: STUN_ATTRIBUTE.username, value: encodeUtf8(this.credentials.username) },
        { type: STUN_ATTRIBUTE.realm, value: encodeUtf8(REALM) },
        { type: STUN_ATTRIBUTE.nonce, value: this.nonce ?? new Uint8Array() },
      ],
      integrity: { kind: "sha1", key },
    });
    const answer = parsed(this.relay.exchange(bytes, this.from));
    if (codeOf(answer) !== 401 && codeOf(answer) !== 438 && verifyIntegrity(answer, "sha1", key) !== "valid") {
      throw new Error("the answer's integrity is wrong");
    }
    return answer;
  }

  askBare({ method, attributes = [], transactionId }: Asked): StunMessage {
    const id = transactionId ?? this.relay.newTransactionId();
    return parsed(
      this.relay.exchange(encodeStun({ class: "request", method, transactionId: id, attributes }), this.from),
    );
  }

  allocate(attributes: readonly Attribute[] = [], transactionId?: Uint8Array): StunMessage {
    return this.ask({
      method: TURN_METHOD.allocate,
      attributes: [transport(), ...attributes],
      ...(transactionId === undefined ? {} : { transactionId }),
    });
  }

  refresh(seconds: number, attributes: readonly Attribute[] = []): StunMessage {
    return this.ask({ method: TURN_METHOD.refresh, attributes: [lifetime(seconds), ...attributes] });
  }

  permit(...peers: readonly UdpAddress[]): StunMessage {
    const transactionId = this.relay.newTransactionId();
    const attributes = peers.map((peer) => ({
      type: TURN_ATTRIBUTE.xorPeerAddress,
      value: encodeXorAddress(peer, transactionId),
    }));
    return this.ask({ method: TURN_METHOD.createPermission, attributes, transactionId });
  }

  bind(channel: number, peer: UdpAddress): StunMessage {
    const transactionId = this.relay.newTransactionId();
    const attributes = [
      { type: TURN_ATTRIBUTE.channelNumber, value: encodeChannelNumber(channel) },
      { type: TURN_ATTRIBUTE.xorPeerAddress, value: encodeXorAddress(peer, transactionId) },
    ];
    return this.ask({ method: TURN_METHOD.channelBind, attributes, transactionId });
  }
}

export function transport(protocol = 17): Attribute {
  return { type: TURN_ATTRIBUTE.requestedTransport, value: encodeRequestedTransport(protocol) };
}

export function lifetime(seconds: number): Attribute {
  return { type: TURN_ATTRIBUTE.lifetime, value: encodeUint32(seconds) };
}

export function parsed(bytes: Uint8Array | undefined): StunMessage {
  if (bytes === undefined) throw new Error("no answer");
  const result = parseStun(bytes);
  if (!result.ok) throw new Error(result.reason);
  return result.message;
}

/** The error code, or undefined for a success. */
export function codeOf(message: StunMessage): number | undefined {
  const value = findAttribute(message, STUN_ATTRIBUTE.errorCode);
  return value === undefined ? undefined : parseErrorCode(value)?.code;
}

export function relayedOf(message: StunMessage): UdpAddress | undefined {
  return readXorAddress(message, TURN_ATTRIBUTE.xorRelayedAddress);
}

export function lifetimeOf(message: StunMessage): number | undefined {
  const value = findAttribute(message, TURN_ATTRIBUTE.lifetime);
  return value === undefined ? undefined : new DataView(value.buffer, value.byteOffset, 4).getUint32(0);
}
