/** The requests that a client makes (RFC 8656 §7–12), without credentials. */
import type { UdpAddress } from "../net/index.ts";
import { encodeUint32, encodeXorAddress } from "../stun/index.ts";
import { TRANSPORT_UDP, TURN_ATTRIBUTE, TURN_METHOD } from "./attribute-types.ts";
import {
  type AddressFamily,
  encodeAddressFamily,
  encodeChannelNumber,
  encodeRequestedTransport,
} from "./attribute-values.ts";
import type { PeerBinding } from "./peer-bindings.ts";
import type { TurnPurpose, TurnRequest } from "./requests.ts";
import { LIFETIME_SECONDS } from "./timings.ts";

export function allocateRequest(families: readonly AddressFamily[]): TurnRequest {
  const attributes = [
    { type: TURN_ATTRIBUTE.requestedTransport, value: encodeRequestedTransport(TRANSPORT_UDP) },
    lifetime(LIFETIME_SECONDS),
  ];
  // IPv4 goes without saying, which every relay understands (RFC 8656 §7.1); both come by one request for IPv4 and more.
  if (families.length > 1) {
    attributes.push({ type: TURN_ATTRIBUTE.additionalAddressFamily, value: encodeAddressFamily(6) });
  } else if (families[0] === 6) {
    attributes.push({ type: TURN_ATTRIBUTE.requestedAddressFamily, value: encodeAddressFamily(6) });
  }
  return { purpose: "allocate", method: TURN_METHOD.allocate, attributes: () => attributes };
}

/** A lifetime of 0 deletes the allocation. */
export function refreshRequest(purpose: Extract<TurnPurpose, "refresh" | "clear" | "close">): TurnRequest {
  const attributes = [lifetime(purpose === "refresh" ? LIFETIME_SECONDS : 0)];
  return { purpose, method: TURN_METHOD.refresh, attributes: () => attributes };
}

/** CreatePermission, or ChannelBind, which includes it. */
export function bindingRequest({ key, peer, channel }: PeerBinding): TurnRequest {
  if (channel === null) {
    return {
      purpose: { permit: key },
      method: TURN_METHOD.createPermission,
      attributes: (transactionId) => [peerAddress(peer, transactionId)],
    };
  }
  const number = { type: TURN_ATTRIBUTE.channelNumber, value: encodeChannelNumber(channel) };
  return {
    purpose: { bind: key },
    method: TURN_METHOD.channelBind,
    attributes: (transactionId) => [number, peerAddress(peer, transactionId)],
  };
}

function lifetime(seconds: number): { type: number; value: Uint8Array } {
  return { type: TURN_ATTRIBUTE.lifetime, value: encodeUint32(seconds) };
}

function peerAddress(peer: UdpAddress, transactionId: Uint8Array): { type: number; value: Uint8Array } {
  return { type: TURN_ATTRIBUTE.xorPeerAddress, value: encodeXorAddress(peer, transactionId) };
}
