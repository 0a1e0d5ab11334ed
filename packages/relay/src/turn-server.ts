/**
 * The deciding half of a STUN and TURN server (RFC 8489, RFC 5780, RFC 8656) in the shape of a sans-I/O machine.
 *
 * Requests come in by `handleDatagram` and `handleStreamMessage`, answers leave by `pollTransmit`. Data never comes
 * here: what is decided goes into a `ForwardingTable`, by which the packet engine forwards.
 *
 * Nothing is remembered of a client before it has proved to have credentials, and an answer to one that has not is at
 * most three times as long as its request.
 */
import { parseIpAddress } from "@asterism/core/addresses";
import type { UdpAddress } from "@asterism/core/net";
import type { RandomBytes } from "@asterism/core/random";
import {
  encodeAttributeTypes,
  encodeErrorCode,
  encodeStun,
  parseStun,
  STUN_ATTRIBUTE,
  STUN_METHOD_BINDING,
  type StunMessage,
  unknownRequiredAttributes,
  verifyFingerprint,
} from "@asterism/core/stun";
import type { ClockReading, Instant } from "@asterism/core/time";
import { TURN_ATTRIBUTE, TURN_ERROR, TURN_METHOD, type TurnErrorCode } from "@asterism/core/turn";
import type { ListenerId } from "@asterism/engine";
import { allocate, refresh } from "./allocate.ts";
import { type Allocation, AllocationTable } from "./allocation-table.ts";
import { type Authenticated, type AuthenticationResult, Authenticator } from "./authentication.ts";
import {
  encodeBindingAnswer,
  encodeClassicAnswer,
  MAX_AMPLIFICATION,
  parseClassicRequest,
  readChangeRequest,
  readResponsePort,
} from "./binding-answers.ts";
import type { TurnClientAddress } from "./client.ts";
import type { ForwardingTable } from "./forwarding.ts";
import { Listeners, type UdpListener } from "./listeners.ts";
import { Nonces } from "./nonces.ts";
import type { PeerPolicy } from "./peer-policy.ts";
import { bindChannel, createPermission } from "./peers.ts";
import { type PortRange, RelayedPorts } from "./relayed-ports.ts";
import type { AnswerAttribute, TurnAnswer, TurnContext, TurnRequest } from "./request.ts";
import { SourceLimiter, type SourceLimits } from "./source-limiter.ts";

export interface TurnServerOptions {
  readonly forwarding: ForwardingTable;
  /** Of the TURN REST scheme. */
  readonly secret: string;
  readonly realm: string;
  readonly ports: PortRange;
  readonly policy: PeerPolicy;
  readonly maxAllocations: number;
  readonly maxAllocationsPerUser: number;
  /** In each direction; 0 is unlimited. */
  readonly userBytesPerSecond: number;
  /** Answers 401 and 438 to one source network. */
  readonly challenges: SourceLimits;
  /** How others see an address of this host, where that differs. */
  readonly publicAddress?: (address: string) => string;
  readonly random: RandomBytes;
}

export type Transmit = { readonly bytes: Uint8Array } & (
  | { readonly via: "udp"; readonly listenerId: ListenerId; readonly to: UdpAddress }
  | { readonly via: "stream"; readonly streamId: number }
);

export type RelayDropReason =
  | "stun-malformed"
  | "not-a-request"
  | "unknown-method"
  | "challenges-limited"
  | "would-amplify"
  | "no-way-back";

export interface RelayCounters {
  readonly requests: number;
  readonly answers: number;
  /** Error answers, by code. */
  readonly errors: Readonly<Record<number, number>>;
  readonly drops: Readonly<Partial<Record<RelayDropReason, number>>>;
}

const UNDERSTOOD: ReadonlySet<number> = new Set([
  STUN_ATTRIBUTE.changeRequest,
  STUN_ATTRIBUTE.username,
  STUN_ATTRIBUTE.realm,
  STUN_ATTRIBUTE.nonce,
  STUN_ATTRIBUTE.priority,
  STUN_ATTRIBUTE.useCandidate,
  STUN_ATTRIBUTE.padding,
  STUN_ATTRIBUTE.responsePort,
  ...Object.values(TURN_ATTRIBUTE),
]);

