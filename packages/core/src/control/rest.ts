import { type Static, Type } from "typebox";
import { NetworkInfo, RecordText } from "./network-map.ts";
import { createParser } from "./parse.ts";
import {
  Bytes32,
  Fqdn,
  Id,
  Ipv4,
  Ipv6,
  KeySecret,
  Label,
  nullable,
  ProtocolNumber,
  ShortText,
  Signature,
  Tags,
  Timestamp,
} from "./scalars.ts";

/** REST bodies between agent and server. Errors are `application/problem+json` (core/errors). */
export const JOIN_PREVIEW_PATH = "/api/v1/join/preview";
export const JOIN_PATH = "/api/v1/join";
export const LEAVE_PATH = "/api/v1/leave";

export const JoinPreviewRequest = Type.Object({
  keySecret: KeySecret,
  protocol: ProtocolNumber,
  /** Who asks: lets a machine that has used a one-time key look at it again. */
  machineKey: Type.Optional(Bytes32),
});
export type JoinPreviewRequest = Static<typeof JoinPreviewRequest>;

/** What a join key would give. Asking does not use the key up. */
export const JoinPreviewResponse = Type.Object({
  protocol: ProtocolNumber,
  network: NetworkInfo,
  key: Type.Object({
    user: Label,
    reusable: Type.Boolean(),
    ephemeral: Type.Boolean(),
    tags: Tags,
    expiresAt: nullable(Timestamp),
  }),
});
export type JoinPreviewResponse = Static<typeof JoinPreviewResponse>;

/**
 * Becomes a member. Sending it again (the answer was lost) gives the same membership and uses no key up twice. A machine
 * that is a member already keeps its node and addresses, and gets the name and record of this request.
 */
export const JoinRequest = Type.Object({
  protocol: ProtocolNumber,
  keySecret: KeySecret,
  machineKey: Bytes32,
  name: Label,
  record: RecordText,
  recordSignature: Signature,
  /** By the machine key over `joinProofBytes`. */
  signature: Signature,
  os: ShortText,
  agentVersion: ShortText,
});
export type JoinRequest = Static<typeof JoinRequest>;

export const JoinResponse = Type.Object({
  protocol: ProtocolNumber,
  nodeId: Id,
  network: NetworkInfo,
  self: Type.Object({ name: Label, fqdn: Fqdn, ipv4: Ipv4, ipv6: Ipv6 }),
});
export type JoinResponse = Static<typeof JoinResponse>;

/** Gives up a membership without a control stream. Answered by 204, also if the node is gone already. */
export const LeaveRequest = Type.Object({
  nodeId: Id,
  machineKey: Bytes32,
  /** By the machine key over `leaveProofBytes`. */
  signature: Signature,
});
export type LeaveRequest = Static<typeof LeaveRequest>;

export const parseJoinPreviewRequest = createParser("join preview request", JoinPreviewRequest);
export const parseJoinPreviewResponse = createParser("join preview response", JoinPreviewResponse);
export const parseJoinRequest = createParser("join request", JoinRequest);
export const parseJoinResponse = createParser("join response", JoinResponse);
export const parseLeaveRequest = createParser("leave request", LeaveRequest);
