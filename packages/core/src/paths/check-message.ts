/**
 * Connectivity checks on the wire (docs/protocol-paths.md §3): STUN Binding requests and their answers.
 *
 * Both directions carry USERNAME = check id of the sender and MESSAGE-INTEGRITY-SHA256 under the pair's check key, so
 * an answer finds its peer as a request does, and neither can be reflected as the other.
 */
import { encodeUtf8 } from "../bytes/index.ts";
import { MAX_LINK_COST, type UdpAddress } from "../net/index.ts";
import {
  encodeAttributeTypes,
  encodeErrorCode,
  encodeStun,
  encodeUint32,
  encodeXorAddress,
  findAttribute,
  parseUint32,
  readXorAddress,
  STUN_ATTRIBUTE,
  STUN_METHOD_BINDING,
  type StunClass,
  type StunMessage,
  type StunToEncode,
  unknownRequiredAttributes,
  verifyFingerprint,
  verifyIntegrity,
} from "../stun/index.ts";
import { checkIdOf } from "./check-id.ts";
import type { PairKeys } from "./check-keys.ts";
import type { PathDropReason } from "./path-types.ts";
import { TRAFFIC_MODES, type TrafficMode } from "./traffic-mode.ts";

export interface CheckRequest {
  readonly kind: "request";
  readonly priority: number;
  /** Grows each time that the sender's place in the network changes; 0 if it has not. */
  readonly place: number;
  /** What the link costs that the sender uses for this path; undefined where it does not tell, as padded ones don't. */
  readonly cost: number | undefined;
  /** What the sender has chosen by command, null if nothing; undefined where it does not tell, as padded ones don't. */
  readonly mode: TrafficMode | null | undefined;
  /** The path that the sender uses does not answer. */
  readonly isInDoubt: boolean;
  /** Attributes that we would have to understand; the request must be refused. */
  readonly unknown: readonly number[];
}

export type Check =
  | CheckRequest
  /** `mapped`: our address as the peer saw it. */
  | { readonly kind: "answer"; readonly mapped: UdpAddress }
  | { readonly kind: "refusal" };

/** Attributes that a check may carry and a receiver must understand. */
const UNDERSTOOD: ReadonlySet<number> = new Set([
  STUN_ATTRIBUTE.username,
  STUN_ATTRIBUTE.priority,
  STUN_ATTRIBUTE.padding,
  STUN_ATTRIBUTE.xorMappedAddress,
  STUN_ATTRIBUTE.errorCode,
  STUN_ATTRIBUTE.unknownAttributes,
]);

/** Bytes of a request without padding. */
const REQUEST_BYTES = 92;
const ATTRIBUTE_HEADER_BYTES = 4;

interface RequestOptions {
  readonly paddedBytes?: number;
  readonly place?: number;
  readonly cost?: number;
  readonly mode?: TrafficMode | null;
  readonly isInDoubt?: boolean;
}

/**
 * `paddedBytes`: the size to pad the request to (PADDING, RFC 5780 §7.6), a multiple of 4 from 96 on. The others
 * are left out of padded requests, and while they are 0, null or false.
 */
export function encodeCheckRequest(
  keys: PairKeys,
  transactionId: Uint8Array,
  priority: number,
  { paddedBytes, place = 0, cost = 0, mode = null, isInDoubt = false }: RequestOptions = {},
): Uint8Array {
  const attributes: { type: number; value: Uint8Array }[] = [
    { type: STUN_ATTRIBUTE.priority, value: encodeUint32(priority) },
  ];
  if (paddedBytes !== undefined) {
    const value = new Uint8Array(paddedBytes - REQUEST_BYTES - ATTRIBUTE_HEADER_BYTES);
    attributes.push({ type: STUN_ATTRIBUTE.padding, value });
  } else {
    if (place > 0) attributes.push({ type: STUN_ATTRIBUTE.place, value: encodeUint32(place) });
    if (cost > 0) attributes.push({ type: STUN_ATTRIBUTE.linkCost, value: encodeUint32(cost) });
    if (mode !== null) attributes.push({ type: STUN_ATTRIBUTE.trafficMode, value: encodeUint32(modeNumber(mode)) });
    if (isInDoubt) attributes.push({ type: STUN_ATTRIBUTE.doubt, value: new Uint8Array() });
  }
  return encode(keys, "request", transactionId, attributes);
}

