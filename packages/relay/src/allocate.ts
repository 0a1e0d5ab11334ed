/** Allocate and Refresh (RFC 8656 §7.2, §8.2). */

import { bytesEqual } from "@asterism/core/bytes";
import type { UdpAddress } from "@asterism/core/net";
import {
  encodeUint32,
  encodeXorAddress,
  findAttribute,
  parseUint32,
  STUN_ATTRIBUTE,
  type StunMessage,
} from "@asterism/core/stun";
import { addMs, type Instant } from "@asterism/core/time";
import {
  type AddressFamily,
  encodeAddressError,
  parseAddressFamily,
  parseEvenPort,
  parseRequestedTransport,
  parseReservationToken,
  TRANSPORT_UDP,
  TURN_ATTRIBUTE,
  TURN_ERROR,
  type TurnErrorCode,
} from "@asterism/core/turn";
import type { Allocation } from "./allocation-table.ts";
import { CREDENTIAL_GRACE_MS } from "./authentication.ts";
import { type AnswerAttribute, refuse, type TurnAnswer, type TurnContext, type TurnRequest } from "./request.ts";

/** ADDITIONAL-ADDRESS-FAMILY as coturn's client numbers it, from a draft. */
const DRAFT_ADDITIONAL_ADDRESS_FAMILY = 0x8032;
const DEFAULT_LIFETIME_SECONDS = 600;
const MAX_LIFETIME_SECONDS = 3_600;

interface Wish {
  /** The first must be had; the second may fail. */
  readonly families: readonly AddressFamily[];
  readonly evenPort: "any" | "even" | "even-and-next";
  readonly token: Uint8Array | undefined;
  readonly lifetimeSeconds: number;
}

export function allocate(context: TurnContext, request: TurnRequest): TurnAnswer {
  const existing = context.allocations.find(request.client);
  if (existing !== undefined) return answerAgain(existing, request);
  const wish = readWish(request.message);
  if (typeof wish === "number") return refuse(wish);
  switch (context.allocations.refusal(request.credentials.user)) {
    case "user-quota":
      return refuse(TURN_ERROR.allocationQuotaReached);
    case "full":
      return refuse(TURN_ERROR.insufficientCapacity);
    case undefined:
      return open(context, request, wish);
  }
}

/** A repeated request (RFC 8656 §7.2: the answer was lost), or another one for a five-tuple that is taken. */
function answerAgain(existing: Allocation, { message, credentials }: TurnRequest): TurnAnswer {
  const isRepeated = existing.user === credentials.user && bytesEqual(existing.transactionId, message.transactionId);
  return isRepeated ? { ok: true, attributes: existing.answer } : refuse(TURN_ERROR.allocationMismatch);
}

function readWish(message: StunMessage): Wish | TurnErrorCode {
  const transport = findAttribute(message, TURN_ATTRIBUTE.requestedTransport);
  const protocol = transport === undefined ? undefined : parseRequestedTransport(transport);
  if (protocol === undefined) return TURN_ERROR.badRequest;
  if (protocol !== TRANSPORT_UDP) return TURN_ERROR.unsupportedTransport;
  const families = readFamilies(message);
  if (typeof families === "number") return families;
  const tokenValue = findAttribute(message, TURN_ATTRIBUTE.reservationToken);
  const token = tokenValue === undefined ? undefined : parseReservationToken(tokenValue);
  const even = findAttribute(message, TURN_ATTRIBUTE.evenPort);
  const evenPort = even === undefined ? undefined : parseEvenPort(even);
  const isTokenWrong = tokenValue !== undefined && (token === undefined || even !== undefined || hasFamily(message));
  const isEvenWrong = even !== undefined && (evenPort === undefined || (evenPort.reserveNext && families.length > 1));
  const lifetimeSeconds = readLifetime(message);
  if (isTokenWrong || isEvenWrong || lifetimeSeconds === undefined) return TURN_ERROR.badRequest;
  return { families, evenPort: evenPortWish(evenPort), token, lifetimeSeconds };
}

