/**
 * A TURN and STUN server of the virtual internet (RFC 8656 over UDP and streams): long-term credentials, allocations, permissions,
 * channels, indications. It keeps the rules that clients rely on and counts what it carries; it is no model of a real
 * server's limits.
 */
import { formatUdpAddress, type LinkId, type PathAddress, type UdpAddress, udpAddressEquals } from "@asterism/core/net";
import {
  encodeErrorCode,
  encodeStun,
  encodeUint32,
  encodeXorAddress,
  findAttribute,
  longTermKey,
  looksLikeStun,
  parseStun,
  parseUint32,
  readXorAddress,
  STUN_ATTRIBUTE,
  STUN_METHOD_BINDING,
  type StunMessage,
  verifyIntegrity,
} from "@asterism/core/stun";
import type { Instant } from "@asterism/core/time";
import {
  encodeChannelData,
  looksLikeChannelData,
  parseChannelData,
  parseChannelNumber,
  TURN_ATTRIBUTE,
  TURN_ERROR,
  TURN_METHOD,
  TurnStreamReader,
} from "@asterism/core/turn";
import type { Attachment } from "./segment.ts";
import type { StreamHandlers, VirtualStream } from "./stream-stack.ts";
import type { VirtualHost, VirtualInterface, VirtualMachine } from "./virtual-host.ts";

export interface VirtualRelayOptions {
  readonly host: VirtualHost;
  readonly interface: VirtualInterface;
  readonly port?: number;
  /** Takes streams there: TCP at the first, what stands for TLS at the second. */
  readonly streamPorts?: { readonly tcp: number | null; readonly tls: number | null };
  readonly username?: string;
  readonly password?: string;
}

interface Allocation {
  readonly client: PathAddress;
  readonly relayed: UdpAddress;
  /** The socket of the relayed address. */
  readonly linkId: LinkId;
  expiresAt: Instant;
  /** Addresses that may send, and until when. */
  readonly permissions: Map<string, Instant>;
  readonly channels: Map<number, { readonly peer: UdpAddress; expiresAt: Instant }>;
}

interface Answer {
  readonly code?: number;
  readonly attributes?: readonly { readonly type: number; readonly value: Uint8Array }[];
}

const REALM = "virtual";
const LIFETIME_SECONDS = 600;
const PERMISSION_MS = 300_000;
const CHANNEL_MS = 600_000;
const FIRST_RELAYED_PORT = 50_000;
/** WireGuard transport data, as the virtual engine makes it. */
const DATA_TYPE = 4;
const MAX_INDICATED_BYTES = 1_400;

export class VirtualRelay implements VirtualMachine {
  readonly address: UdpAddress;
  readonly username: string;
  readonly password: string;
  /** Packets of tunnels, not of their making: what a capture at a relay that nobody needs must not show. */
  carriedData = 0;
  readonly #host: VirtualHost;
  readonly #interface: VirtualInterface;
  readonly #linkId: LinkId;
  readonly #key: Uint8Array;
  readonly #outgoing: { to: PathAddress; bytes: Uint8Array }[] = [];
  #allocations: Allocation[] = []; // bounded: by the scenario
  #nextPort = FIRST_RELAYED_PORT;
  #nonce = 1;
  readonly streamPorts: { readonly tcp: number | null; readonly tls: number | null };
  /** By the number that stands for a stream where a socket's would. */
  readonly #streams = new Map<LinkId, VirtualStream>(); // bounded: by the scenario
  #isRunning = true;

