import { parseBase64, parseBase64Url } from "@asterism/core/bytes";
import {
  agreeOnProtocol,
  deviceFqdn,
  formatFingerprint,
  type JoinPreviewRequest,
  type JoinPreviewResponse,
  type JoinRequest,
  type JoinResponse,
  joinProofBytes,
  MAX_NETWORK_MEMBERS,
  type NodeRecord,
  verifyNodeRecord,
} from "@asterism/core/control";
import { AsterismError, unwrap } from "@asterism/core/errors";
import type { ServerContext } from "../context.ts";
import { type Outcome, unchanged } from "../domain/change.ts";
import { freeName, namePrefix, nameTaken } from "../domain/free-name.ts";
import { keyProblem, unknownKey } from "../domain/key-rules.ts";
import { assignAddresses } from "../domain/member-addresses.ts";
import { networkInfo, readTags } from "../domain/network-map.ts";
import { ed25519Verify } from "../ed25519.ts";
import { createId, sha256Hex } from "../ids.ts";
import { recordChange } from "../store/changes.ts";
import { findKeyByHash, markKeyUsed, type NamedKeyRow } from "../store/credentials.ts";
import { findNetwork, setAddressCursor } from "../store/networks.ts";
import {
  countNodes,
  deleteReleasedAddress,
  findNodeByMachine,
  insertNode,
  listIpv4,
  listNames,
  listReleasedAddresses,
  updateNode,
} from "../store/nodes.ts";
import type { Database } from "../store/sqlite.ts";
import type { NetworkRow, NodeRow } from "../store/tables.ts";

/** What a join key would give. Changes nothing. */
export async function previewJoin(context: ServerContext, request: JoinPreviewRequest): Promise<JoinPreviewResponse> {
  const protocol = unwrap(agreeOnProtocol(request.protocol));
  const key = await requireKey(context.db, request.keySecret, request.machineKey, context.wallNow());
  const network = await requireNetwork(context.db, key);
  return {
    protocol,
    network: networkInfo(network),
    key: {
      user: key.user_name,
      reusable: key.reusable === 1,
      ephemeral: key.ephemeral === 1,
      tags: readTags(key.tags),
      expiresAt: key.expires_at === null ? null : new Date(key.expires_at).toISOString(),
    },
  };
}

/** Makes the machine a member, or renews its membership. */
export async function join(context: ServerContext, request: JoinRequest): Promise<Outcome<JoinResponse>> {
  const protocol = unwrap(agreeOnProtocol(request.protocol));
  requireProof(context, request);
  const outcome = await context.db.transaction().execute((db) => joinInTransaction(context, db, request));
  return { value: { protocol, ...outcome.value }, changes: outcome.changes };
}

type Membership = Omit<JoinResponse, "protocol">;

async function joinInTransaction(
  context: ServerContext,
  db: Database,
  request: JoinRequest,
): Promise<Outcome<Membership>> {
  const now = context.wallNow();
  const key = await requireKey(db, request.keySecret, request.machineKey, now);
  const node = await findNodeByMachine(db, key.network_id, request.machineKey);
  const network = await requireNetwork(db, key);
  const record = unwrap(verifyNodeRecord(request, request.machineKey, network.id, ed25519Verify));
  const outcome =
    node === undefined
      ? await admit({ db, network, key, request, record, now })
      : await renew({ db, network, key, request, record, now }, node);
  if (key.used_by_machine !== request.machineKey) await markKeyUsed(db, key.id, request.machineKey, now);
  return outcome;
}

interface Admission {
  readonly db: Database;
  readonly network: NetworkRow;
  readonly key: NamedKeyRow;
  readonly request: JoinRequest;
  readonly record: NodeRecord;
  readonly now: number;
}

async function admit({ db, network, key, request, record, now }: Admission): Promise<Outcome<Membership>> {
  if ((await countNodes(db, network.id)) >= MAX_NETWORK_MEMBERS) {
    throw new AsterismError(
      "limit-reached",
      `The network has ${MAX_NETWORK_MEMBERS} members, as many as one can have.`,
    );
  }
  await requireFreeName(db, network.id, request.name, undefined);
  const released = await listReleasedAddresses(db, network.id);
  const addresses = assignAddresses(
    {
      ipv4Range: network.ipv4_range,
      ipv6Range: network.ipv6_range,
      cursor: network.address_cursor,
      taken: await listIpv4(db, network.id),
      released: released.map((row) => ({ ipv4: row.ipv4, machineKey: row.machine_key, releasedAt: row.released_at })),
    },
    request.machineKey,
    now,
  );
  await setAddressCursor(db, network.id, addresses.cursor);
  await deleteReleasedAddress(db, network.id, addresses.ipv4);
  const id = createId("node");
  await insertNode(db, {
    id,
    network_id: network.id,
    user_id: key.user_id,
    key_id: key.id,
    name: request.name,
    machine_key: request.machineKey,
    record: request.record,
    record_signature: request.recordSignature,
    record_sequence: record.sequence,
    ipv4: addresses.ipv4,
    ipv6: addresses.ipv6,
    os: request.os,
    agent_version: request.agentVersion,
    tags: key.tags,
    ephemeral: key.ephemeral,
    created_at: now,
    last_seen_at: now,
  });
  const version = await recordChange(db, network.id, id);
  return {
    value: membership(id, network, request.name, key.user_name, addresses),
    changes: [{ kind: "map", networkId: network.id, version }],
  };
}