function evenPortWish(evenPort: { readonly reserveNext: boolean } | undefined): Wish["evenPort"] {
  if (evenPort === undefined) return "any";
  return evenPort.reserveNext ? "even-and-next" : "even";
}

function hasFamily(message: StunMessage): boolean {
  return (
    findAttribute(message, TURN_ATTRIBUTE.requestedAddressFamily) !== undefined || additionalOf(message) !== undefined
  );
}

function additionalOf(message: StunMessage): Uint8Array | undefined {
  return (
    findAttribute(message, TURN_ATTRIBUTE.additionalAddressFamily) ??
    findAttribute(message, DRAFT_ADDITIONAL_ADDRESS_FAMILY)
  );
}

function readFamilies(message: StunMessage): readonly AddressFamily[] | TurnErrorCode {
  const requested = findAttribute(message, TURN_ATTRIBUTE.requestedAddressFamily);
  const additional = additionalOf(message);
  if (additional !== undefined) {
    // Only IPv6 comes in addition, and only to what goes without saying.
    const isRight = requested === undefined && parseAddressFamily(additional) === 6;
    return isRight ? [4, 6] : TURN_ERROR.badRequest;
  }
  if (requested === undefined) return [4];
  const family = parseAddressFamily(requested);
  if (family === undefined) return TURN_ERROR.badRequest;
  return family === "unsupported" ? TURN_ERROR.addressFamilyNotSupported : [family];
}

/** Seconds, within the server's bounds; 0 stays 0. Undefined if malformed. */
function readLifetime(message: StunMessage): number | undefined {
  const value = findAttribute(message, TURN_ATTRIBUTE.lifetime);
  if (value === undefined) return DEFAULT_LIFETIME_SECONDS;
  const seconds = parseUint32(value);
  if (seconds === undefined || seconds === 0) return seconds;
  return Math.min(Math.max(seconds, DEFAULT_LIFETIME_SECONDS), MAX_LIFETIME_SECONDS);
}

function open(context: TurnContext, request: TurnRequest, wish: Wish): TurnAnswer {
  const { client, credentials, message, at } = request;
  const addresses = wish.families.flatMap((family) => context.relayAddress(client, family) ?? []);
  const hasFirst = context.relayAddress(client, wish.families[0] ?? 4) !== undefined;
  if (!hasFirst) return refuse(TURN_ERROR.addressFamilyNotSupported);
  const lifetimeSeconds = wish.lifetimeSeconds === 0 ? DEFAULT_LIFETIME_SECONDS : wish.lifetimeSeconds;
  const expiresAt = addMs(at.now, lifetimeSeconds * 1_000);
  const opened = openAtFreePorts(context, request, wish, addresses, expiresAt);
  if (opened === undefined) return refuse(TURN_ERROR.insufficientCapacity);
  const answer: AnswerAttribute[] = opened.relayed.map(({ address, port }) => ({
    type: TURN_ATTRIBUTE.xorRelayedAddress,
    value: encodeXorAddress({ address: context.publicAddress(address), port }, message.transactionId),
  }));
  answer.push({ type: TURN_ATTRIBUTE.lifetime, value: encodeUint32(lifetimeSeconds) });
  if (opened.token !== undefined) answer.push({ type: TURN_ATTRIBUTE.reservationToken, value: opened.token });
  answer.push({
    type: STUN_ATTRIBUTE.xorMappedAddress,
    value: encodeXorAddress(request.mapped, message.transactionId),
  });
  if (opened.relayed.length < wish.families.length) {
    const error = { family: 6, code: TURN_ERROR.addressFamilyNotSupported, reason: "no IPv6 here" } as const;
    answer.push({ type: TURN_ATTRIBUTE.addressErrorCode, value: encodeAddressError(error) });
  }
  context.allocations.add({
    id: opened.id,
    client,
    username: credentials.username,
    user: credentials.user,
    credentialsExpireAt: credentials.credentialsExpireAt,
    relayed: opened.relayed,
    expiresAt,
    channels: new Map(),
    transactionId: message.transactionId.slice(),
    answer,
  });
  return { ok: true, attributes: answer };
}