/** `seen` is the source address of the request. */
export function encodeCheckAnswer(keys: PairKeys, transactionId: Uint8Array, seen: UdpAddress): Uint8Array {
  const value = encodeXorAddress(seen, transactionId);
  return encode(keys, "success", transactionId, [{ type: STUN_ATTRIBUTE.xorMappedAddress, value }]);
}

/** 420 Unknown Attribute (RFC 8489 §6.3.1). */
export function encodeCheckRefusal(keys: PairKeys, transactionId: Uint8Array, unknown: readonly number[]): Uint8Array {
  return encode(keys, "error", transactionId, [
    { type: STUN_ATTRIBUTE.errorCode, value: encodeErrorCode({ code: 420, reason: "Unknown Attribute" }) },
    { type: STUN_ATTRIBUTE.unknownAttributes, value: encodeAttributeTypes(unknown) },
  ]);
}

/** An authentic check of the peer, or why it is none. */
export function readCheck(message: StunMessage, keys: PairKeys): Check | PathDropReason {
  if (message.method !== STUN_METHOD_BINDING || message.class === "indication") return "check-malformed";
  if (checkIdOf(message) !== keys.receiveCheckId) return "check-unauthenticated";
  if (verifyIntegrity(message, "sha256", keys.checkKey) !== "valid") return "check-unauthenticated";
  if (verifyFingerprint(message) !== "valid") return "check-malformed";
  const unknown = unknownRequiredAttributes(message, UNDERSTOOD);
  if (message.class === "request") return readRequest(message, unknown);
  if (unknown.length > 0) return "check-unknown-attribute";
  if (message.class === "error") return { kind: "refusal" };
  const mapped = readXorAddress(message, STUN_ATTRIBUTE.xorMappedAddress);
  return mapped === undefined ? "check-malformed" : { kind: "answer", mapped };
}

function readRequest(message: StunMessage, unknown: readonly number[]): Check | PathDropReason {
  const value = findAttribute(message, STUN_ATTRIBUTE.priority);
  const priority = value === undefined ? undefined : parseUint32(value);
  if (priority === undefined) return "check-malformed";
  const place = findAttribute(message, STUN_ATTRIBUTE.place);
  return {
    kind: "request",
    priority,
    place: (place && parseUint32(place)) ?? 0,
    cost: readCost(message),
    mode: readMode(message),
    isInDoubt: findAttribute(message, STUN_ATTRIBUTE.doubt) !== undefined,
    unknown,
  };
}

function readCost(message: StunMessage): number | undefined {
  if (findAttribute(message, STUN_ATTRIBUTE.padding) !== undefined) return undefined;
  const value = findAttribute(message, STUN_ATTRIBUTE.linkCost);
  return Math.min((value && parseUint32(value)) ?? 0, MAX_LINK_COST);
}

/** A mode that we don't know is no wish that we could grant. */
function readMode(message: StunMessage): TrafficMode | null | undefined {
  if (findAttribute(message, STUN_ATTRIBUTE.padding) !== undefined) return undefined;
  const value = findAttribute(message, STUN_ATTRIBUTE.trafficMode);
  const number = value && parseUint32(value);
  return number === undefined ? null : (TRAFFIC_MODES[number - 1] ?? null);
}

/** Its place among the modes, from 1. */
function modeNumber(mode: TrafficMode): number {
  return TRAFFIC_MODES.indexOf(mode) + 1;
}

function encode(
  keys: PairKeys,
  messageClass: StunClass,
  transactionId: Uint8Array,
  attributes: StunToEncode["attributes"],
): Uint8Array {
  const username = { type: STUN_ATTRIBUTE.username, value: encodeUtf8(keys.sendCheckId) };
  return encodeStun({
    class: messageClass,
    method: STUN_METHOD_BINDING,
    transactionId,
    attributes: [username, ...attributes],
    integrity: { kind: "sha256", key: keys.checkKey },
    fingerprint: true,
  });
}
