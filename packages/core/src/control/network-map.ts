import { type Static, Type } from "typebox";
import { MAX_NODE_RECORD_CHARACTERS } from "./node-record.ts";
import { Bytes32, Fqdn, Id, Ipv4, Ipv4Range, Ipv6, Ipv6Range, Label, NetworkKind, Signature, Tags } from "./scalars.ts";

/** Members that one network can have; bounds maps, presence and deltas. */
export const MAX_NETWORK_MEMBERS = 16_384;

export const NetworkInfo = Type.Object({
  id: Id,
  name: Label,
  kind: NetworkKind,
  ipv4Range: Ipv4Range,
  ipv6Range: Ipv6Range,
  /** MTU of the overlay interface. */
  mtuBytes: Type.Integer({ minimum: 1280, maximum: 65_535 }),
  /** Members may guess ports to get through NATs that leave no other way; left out by older servers: they may. */
  hardNatPunching: Type.Optional(Type.Boolean()),
  /** How members send to each other unless they are told otherwise; a mode that a member does not know is none. */
  mode: Type.Optional(Type.String({ maxLength: 32 })),
});
export type NetworkInfo = Static<typeof NetworkInfo>;

const memberFields = {
  nodeId: Id,
  name: Label,
  fqdn: Fqdn,
  ipv4: Ipv4,
  ipv6: Ipv6,
  user: Label,
  tags: Tags,
  /** Removed by the server some time after it went offline. */
  ephemeral: Type.Boolean(),
};

export const SelfInfo = Type.Object(memberFields);
export type SelfInfo = Static<typeof SelfInfo>;

/** The signed record as the node wrote it; see node-record.ts. */
export const RecordText = Type.String({ minLength: 2, maxLength: MAX_NODE_RECORD_CHARACTERS });

export const AgentPeerInfo = Type.Object({
  kind: Type.Literal("agent"),
  ...memberFields,
  machineKey: Bytes32,
  record: RecordText,
  recordSignature: Signature,
});
export type AgentPeerInfo = Static<typeof AgentPeerInfo>;

/** A stock WireGuard client: it has no machine key and signs nothing. */
export const StockPeerInfo = Type.Object({ kind: Type.Literal("stock"), ...memberFields, nodeKey: Bytes32 });
export type StockPeerInfo = Static<typeof StockPeerInfo>;

/** Another member. Endpoints are never in the map: they travel in calls. */
export const PeerInfo = Type.Union([AgentPeerInfo, StockPeerInfo]);
export type PeerInfo = AgentPeerInfo | StockPeerInfo;