interface Opened {
  readonly id: Allocation["id"];
  readonly relayed: readonly UdpAddress[];
  readonly token: Uint8Array | undefined;
}

function openAtFreePorts(
  context: TurnContext,
  request: TurnRequest,
  wish: Wish,
  addresses: readonly string[],
  expiresAt: Instant,
): Opened | undefined {
  const { now } = request.at;
  const user = request.credentials.user;
  if (wish.token !== undefined) {
    const reservation = context.ports.claim(wish.token, user, now);
    if (reservation === undefined) return undefined;
    const { address, port } = reservation;
    const id = openAt(context, request, [{ address, port }], expiresAt);
    return id === undefined ? undefined : { id, relayed: [{ address, port }], token: undefined };
  }
  const [first = ""] = addresses;
  for (const port of context.ports.candidates(first, wish.evenPort === "any" ? "any" : "even", now)) {
    let token: Uint8Array | undefined;
    const relayed = addresses.map((address) => ({ address, port }));
    const id = openAt(context, request, relayed, expiresAt);
    if (id === undefined) continue;
    if (wish.evenPort === "even-and-next") {
      const next = { address: first, port: port + 1, user, expiresAt: context.ports.expiryOf(now) };
      token = context.ports.reserve(next, now);
      if (token === undefined) {
        context.forwarding.closeAllocation(id);
        continue;
      }
    }
    return { id, relayed, token };
  }
  return undefined;
}

function openAt(
  context: TurnContext,
  { client, credentials }: TurnRequest,
  relayed: readonly UdpAddress[],
  expiresAt: Instant,
): Allocation["id"] | undefined {
  return context.forwarding.openAllocation({
    client: client.via === "udp" ? { listenerId: client.listenerId, remote: client.remote } : null,
    relayed,
    user: context.allocations.userNumber(credentials.user),
    userBytesPerSecond: context.userBytesPerSecond,
    expiresAt,
  });
}

export function refresh(context: TurnContext, request: TurnRequest, allocation: Allocation): TurnAnswer {
  const lifetimeSeconds = readLifetime(request.message);
  const wanted = findAttribute(request.message, TURN_ATTRIBUTE.requestedAddressFamily);
  const family = wanted === undefined ? undefined : parseAddressFamily(wanted);
  if (lifetimeSeconds === undefined || (wanted !== undefined && family === undefined)) {
    return refuse(TURN_ERROR.badRequest);
  }
  const isOfFamily = ({ address }: UdpAddress): boolean => address.includes(":") === (family === 6);
  if (family !== undefined && !allocation.relayed.some(isOfFamily)) return refuse(TURN_ERROR.peerAddressFamilyMismatch);
  const lifetime = (seconds: number): TurnAnswer => ({
    ok: true,
    attributes: [{ type: TURN_ATTRIBUTE.lifetime, value: encodeUint32(seconds) }],
  });
  if (lifetimeSeconds === 0) {
    allocation.relayed = family === undefined ? [] : allocation.relayed.filter((address) => !isOfFamily(address));
    if (allocation.relayed.length === 0) context.allocations.remove(allocation);
    return lifetime(0);
  }
  const graceSeconds = Math.floor((allocation.credentialsExpireAt + CREDENTIAL_GRACE_MS - request.at.wall) / 1_000);
  const seconds = Math.min(lifetimeSeconds, Math.max(graceSeconds, 1));
  context.allocations.extend(allocation, addMs(request.at.now, seconds * 1_000));
  return lifetime(seconds);
}