  constructor(options: VirtualRelayOptions) {
    const port = options.port ?? 3_478;
    this.#host = options.host;
    this.#interface = options.interface;
    this.#linkId = this.#host.openSocket(this.#interface, port);
    this.address = { address: this.#interface.ipv4 ?? "", port };
    this.username = options.username ?? "user";
    this.password = options.password ?? "password";
    this.#key = longTermKey(this.username, REALM, this.password);
    this.streamPorts = options.streamPorts ?? { tcp: null, tls: null };
    this.#listen();
    this.#host.run(this);
  }

  get allocationCount(): number {
    return this.#allocations.filter(({ expiresAt }) => expiresAt > this.#host.now).length;
  }

  get attachment(): Attachment {
    return this.#interface.attachment;
  }

  get isRunning(): boolean {
    return this.#isRunning;
  }

  /** The relay's process; while it does not run nothing is answered, and its streams are gone. */
  set isRunning(isRunning: boolean) {
    if (isRunning === this.#isRunning) return;
    this.#isRunning = isRunning;
    if (isRunning) this.#listen();
    else this.#closeStreams();
  }

  /** Clients that are connected by a stream. */
  get streamCount(): number {
    return this.#streams.size;
  }

  /** All allocations are forgotten, streams are closed, and nonces are refused. */
  restart(): void {
    this.#closeStreams();
    if (this.#isRunning) this.#listen();
    for (const { linkId } of this.#allocations.splice(0)) this.#host.closeSocket(linkId);
    this.#nonce += 1;
  }

  handleDatagram(bytes: Uint8Array, from: PathAddress, now: Instant): boolean {
    if (!this.isRunning) return false;
    const own = this.#allocations.find(({ linkId }) => linkId === from.linkId);
    if (from.linkId !== this.#linkId) {
      if (own !== undefined) this.#fromPeer(own, bytes, from.remote, now);
    } else if (looksLikeChannelData(bytes)) this.#fromChannel(bytes, from, now);
    else if (looksLikeStun(bytes)) this.#fromClient(bytes, from, now);
    return true;
  }

  handleTimeout(): void {
    // It has no timers: what has expired is found so when it is used.
  }

  pollTimeout(): undefined {
    return undefined;
  }

  pollTransmit(): { to: PathAddress; bytes: Uint8Array } | undefined {
    return this.#outgoing.shift();
  }

  // Streams

  #listen(): void {
    for (const port of this.#ports()) this.#host.listenForStreams(port, (stream) => this.#accept(stream));
  }

  #closeStreams(): void {
    for (const port of this.#ports()) this.#host.closeStreamPort(port);
    for (const stream of this.#streams.values()) stream.close();
    this.#streams.clear();
  }

  #ports(): number[] {
    return [this.streamPorts.tcp, this.streamPorts.tls].filter((port) => port !== null);
  }

  #accept(stream: VirtualStream): StreamHandlers {
    const linkId = this.#host.nextLinkId();
    const from = { linkId, remote: stream.remote, channel: null };
    const reader = new TurnStreamReader();
    this.#streams.set(linkId, stream);
    return {
      onBytes: (bytes) => {
        for (const frame of reader.handleStream(bytes)) {
          if (frame.kind === "stun") this.#fromClient(frame.bytes, from, this.#host.now);
          else this.#fromChannel(frame.bytes, from, this.#host.now);
        }
      },
      onClosed: () => {
        this.#streams.delete(linkId);
        this.#keep(({ client }) => client.linkId !== linkId);
      },
    };
  }

  // What is carried

  #fromPeer(allocation: Allocation, bytes: Uint8Array, peer: UdpAddress, now: Instant): void {
    const permittedUntil = allocation.permissions.get(peer.address);
    if (allocation.expiresAt <= now || permittedUntil === undefined || permittedUntil <= now) return;
    this.#count(bytes);
    const bound = [...allocation.channels].find(([, channel]) => udpAddressEquals(channel.peer, peer));
    if (bound !== undefined && bound[1].expiresAt > now) {
      const padding = this.#streams.has(allocation.client.linkId) ? "padded" : "bare";
      this.#send(allocation.client, encodeChannelData({ channel: bound[0], data: bytes }, padding));
      return;
    }
    // It would not fit into a datagram with what an indication adds.
    if (bytes.length > MAX_INDICATED_BYTES) return;
    const transactionId = this.#newTransactionId();
    const attributes = [
      { type: TURN_ATTRIBUTE.xorPeerAddress, value: encodeXorAddress(peer, transactionId) },
      { type: TURN_ATTRIBUTE.data, value: bytes },
    ];
    const indication = { class: "indication" as const, method: TURN_METHOD.data, transactionId, attributes };
    this.#send(allocation.client, encodeStun(indication));
  }

  #fromChannel(bytes: Uint8Array, from: PathAddress, now: Instant): void {
    const parsed = parseChannelData(bytes);
    const allocation = this.#allocationOf(from, now);
    const bound = parsed.ok ? allocation?.channels.get(parsed.channel) : undefined;
    if (!parsed.ok || allocation === undefined || bound === undefined || bound.expiresAt <= now) return;
    this.#count(parsed.data);
    this.#sendToPeer(allocation, bound.peer, parsed.data, now);
  }

  /** The peer may be another allocation of this relay. */
  #sendToPeer({ linkId, relayed }: Allocation, peer: UdpAddress, data: Uint8Array, now: Instant): void {
    if (peer.address !== this.address.address) {
      this.#send({ linkId, remote: peer, channel: null }, data);
      return;
    }
    const neighbour = this.#allocations.find((other) => udpAddressEquals(other.relayed, peer));
    if (neighbour !== undefined) this.#fromPeer(neighbour, data, relayed, now);
  }

