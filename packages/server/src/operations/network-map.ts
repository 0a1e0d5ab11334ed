import type { DeltaMessage, MapMessage, NetworkInfo } from "@asterism/core/control";
import { AsterismError } from "@asterism/core/errors";
import { networkInfo, peerInfo, selfInfo } from "../domain/network-map.ts";
import { listChangedNodes } from "../store/changes.ts";
import { findNetwork } from "../store/networks.ts";
import { findMember, listMembers, listMembersById } from "../store/nodes.ts";
import type { Database } from "../store/sqlite.ts";
import type { MemberRow } from "../store/tables.ts";

export interface MapPosition {
  readonly epoch: string;
  readonly version: number;
}

/** What happened in a network between two versions of its map, for whichever member. */
export interface MapDifference {
  readonly epoch: string;
  readonly fromVersion: number;
  readonly version: number;
  /** Only if the network itself has changed. */
  readonly network: NetworkInfo | undefined;
  readonly changed: readonly MemberRow[];
  readonly removals: readonly string[];
}

/** The whole map as `nodeId` sees it. Throws `device-removed` if that is no member. */
export function readMap(db: Database, nodeId: string): Promise<MapMessage> {
  return db.transaction().execute(async (transaction) => {
    const self = await findMember(transaction, nodeId);
    const network = self && (await findNetwork(transaction, self.network_id));
    if (self === undefined || network === undefined) {
      throw new AsterismError("device-removed", "The device is not a member of the network any more.");
    }
    const members = await listMembers(transaction, network.id);
    return {
      type: "map",
      epoch: network.epoch,
      version: network.version,
      network: networkInfo(network),
      self: selfInfo(self),
      peers: members.filter((member) => member.id !== nodeId).map(peerInfo),
    };
  });
}

/** What changed since `from`; undefined if the change log does not reach back that far, or belongs to another past. */
export function readDifference(db: Database, networkId: string, from: MapPosition): Promise<MapDifference | undefined> {
  return db.transaction().execute(async (transaction) => {
    const network = await findNetwork(transaction, networkId);
    if (network === undefined || network.epoch !== from.epoch) return undefined;
    if (from.version > network.version || from.version < network.log_floor) return undefined;
    const changedIds = await listChangedNodes(transaction, networkId, from.version);
    const changed = await listMembersById(transaction, networkId, changedIds);
    const present = new Set(changed.map((member) => member.id));
    return {
      epoch: network.epoch,
      fromVersion: from.version,
      version: network.version,
      network: changedIds.includes(networkId) ? networkInfo(network) : undefined,
      changed,
      removals: changedIds.filter((id) => id !== networkId && !present.has(id)),
    };
  });
}

/** A difference as `nodeId` sees it: its own change is `self`, that of others an upsert. */
export function deltaFor(nodeId: string, difference: MapDifference): DeltaMessage {
  const self = difference.changed.find((member) => member.id === nodeId);
  return {
    type: "delta",
    epoch: difference.epoch,
    fromVersion: difference.fromVersion,
    version: difference.version,
    ...(difference.network === undefined ? {} : { network: difference.network }),
    ...(self === undefined ? {} : { self: selfInfo(self) }),
    upserts: difference.changed.filter((member) => member.id !== nodeId).map(peerInfo),
    removals: [...difference.removals],
  };
}