/** Clients that look for NATs that drop fragments pad their requests to more than an Ethernet frame (RFC 5780 §4.5). */
const MAX_REQUEST_BYTES = 2_048;

const HANDLERS: Readonly<Record<number, (c: TurnContext, r: TurnRequest, a: Allocation) => TurnAnswer>> = {
  [TURN_METHOD.refresh]: refresh,
  [TURN_METHOD.createPermission]: createPermission,
  [TURN_METHOD.channelBind]: bindChannel,
};

export class TurnServer {
  readonly #options: TurnServerOptions;
  readonly #authenticator: Authenticator;
  readonly #challenges: SourceLimiter;
  readonly #context: TurnContext;
  readonly #listeners = new Listeners();
  #addresses: readonly string[] = [];
  readonly #transmits: Transmit[] = []; // bounded: one per input, drained after each
  #requests = 0;
  #answers = 0;
  readonly #errors: Record<number, number> = {};
  readonly #drops: Partial<Record<RelayDropReason, number>> = {};

  constructor(options: TurnServerOptions) {
    this.#options = options;
    const nonces = new Nonces(options.random(32));
    this.#authenticator = new Authenticator({ secret: options.secret, realm: options.realm, nonces });
    this.#challenges = new SourceLimiter(options.challenges);
    this.#context = {
      allocations: new AllocationTable(options.forwarding, options),
      forwarding: options.forwarding,
      ports: new RelayedPorts(options.ports, options.random),
      policy: options.policy,
      userBytesPerSecond: options.userBytesPerSecond,
      random: options.random,
      relayAddress: (client, family) => this.#relayAddress(client, family),
      publicAddress: options.publicAddress ?? ((address) => address),
      localAddress: (address) =>
        this.#addresses.find((local) => this.#context.publicAddress(local) === address) ?? address,
    };
  }

  get allocations(): AllocationTable {
    return this.#context.allocations;
  }

  get counters(): RelayCounters {
    return { requests: this.#requests, answers: this.#answers, errors: { ...this.#errors }, drops: { ...this.#drops } };
  }

  /**
   * Tells where clients can send to, and the host's addresses for relayed addresses. Allocations of listeners that are
   * gone end. `ownAddresses`: every address of this host, which clients may not reach through it.
   */
  setAddresses(
    listeners: readonly UdpListener[],
    relayAddresses: readonly string[],
    ownAddresses: readonly string[],
  ): void {
    this.#listeners.set(listeners);
    this.#addresses = relayAddresses;
    const relaying = [...relayAddresses, ...relayAddresses.map((address) => this.#context.publicAddress(address))];
    this.#options.policy.setAddresses(relaying, ownAddresses);
    for (const allocation of [...this.allocations.values()]) {
      const { client, relayed } = allocation;
      const isGone = client.via === "udp" && this.#listeners.get(client.listenerId) === undefined;
      if (isGone || relayed.some(({ address }) => !relayAddresses.includes(address)))
        this.allocations.remove(allocation);
    }
  }

  handleDatagram(listenerId: ListenerId, from: UdpAddress, bytes: Uint8Array, at: ClockReading): void {
    this.#handle({ via: "udp", listenerId, remote: from }, bytes, at);
  }

  /** A Binding request of RFC 3489, which knows neither cookie nor TURN. */
  handleClassicDatagram(listenerId: ListenerId, from: UdpAddress, bytes: Uint8Array): void {
    this.#requests += 1;
    const listener = this.#listeners.get(listenerId);
    const request = parseClassicRequest(bytes);
    if (listener === undefined || request === undefined) {
      this.#drop("stun-malformed");
      return;
    }
    const leaving = this.#leaving(listener, request.change);
    if (leaving === undefined) {
      this.#drop("no-way-back");
      return;
    }
    const addresses = { mapped: from, origin: this.#public(leaving.local), other: this.#otherOf(listener) };
    this.#transmits.push({
      via: "udp",
      listenerId: leaving.id,
      to: from,
      bytes: encodeClassicAnswer(request, addresses),
    });
    this.#answers += 1;
  }

  handleStreamMessage(client: TurnClientAddress & { via: "stream" }, bytes: Uint8Array, at: ClockReading): void {
    this.#handle(client, bytes, at);
  }

  handleStreamClosed(client: TurnClientAddress & { via: "stream" }): void {
    const allocation = this.allocations.find(client);
    if (allocation !== undefined) this.allocations.remove(allocation);
  }

  handleTimeout(now: Instant): void {
    this.allocations.handleTimeout(now);
  }

  pollTimeout(): Instant | undefined {
    return this.allocations.pollTimeout();
  }

  pollTransmit(): Transmit | undefined {
    return this.#transmits.shift();
  }

  #handle(client: TurnClientAddress, bytes: Uint8Array, at: ClockReading): void {
    this.#requests += 1;
    this.allocations.handleTimeout(at.now);
    const parsed = parseStun(bytes, MAX_REQUEST_BYTES);
    if (!parsed.ok || verifyFingerprint(parsed.message) === "invalid") {
      this.#drop("stun-malformed");
      return;
    }
    const { message } = parsed;
    if (message.class !== "request") {
      this.#drop("not-a-request");
      return;
    }
    if (message.method === STUN_METHOD_BINDING) {
      this.#answerBinding(client, message);
      return;
    }
    if (message.method !== TURN_METHOD.allocate && HANDLERS[message.method] === undefined) {
      this.#drop("unknown-method");
      return;
    }
    const allocation = this.allocations.find(client);
    const checked = this.#authenticator.check(message, client.remote.address, allocation?.username, at);
    if (!checked.ok) {
      this.#challenge(client, message, checked, at);
      return;
    }
    const unknown = unknownRequiredAttributes(message, UNDERSTOOD);
    if (unknown.length > 0) {
      this.#refuse(client, message, TURN_ERROR.unknownAttribute, checked, unknown);
      return;
    }
    const answer = this.#decide({ message, client, mapped: client.remote, credentials: checked, at }, allocation);
    if (!answer.ok) {
      this.#refuse(client, message, answer.code, checked);
      return;
    }
    this.#answer(client, message, "success", answer.attributes, checked);
  }

  #decide(request: TurnRequest, allocation: Allocation | undefined): TurnAnswer {
    const handler = HANDLERS[request.message.method];
    if (handler === undefined) return allocate(this.#context, request);
    if (allocation === undefined) return { ok: false, code: TURN_ERROR.allocationMismatch };
    // By the name, not the whole username: an agent that was restarted has newer credentials.
    if (allocation.user !== request.credentials.user) return { ok: false, code: TURN_ERROR.wrongCredentials };
    return handler(this.#context, request, allocation);
  }

  #answerBinding(client: TurnClientAddress, message: StunMessage): void {
    const unknown = unknownRequiredAttributes(message, UNDERSTOOD);
    if (unknown.length > 0) {
      this.#refuse(client, message, TURN_ERROR.unknownAttribute, undefined, unknown);
      return;
    }
    const change = readChangeRequest(message);
    const responsePort = readResponsePort(message);
    if (change === null || responsePort === null) {
      this.#refuse(client, message, TURN_ERROR.badRequest, undefined);
      return;
    }
    const listener = client.via === "udp" ? this.#listeners.get(client.listenerId) : undefined;
    const leaving = listener === undefined ? undefined : this.#leaving(listener, change);
    if (leaving === undefined && (client.via === "udp" || change.changeIp || change.changePort)) {
      // RFC 5780 §6.1: a server that can't change what it is asked to says that it does not know the attribute.
      const types = [STUN_ATTRIBUTE.changeRequest];
      this.#refuse(client, message, TURN_ERROR.unknownAttribute, undefined, types);
      return;
    }
    const bytes = encodeBindingAnswer(message, {
      mapped: client.remote,
      origin: this.#public(leaving?.local ?? localOf(client)),
      other: listener === undefined ? undefined : this.#otherOf(listener),
    });
    this.#answers += 1;
    if (leaving === undefined || client.via === "stream") this.#transmit(client, bytes);
    else {
      const to = { address: client.remote.address, port: responsePort ?? client.remote.port };
      this.#transmits.push({ via: "udp", listenerId: leaving.id, to, bytes });
    }
  }

  #leaving(listener: UdpListener, change: { changeIp: boolean; changePort: boolean }): UdpListener | undefined {
    return change.changeIp || change.changePort ? this.#listeners.pick(listener, change) : listener;
  }

  #otherOf(listener: UdpListener): UdpAddress | undefined {
    const other = this.#listeners.other(listener);
    return other === undefined ? undefined : this.#public(other.local);
  }

  #public({ address, port }: UdpAddress): UdpAddress {
    return { address: this.#context.publicAddress(address), port };
  }

  #challenge(
    client: TurnClientAddress,
    message: StunMessage,
    { code, why }: Exclude<AuthenticationResult, Authenticated>,
    at: ClockReading,
  ): void {
    if (!this.#challenges.take(client.remote.address, at.now)) {
      this.#drop("challenges-limited");
      return;
    }
    const challenge = why === "incomplete" ? [] : this.#authenticator.challenge(client.remote.address, at);
    // No reason phrase: it has no room, and whoever reads it knows the number.
    const error = { type: STUN_ATTRIBUTE.errorCode, value: encodeErrorCode({ code, reason: "" }) };
    this.#countError(code);
    this.#answer(client, message, "error", [error, ...challenge], undefined);
  }

  #refuse(
    client: TurnClientAddress,
    message: StunMessage,
    code: TurnErrorCode,
    credentials: Authenticated | undefined,
    unknown: readonly number[] = [],
  ): void {
    const reason = credentials === undefined ? "" : (REASONS[code] ?? "");
    const attributes: AnswerAttribute[] = [
      { type: STUN_ATTRIBUTE.errorCode, value: encodeErrorCode({ code, reason }) },
    ];
    if (unknown.length > 0) {
      attributes.push({ type: STUN_ATTRIBUTE.unknownAttributes, value: encodeAttributeTypes(unknown) });
    }
    this.#countError(code);
    this.#answer(client, message, "error", attributes, credentials);
  }

  #answer(
    client: TurnClientAddress,
    message: StunMessage,
    messageClass: "success" | "error",
    attributes: readonly AnswerAttribute[],
    credentials: Authenticated | undefined,
  ): void {
    const bytes = encodeStun({
      class: messageClass,
      method: message.method,
      transactionId: message.transactionId,
      attributes,
      ...(credentials === undefined ? {} : { integrity: credentials.integrity }),
      fingerprint: verifyFingerprint(message) === "valid",
    });
    const isTooLong = client.via === "udp" && bytes.length > MAX_AMPLIFICATION * message.bytes.length;
    if (credentials === undefined && isTooLong) {
      this.#drop("would-amplify");
      return;
    }
    this.#answers += 1;
    this.#transmit(client, bytes);
  }

  #transmit(client: TurnClientAddress, bytes: Uint8Array): void {
    if (client.via === "stream") this.#transmits.push({ via: "stream", streamId: client.streamId, bytes });
    else this.#transmits.push({ via: "udp", listenerId: client.listenerId, to: client.remote, bytes });
  }

  #relayAddress(client: TurnClientAddress, family: 4 | 6): string | undefined {
    const local = client.via === "udp" ? this.#listeners.get(client.listenerId)?.local : client.local;
    const ofFamily = this.#addresses.filter((address) => parseIpAddress(address)?.length === (family === 4 ? 4 : 16));
    return ofFamily.find((address) => address === local?.address) ?? ofFamily[0];
  }

  #drop(reason: RelayDropReason): void {
    this.#drops[reason] = (this.#drops[reason] ?? 0) + 1;
  }

  #countError(code: number): void {
    this.#errors[code] = (this.#errors[code] ?? 0) + 1;
  }
}

function localOf(client: TurnClientAddress): UdpAddress {
  return client.via === "stream" ? client.local : client.remote;
}

const REASONS: Readonly<Partial<Record<TurnErrorCode, string>>> = {
  400: "Bad Request",
  403: "Forbidden",
  420: "Unknown Attribute",
  437: "Allocation Mismatch",
  440: "Address Family not Supported",
  441: "Wrong Credentials",
  442: "Unsupported Transport Protocol",
  443: "Peer Address Family Mismatch",
  486: "Allocation Quota Reached",
  508: "Insufficient Capacity",
};
