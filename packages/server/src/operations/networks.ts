import { generateUlaRange } from "@asterism/core/addresses";
import type { AdminNetwork, AdminUser, ChangeNetworkRequest, CreateNetworkRequest } from "@asterism/core/control";
import { AsterismError } from "@asterism/core/errors";
import type { ServerContext } from "../context.ts";
import { type Change, type Outcome, unchanged } from "../domain/change.ts";
import { networkInfo } from "../domain/network-map.ts";
import { OVERLAY_MTU_BYTES, pickIpv4Range } from "../domain/network-rules.ts";
import { createId, randomLabel } from "../ids.ts";
import { recordNetworkChange } from "../store/changes.ts";
import {
  countUserBelongings,
  deleteNetwork,
  deleteUser,
  findNetwork,
  findUser,
  insertNetwork,
  insertUser,
  listNetworks,
  setNetworkSettings,
} from "../store/networks.ts";
import { countNodes, listMembers } from "../store/nodes.ts";
import type { Database } from "../store/sqlite.ts";
import type { NetworkRow, UserRow } from "../store/tables.ts";

const MAX_NETWORKS = 1000;
const MAX_USERS = 10_000;

export const DEFAULT_NETWORK = "default";
export const DEFAULT_USER = "admin";

export async function createNetwork(context: ServerContext, request: CreateNetworkRequest): Promise<NetworkRow> {
  if (request.kind === "ethernet") {
    throw new AsterismError(
      "not-supported",
      'Networks of kind "ethernet" are not supported in this version. Leave out --kind for a network of kind "ip".',
    );
  }
  return await context.db.transaction().execute(async (db) => {
    const networks = await listNetworks(db);
    if (networks.some((network) => network.name === request.name)) {
      throw new AsterismError("in-use", `There is a network "${request.name}" already.`, {
        details: { name: request.name },
      });
    }
    if (networks.length >= MAX_NETWORKS) {
      throw new AsterismError("limit-reached", `A server can have ${MAX_NETWORKS} networks.`);
    }
    const row: NetworkRow = {
      id: createId("net"),
      name: request.name,
      kind: "ip",
      ipv4_range: pickIpv4Range(
        request.ipv4Range,
        networks.map((network) => network.ipv4_range),
        context.random,
      ),
      ipv6_range: generateUlaRange(context.random),
      mtu_bytes: OVERLAY_MTU_BYTES,
      hard_nat_punching: 1,
      mode: "best",
      version: 0,
      epoch: randomLabel(12),
      log_floor: 0,
      address_cursor: 0,
      created_at: context.wallNow(),
    };
    await insertNetwork(db, row);
    return row;
  });
}

/** Changes settings of a network; members hear of it at once. */
export async function changeNetwork(
  context: ServerContext,
  nameOrId: string,
  { hardNatPunching, mode }: ChangeNetworkRequest,
): Promise<Outcome<NetworkRow>> {
  return await context.db.transaction().execute(async (db) => {
    const network = await requireNetwork(db, nameOrId);
    const isOn = network.hard_nat_punching === 1;
    const settings = { hardNatPunching: hardNatPunching ?? isOn, mode: mode ?? network.mode };
    if (settings.hardNatPunching === isOn && settings.mode === network.mode) return unchanged(network);
    await setNetworkSettings(db, network.id, settings);
    const version = await recordNetworkChange(db, network.id);
    return {
      value: await requireNetwork(db, network.id),
      changes: [{ kind: "map", networkId: network.id, version }],
    };
  });
}

/** Deletes a network with its keys. One that has devices is deleted only with `force`, which removes them. */
export async function removeNetwork(context: ServerContext, nameOrId: string, force: boolean): Promise<Outcome<void>> {
  return await context.db.transaction().execute(async (db) => {
    const network = await requireNetwork(db, nameOrId);
    const members = await listMembers(db, network.id);
    if (members.length > 0 && !force) {
      throw new AsterismError(
        "in-use",
        `The network "${network.name}" has ${members.length} device(s). Remove them first, or delete it with --force.`,
        { details: { devices: members.length } },
      );
    }
    await deleteNetwork(db, network.id);
    const changes = members.map(
      (member): Change => ({
        kind: "removed",
        networkId: network.id,
        nodeId: member.id,
        reason: "The network was deleted.",
      }),
    );
    return { value: undefined, changes };
  });
}

export async function requireNetwork(db: Database, nameOrId: string): Promise<NetworkRow> {
  const network = await findNetwork(db, nameOrId);
  if (network !== undefined) return network;
  throw new AsterismError("network-unknown", `There is no network "${nameOrId}". See: asterism admin network list`);
}

export async function adminNetwork(db: Database, row: NetworkRow): Promise<AdminNetwork> {
  return {
    ...networkInfo(row),
    mode: row.mode,
    deviceCount: await countNodes(db, row.id),
    createdAt: new Date(row.created_at).toISOString(),
  };
}

export async function createUser(context: ServerContext, name: string): Promise<UserRow> {
  return await context.db.transaction().execute(async (db) => {
    if ((await findUser(db, name)) !== undefined) {
      throw new AsterismError("in-use", `There is a user "${name}" already.`, { details: { name } });
    }
    const { count } = await db
      .selectFrom("users")
      .select((select) => select.fn.countAll<number>().as("count"))
      .executeTakeFirstOrThrow();
    if (count >= MAX_USERS) throw new AsterismError("limit-reached", `A server can have ${MAX_USERS} users.`);
    const role = name === DEFAULT_USER ? "admin" : "user";
    const row: UserRow = { id: createId("user"), name, role, created_at: context.wallNow() };
    await insertUser(db, row);
    return row;
  });
}

export async function removeUser(context: ServerContext, nameOrId: string): Promise<void> {
  await context.db.transaction().execute(async (db) => {
    const user = await requireUser(db, nameOrId);
    const belongings = await countUserBelongings(db, user.id);
    if (belongings > 0) {
      throw new AsterismError("in-use", `The user "${user.name}" still has devices or join keys. Remove those first.`);
    }
    await deleteUser(db, user.id);
  });
}

export async function requireUser(db: Database, nameOrId: string): Promise<UserRow> {
  const user = await findUser(db, nameOrId);
  if (user !== undefined) return user;
  throw new AsterismError(
    "not-found",
    `There is no user "${nameOrId}". Make one: asterism admin user create ${nameOrId}`,
  );
}

export function adminUser(row: UserRow): AdminUser {
  return { id: row.id, name: row.name, createdAt: new Date(row.created_at).toISOString() };
}

/** Makes what every server has: the network `default` and the user `admin`, at the first start only. */
export async function ensureDefaults(context: ServerContext, defaultRange: string): Promise<void> {
  const users = await context.db.selectFrom("users").select("id").limit(1).execute();
  if (users.length > 0) return;
  // The user comes last: a first start that was cut short before is made up for by the next.
  if ((await findNetwork(context.db, DEFAULT_NETWORK)) === undefined) {
    await createNetwork(context, { name: DEFAULT_NETWORK, ipv4Range: defaultRange });
  }
  await createUser(context, DEFAULT_USER);
}
