import { parseBase64 } from "@asterism/core/bytes";
import {
  type AdminDevice,
  formatFingerprint,
  type LeaveRequest,
  leaveProofBytes,
  type SignedNodeRecord,
  verifyNodeRecord,
} from "@asterism/core/control";
import { AsterismError, unwrap } from "@asterism/core/errors";
import type { ServerContext } from "../context.ts";
import { type Outcome, unchanged } from "../domain/change.ts";
import { selfInfo } from "../domain/network-map.ts";
import { ed25519Verify } from "../ed25519.ts";
import { recordChange } from "../store/changes.ts";
import { deleteNode, findMember, findMembersByName, insertReleasedAddress, updateNode } from "../store/nodes.ts";
import type { Database } from "../store/sqlite.ts";
import type { MemberRow, NodeRow } from "../store/tables.ts";
import { recordStale, requireFreeName } from "./join.ts";

/** Ends a membership at the request of its machine. Ending one that is over already changes nothing. */
export async function leave(context: ServerContext, request: LeaveRequest): Promise<Outcome<void>> {
  const proof = leaveProofBytes(formatFingerprint(context.identity.fingerprint), request.nodeId);
  const machineKey = parseBase64(request.machineKey);
  const signature = parseBase64(request.signature);
  if (machineKey === undefined || signature === undefined || !ed25519Verify(machineKey, proof, signature)) {
    throw new AsterismError("signature-invalid", "The leave request's signature does not fit its machine key.");
  }
  return await context.db.transaction().execute(async (db) => {
    const node = await findMember(db, request.nodeId);
    if (node === undefined) return unchanged(undefined);
    if (node.machine_key !== request.machineKey) {
      throw new AsterismError("not-authorised", "Only the machine itself can end its membership.");
    }
    return removeInTransaction(db, node, "The device left the network.", context.wallNow());
  });
}

/** Ends the membership of a node by its id; nothing happens if it is none. */
export function removeNode(context: ServerContext, nodeId: string, reason: string): Promise<Outcome<void>> {
  return context.db.transaction().execute(async (db) => {
    const node = await findMember(db, nodeId);
    return node === undefined ? unchanged(undefined) : removeInTransaction(db, node, reason, context.wallNow());
  });
}

async function removeInTransaction(
  db: Database,
  node: NodeRow,
  reason: string,
  now: number,
): Promise<Outcome<undefined>> {
  await deleteNode(db, node.id);
  await insertReleasedAddress(db, {
    network_id: node.network_id,
    ipv4: node.ipv4,
    machine_key: node.machine_key,
    released_at: now,
  });
  const version = await recordChange(db, node.network_id, node.id);
  return {
    value: undefined,
    changes: [
      { kind: "removed", networkId: node.network_id, nodeId: node.id, reason },
      { kind: "map", networkId: node.network_id, version },
    ],
  };
}

/** Gives a device another name. The error of a clash names one that is free. */
export function renameNode(context: ServerContext, nodeId: string, name: string): Promise<Outcome<MemberRow>> {
  return context.db.transaction().execute(async (db) => {
    const node = await requireMember(db, nodeId);
    if (node.name === name) return unchanged(node);
    await requireFreeName(db, node.network_id, name, node.id);
    await updateNode(db, node.id, { name });
    const version = await recordChange(db, node.network_id, node.id);
    return { value: { ...node, name }, changes: [{ kind: "map", networkId: node.network_id, version }] };
  });
}

/** Replaces a node's signed record. Its sequence must be higher; the same record again changes nothing. */
export function replaceRecord(
  context: ServerContext,
  nodeId: string,
  signed: SignedNodeRecord,
): Promise<Outcome<undefined>> {
  return context.db.transaction().execute(async (db) => {
    const node = await requireMember(db, nodeId);
    const record = unwrap(verifyNodeRecord(signed, node.machine_key, node.network_id, ed25519Verify));
    if (signed.record === node.record) return unchanged(undefined);
    if (record.sequence <= node.record_sequence) throw recordStale(node);
    await updateNode(db, node.id, {
      record: signed.record,
      record_signature: signed.recordSignature,
      record_sequence: record.sequence,
      agent_version: record.agentVersion,
    });
    const version = await recordChange(db, node.network_id, node.id);
    return { value: undefined, changes: [{ kind: "map", networkId: node.network_id, version }] };
  });
}

async function requireMember(db: Database, nodeId: string): Promise<MemberRow> {
  const node = await findMember(db, nodeId);
  if (node !== undefined) return node;
  throw new AsterismError("device-removed", "The device is not a member of the network any more.");
}

/** The one device of this id or name; `networkId` tells devices of equal names apart. */
export async function findDevice(db: Database, nameOrId: string, networkId: string | undefined): Promise<MemberRow> {
  const found = await findMembersByName(db, nameOrId);
  const matches = found.filter((row) => networkId === undefined || row.network_id === networkId);
  const [only] = matches;
  if (only !== undefined && matches.length === 1) return only;
  if (only === undefined) throw new AsterismError("not-found", `There is no device "${nameOrId}".`);
  const networks = matches.map((row) => row.network_name);
  throw new AsterismError(
    "invalid-input",
    `Several networks have a device "${nameOrId}": ${networks.join(", ")}. Say which: --network NAME`,
    { details: { networks } },
  );
}

export function adminDevice(row: MemberRow, online: boolean): AdminDevice {
  const { nodeId, ...self } = selfInfo(row);
  return {
    id: nodeId,
    ...self,
    network: row.network_name,
    machineKey: row.machine_key,
    os: row.os,
    agentVersion: row.agent_version,
    online,
    createdAt: new Date(row.created_at).toISOString(),
    lastSeenAt: new Date(row.last_seen_at).toISOString(),
  };
}
