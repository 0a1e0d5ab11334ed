/** CreatePermission and ChannelBind (RFC 8656 §9.2, §11.2). */
import { type UdpAddress, udpAddressEquals } from "@asterism/core/net";
import { findAttribute, parseXorAddress } from "@asterism/core/stun";
import { addMs, type Instant } from "@asterism/core/time";
import {
  MAX_LEGACY_CHANNEL,
  MIN_CHANNEL,
  parseChannelNumber,
  TURN_ATTRIBUTE,
  TURN_ERROR,
  type TurnErrorCode,
} from "@asterism/core/turn";
import type { Allocation } from "./allocation-table.ts";
import { refuse, type TurnAnswer, type TurnContext, type TurnRequest } from "./request.ts";

export const PERMISSION_LIFETIME_MS = 300_000;
export const CHANNEL_LIFETIME_MS = 600_000;

export function createPermission(context: TurnContext, request: TurnRequest, allocation: Allocation): TurnAnswer {
  const { message } = request;
  const values = message.attributes.filter(({ type }) => type === TURN_ATTRIBUTE.xorPeerAddress);
  const peers = values.map(({ value }) => parseXorAddress(value, message.transactionId));
  if (peers.length === 0) return refuse(TURN_ERROR.badRequest);
  // All or none of them (§9.2).
  for (const peer of peers) {
    const problem = problemWith(context, allocation, peer);
    if (problem !== undefined) return refuse(problem);
  }
  for (const peer of peers) {
    if (peer === undefined || !permit(context, allocation, peer, request.at.now)) {
      return refuse(TURN_ERROR.insufficientCapacity);
    }
  }
  return { ok: true, attributes: [] };
}

export function bindChannel(context: TurnContext, request: TurnRequest, allocation: Allocation): TurnAnswer {
  const { message, at } = request;
  const number = findAttribute(message, TURN_ATTRIBUTE.channelNumber);
  const value = findAttribute(message, TURN_ATTRIBUTE.xorPeerAddress);
  const channel = number === undefined ? undefined : parseChannelNumber(number);
  const peer = value === undefined ? undefined : parseXorAddress(value, message.transactionId);
  if (channel === undefined || channel < MIN_CHANNEL || channel > MAX_LEGACY_CHANNEL) {
    return refuse(TURN_ERROR.badRequest);
  }
  const problem = problemWith(context, allocation, peer);
  if (peer === undefined || problem !== undefined) return refuse(problem ?? TURN_ERROR.badRequest);
  if (peer.port === 0 || isBoundElsewhere(allocation, channel, peer, at.now)) return refuse(TURN_ERROR.badRequest);
  const expiresAt = addMs(at.now, CHANNEL_LIFETIME_MS);
  // Behind a one-to-one NAT a relayed address of ours is reached by its own address: few such NATs turn packets round.
  const reached = { address: context.localAddress(peer.address), port: peer.port };
  const isBound =
    permit(context, allocation, peer, at.now) &&
    context.forwarding.setChannel(allocation.id, channel, reached, expiresAt);
  if (!isBound) return refuse(TURN_ERROR.insufficientCapacity);
  forgetExpired(allocation, at.now);
  allocation.channels.set(channel, { peer, expiresAt });
  return { ok: true, attributes: [] };
}

function problemWith(
  context: TurnContext,
  allocation: Allocation,
  peer: UdpAddress | undefined,
): TurnErrorCode | undefined {
  if (peer === undefined) return TURN_ERROR.badRequest;
  const isOfFamily = allocation.relayed.some(({ address }) => address.includes(":") === peer.address.includes(":"));
  if (!isOfFamily) return TURN_ERROR.peerAddressFamilyMismatch;
  return context.policy.judge(peer.address) === "forbidden" ? TURN_ERROR.forbidden : undefined;
}

function permit(context: TurnContext, allocation: Allocation, { address }: UdpAddress, now: Instant): boolean {
  const isRelayedOnly = context.policy.judge(address) === "relayed-only";
  return context.forwarding.setPermission(
    allocation.id,
    context.localAddress(address),
    isRelayedOnly,
    addMs(now, PERMISSION_LIFETIME_MS),
  );
}

/** A channel has one peer and a peer one channel while the binding lasts (§12). */
function isBoundElsewhere(allocation: Allocation, channel: number, peer: UdpAddress, now: Instant): boolean {
  for (const [number, bound] of allocation.channels) {
    if (now >= bound.expiresAt) continue;
    if ((number === channel) !== udpAddressEquals(bound.peer, peer)) return true;
  }
  return false;
}

function forgetExpired(allocation: Allocation, now: Instant): void {
  for (const [number, { expiresAt }] of allocation.channels) if (now >= expiresAt) allocation.channels.delete(number);
}
