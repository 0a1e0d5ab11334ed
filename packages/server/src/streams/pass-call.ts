import type { CallFailedMessage, OutgoingCallMessage } from "@asterism/core/control";
import type { ServerContext } from "../context.ts";
import { findMember } from "../store/nodes.ts";
import type { StreamHub } from "./hub.ts";

export type CallFailure = CallFailedMessage["reason"];

export interface Caller {
  readonly nodeId: string;
  readonly networkId: string;
}

/** Passes a call on, at once if the callee has a stream. Gives why it failed, undefined if it did not. */
export function passCall(
  context: ServerContext,
  hub: StreamHub,
  caller: Caller,
  { to, sealed }: OutgoingCallMessage,
): CallFailure | undefined | Promise<CallFailure> {
  const callee = hub.findCallee(caller.networkId, to);
  if (callee !== undefined) return callee.deliverCall(caller.nodeId, sealed) ? undefined : "rate-limited";
  return findMember(context.db, to).then((node) => (node?.network_id === caller.networkId ? "offline" : "unknown"));
}