  #count(bytes: Uint8Array): void {
    if (bytes[0] === DATA_TYPE) this.carriedData += 1;
  }

  // Requests

  #fromClient(bytes: Uint8Array, from: PathAddress, now: Instant): void {
    const parsed = parseStun(bytes);
    if (!parsed.ok) return;
    const { message } = parsed;
    if (message.class === "indication") this.#handleSend(message, from, now);
    if (message.class !== "request") return;
    if (message.method === STUN_METHOD_BINDING) {
      this.#answer(message, from, { attributes: [this.#mappedAddress(message, from)] });
      return;
    }
    const refusal = this.#authenticate(message);
    this.#answer(message, from, refusal ?? this.#handleRequest(message, from, now));
  }

  #authenticate(message: StunMessage): Answer | undefined {
    const challenge = [
      { type: STUN_ATTRIBUTE.realm, value: new TextEncoder().encode(REALM) },
      { type: STUN_ATTRIBUTE.nonce, value: this.#currentNonce() },
    ];
    const verdict = verifyIntegrity(message, "sha1", this.#key);
    if (verdict !== "valid") return { code: TURN_ERROR.unauthenticated, attributes: challenge };
    const nonce = new TextDecoder().decode(findAttribute(message, STUN_ATTRIBUTE.nonce));
    const isStale = nonce !== new TextDecoder().decode(this.#currentNonce());
    return isStale ? { code: TURN_ERROR.staleNonce, attributes: challenge } : undefined;
  }

  #handleRequest(message: StunMessage, from: PathAddress, now: Instant): Answer {
    const allocation = this.#allocationOf(from, now);
    if (message.method === TURN_METHOD.allocate) return this.#allocate(message, from, allocation, now);
    if (allocation === undefined) return { code: TURN_ERROR.allocationMismatch };
    switch (message.method) {
      case TURN_METHOD.refresh:
        return this.#refresh(message, allocation, now);
      case TURN_METHOD.createPermission:
      case TURN_METHOD.channelBind:
        return this.#permit(message, allocation, now);
      default:
        return { code: TURN_ERROR.badRequest };
    }
  }

  #allocate(message: StunMessage, client: PathAddress, known: Allocation | undefined, now: Instant): Answer {
    if (known !== undefined) return { code: TURN_ERROR.allocationMismatch };
    this.#keep(({ expiresAt }) => expiresAt > now);
    const port = this.#nextPort++;
    const relayed = { address: this.address.address, port };
    const linkId = this.#host.openSocket(this.#interface, port);
    const expiresAt = (now + LIFETIME_SECONDS * 1_000) as Instant;
    this.#allocations.push({ client, relayed, linkId, expiresAt, permissions: new Map(), channels: new Map() });
    return {
      attributes: [
        { type: TURN_ATTRIBUTE.xorRelayedAddress, value: encodeXorAddress(relayed, message.transactionId) },
        this.#mappedAddress(message, client),
        { type: TURN_ATTRIBUTE.lifetime, value: encodeUint32(LIFETIME_SECONDS) },
      ],
    };
  }

  #refresh(message: StunMessage, allocation: Allocation, now: Instant): Answer {
    const wanted = findAttribute(message, TURN_ATTRIBUTE.lifetime);
    const isClosing = wanted !== undefined && parseUint32(wanted) === 0;
    if (isClosing) this.#keep((other) => other !== allocation);
    const lifetimeSeconds = isClosing ? 0 : LIFETIME_SECONDS;
    allocation.expiresAt = (now + lifetimeSeconds * 1_000) as Instant;
    return { attributes: [{ type: TURN_ATTRIBUTE.lifetime, value: encodeUint32(lifetimeSeconds) }] };
  }

  #keep(isKept: (allocation: Allocation) => boolean): void {
    for (const allocation of this.#allocations) if (!isKept(allocation)) this.#host.closeSocket(allocation.linkId);
    this.#allocations = this.#allocations.filter(isKept);
  }

  #permit(message: StunMessage, allocation: Allocation, now: Instant): Answer {
    const peer = readXorAddress(message, TURN_ATTRIBUTE.xorPeerAddress);
    if (peer === undefined) return { code: TURN_ERROR.badRequest };
    if (peer.address.includes(":")) return { code: TURN_ERROR.peerAddressFamilyMismatch };
    allocation.permissions.set(peer.address, (now + PERMISSION_MS) as Instant);
    if (message.method === TURN_METHOD.createPermission) return {};
    const number = findAttribute(message, TURN_ATTRIBUTE.channelNumber);
    const channel = number === undefined ? undefined : parseChannelNumber(number);
    const isTaken = [...allocation.channels].some(
      ([other, { peer: bound, expiresAt }]) => expiresAt > now && (other === channel) !== udpAddressEquals(bound, peer),
    );
    if (channel === undefined || isTaken) return { code: TURN_ERROR.badRequest };
    allocation.channels.set(channel, { peer, expiresAt: (now + CHANNEL_MS) as Instant });
    return {};
  }

  #handleSend(message: StunMessage, from: PathAddress, now: Instant): void {
    const allocation = this.#allocationOf(from, now);
    const peer = readXorAddress(message, TURN_ATTRIBUTE.xorPeerAddress);
    const data = findAttribute(message, TURN_ATTRIBUTE.data);
    if (message.method !== TURN_METHOD.send || allocation === undefined || peer === undefined || data === undefined)
      return;
    if ((allocation.permissions.get(peer.address) ?? 0) <= now) return;
    this.#count(data);
    this.#sendToPeer(allocation, peer, data, now);
  }

  #allocationOf(from: PathAddress, now: Instant): Allocation | undefined {
    const key = formatUdpAddress(from.remote);
    return this.#allocations.find(({ client, expiresAt }) => {
      return client.linkId === from.linkId && formatUdpAddress(client.remote) === key && expiresAt > now;
    });
  }

  #answer(message: StunMessage, to: PathAddress, { code, attributes = [] }: Answer): void {
    const isSigned = message.method !== STUN_METHOD_BINDING && code !== TURN_ERROR.unauthenticated;
    const bytes = encodeStun({
      class: code === undefined ? "success" : "error",
      method: message.method,
      transactionId: message.transactionId,
      attributes: code === undefined ? attributes : [errorOf(code), ...attributes],
      ...(isSigned ? { integrity: { kind: "sha1" as const, key: this.#key } } : {}),
      fingerprint: true,
    });
    this.#send(to, bytes);
  }

  #mappedAddress(message: StunMessage, from: PathAddress): { type: number; value: Uint8Array } {
    return { type: STUN_ATTRIBUTE.xorMappedAddress, value: encodeXorAddress(from.remote, message.transactionId) };
  }

  #currentNonce(): Uint8Array {
    return new TextEncoder().encode(`nonce-${this.#nonce}`);
  }

  #newTransactionId(): Uint8Array {
    return new Uint8Array(12).fill(this.#nextPort % 256);
  }

  #send(to: PathAddress, bytes: Uint8Array): void {
    const stream = this.#streams.get(to.linkId);
    if (stream === undefined) this.#outgoing.push({ to, bytes });
    else stream.send(bytes);
  }
}

function errorOf(code: number): { type: number; value: Uint8Array } {
  return { type: STUN_ATTRIBUTE.errorCode, value: encodeErrorCode({ code, reason: "" }) };
}
