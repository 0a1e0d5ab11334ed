import type { AgentMessage } from "@asterism/core/control";
import type { ServerContext } from "../context.ts";
import type { Change } from "../domain/change.ts";
import { removeNode, renameNode, replaceRecord } from "../operations/devices.ts";
import { offerRelay } from "../operations/offer-relay.ts";

/** Messages that are answered by `done` or `error`. */
export type AgentRequest = Extract<AgentMessage, { requestId: number }>;

/** Does what a member asks for itself; gives what that changed. */
export async function carryOutRequest(
  context: ServerContext,
  nodeId: string,
  message: AgentRequest,
): Promise<readonly Change[]> {
  switch (message.type) {
    case "record":
      return (await replaceRecord(context, nodeId, message)).changes;
    case "rename":
      return (await renameNode(context, nodeId, message.name)).changes;
    case "offer-relay":
      return (await offerRelay(context, nodeId, message.relay)).changes;
    case "leave":
      return (await removeNode(context, nodeId, "The device left the network.")).changes;
  }
}