/** The machine is a member: it keeps node and addresses, and takes name, record and rights of this request. */
async function renew(admission: Admission, node: NodeRow): Promise<Outcome<Membership>> {
  const { db, network, key, request, record, now } = admission;
  if (request.record !== node.record && record.sequence <= node.record_sequence) throw recordStale(node);
  if (request.name !== node.name) await requireFreeName(db, network.id, request.name, node.id);
  const value = membership(node.id, network, request.name, key.user_name, node);
  const next = {
    user_id: key.user_id,
    key_id: key.id,
    name: request.name,
    record: request.record,
    record_signature: request.recordSignature,
    tags: key.tags,
    ephemeral: key.ephemeral,
  };
  const same = Object.entries(next).every(([column, wanted]) => node[column as keyof NodeRow] === wanted);
  if (same) return unchanged(value);
  await updateNode(db, node.id, {
    ...next,
    record_sequence: record.sequence,
    os: request.os,
    agent_version: request.agentVersion,
    last_seen_at: now,
  });
  const version = await recordChange(db, network.id, node.id);
  return { value, changes: [{ kind: "map", networkId: network.id, version }] };
}

export function recordStale(node: NodeRow): AsterismError<"record-stale"> {
  return new AsterismError(
    "record-stale",
    `The server has a newer record of this machine (sequence ${node.record_sequence}). Was its state restored from a backup? Use a higher sequence.`,
    { details: { sequence: node.record_sequence } },
  );
}

/** Throws `name-taken`, with a name that is free, if another node of the network has the name. */
export async function requireFreeName(
  db: Database,
  networkId: string,
  name: string,
  exceptNodeId: string | undefined,
): Promise<void> {
  const taken = await listNames(db, networkId, namePrefix(name), exceptNodeId);
  const free = freeName(name, taken);
  if (free !== name) throw nameTaken(name, free);
}

function membership(
  nodeId: string,
  network: NetworkRow,
  name: string,
  user: string,
  addresses: { readonly ipv4: string; readonly ipv6: string },
): Membership {
  const { ipv4, ipv6 } = addresses;
  const self = { name, fqdn: deviceFqdn(name, user, network.name), ipv4, ipv6 };
  return { nodeId, network: networkInfo(network), self };
}

/** The key, if it works for this machine; throws what is wrong with it. */
async function requireKey(
  db: Database,
  keySecret: string,
  machineKey: string | undefined,
  now: number,
): Promise<NamedKeyRow> {
  const key = await findKeyByHash(db, secretHash(keySecret));
  const node =
    key === undefined || machineKey === undefined ? undefined : await findNodeByMachine(db, key.network_id, machineKey);
  if (key === undefined) throw unknownKey();
  const problem = keyProblem(keyFacts(key), { machineKey, memberByKey: node?.key_id }, now);
  if (problem !== undefined) throw problem;
  return key;
}

function requireProof(context: ServerContext, request: JoinRequest): void {
  const fingerprint = formatFingerprint(context.identity.fingerprint);
  const proof = joinProofBytes(fingerprint, request.keySecret, request.name, request.recordSignature);
  const machineKey = parseBase64(request.machineKey);
  const signature = parseBase64(request.signature);
  if (machineKey !== undefined && signature !== undefined && ed25519Verify(machineKey, proof, signature)) return;
  throw new AsterismError("signature-invalid", "The join request's signature does not fit its machine key.");
}

async function requireNetwork(db: Database, key: NamedKeyRow): Promise<NetworkRow> {
  const network = await findNetwork(db, key.network_id);
  if (network !== undefined) return network;
  throw new AsterismError("network-unknown", "The join key's network was deleted.");
}

export function keyFacts(row: NamedKeyRow) {
  return {
    id: row.id,
    reusable: row.reusable === 1,
    expiresAt: row.expires_at,
    revokedAt: row.revoked_at,
    usedByMachine: row.used_by_machine,
  };
}

function secretHash(keySecret: string): string {
  const secret = parseBase64Url(keySecret);
  if (secret === undefined) throw new AsterismError("invalid-input", "join request: keySecret is not base64url");
  return sha256Hex(secret);
}
