import {
  ADMIN_PATH,
  formatFingerprint,
  MAX_LIST_ITEMS,
  parseChangeNetworkRequest,
  parseCreateKeyRequest,
  parseCreateNetworkRequest,
  parseCreateRelayRequest,
  parseCreateTokenRequest,
  parseCreateUserRequest,
  parseRenameDeviceRequest,
  type ServerInfo,
} from "@asterism/core/control";
import { AsterismError, unwrap } from "@asterism/core/errors";
import { VERSION } from "@asterism/core/version";
import type { FastifyInstance, FastifyRequest } from "fastify";
import type { ServerContext } from "../context.ts";
import {
  adminKey,
  adminToken,
  createKey,
  createToken,
  requireToken,
  revokeKeyById,
  revokeToken,
} from "../operations/credentials.ts";
import { adminDevice, findDevice, removeNode, renameNode } from "../operations/devices.ts";
import {
  adminNetwork,
  adminUser,
  changeNetwork,
  createNetwork,
  createUser,
  removeNetwork,
  removeUser,
  requireNetwork,
} from "../operations/networks.ts";
import { addRelay, listAdminRelays, removeRelay } from "../operations/relays.ts";
import { listKeys, listTokens } from "../store/credentials.ts";
import { listNetworks, listUsers } from "../store/networks.ts";
import { listMembers } from "../store/nodes.ts";
import type { StreamHub } from "../streams/hub.ts";

export interface AdminRoutesOptions {
  readonly context: ServerContext;
  readonly hub: StreamHub;
  /** Who may call: anybody who can open the unix socket, or holders of a token. */
  readonly access: "socket" | "token";
}

type Params = Readonly<Record<string, string>>;

/** The admin API. On error in the access check nothing runs: the hook throws before any route. */
export function addAdminRoutes(app: FastifyInstance, options: AdminRoutesOptions): void {
  app.register((scope, _, done) => {
    if (options.access === "token") {
      scope.addHook("onRequest", (request) => requireToken(options.context, bearerToken(request)));
    }
    addServerRoutes(scope, options);
    addNetworkRoutes(scope, options);
    addUserRoutes(scope, options);
    addKeyRoutes(scope, options);
    addDeviceRoutes(scope, options);
    addTokenRoutes(scope, options);
    addRelayRoutes(scope, options);
    done();
  });
}

function bearerToken(request: FastifyRequest): string {
  const match = /^Bearer ([\x21-\x7e]{1,256})$/i.exec(request.headers.authorization ?? "");
  if (match?.[1] !== undefined) return match[1];
  throw new AsterismError("not-authorised", "The admin API needs a token: Authorization: Bearer astt_…");
}

function addServerRoutes(app: FastifyInstance, { context }: AdminRoutesOptions): void {
  app.get(`${ADMIN_PATH}/info`, (): ServerInfo => {
    const { url, fingerprint, startedAt } = context.identity;
    return {
      version: VERSION,
      url,
      fingerprint: formatFingerprint(fingerprint),
      startedAt: new Date(startedAt).toISOString(),
    };
  });
}

function addNetworkRoutes(app: FastifyInstance, { context, hub }: AdminRoutesOptions): void {
  app.get(`${ADMIN_PATH}/networks`, async () => {
    const rows = await listNetworks(context.db);
    return list(await Promise.all(rows.map((row) => adminNetwork(context.db, row))));
  });
  app.post(`${ADMIN_PATH}/networks`, async (request, reply) => {
    const row = await createNetwork(context, unwrap(parseCreateNetworkRequest(request.body)));
    reply.code(201);
    return adminNetwork(context.db, row);
  });
  app.get<{ Params: Params }>(`${ADMIN_PATH}/networks/:network`, async (request) =>
    adminNetwork(context.db, await requireNetwork(context.db, param(request, "network"))),
  );
  app.patch(`${ADMIN_PATH}/networks/:network`, async (request) => {
    const wish = unwrap(parseChangeNetworkRequest(request.body));
    const outcome = await changeNetwork(context, param(request, "network"), wish);
    hub.publish(outcome.changes);
    return adminNetwork(context.db, outcome.value);
  });
  app.delete<{ Params: Params }>(`${ADMIN_PATH}/networks/:network`, async (request, reply) => {
    const force = query(request, "force") === "true";
    const outcome = await removeNetwork(context, param(request, "network"), force);
    hub.publish(outcome.changes);
    return reply.code(204).send();
  });
}

function addUserRoutes(app: FastifyInstance, { context }: AdminRoutesOptions): void {
  app.get(`${ADMIN_PATH}/users`, async () => list((await listUsers(context.db)).map(adminUser)));
  app.post(`${ADMIN_PATH}/users`, async (request, reply) => {
    const user = await createUser(context, unwrap(parseCreateUserRequest(request.body)).name);
    reply.code(201);
    return adminUser(user);
  });
  app.delete<{ Params: Params }>(`${ADMIN_PATH}/users/:user`, async (request, reply) => {
    await removeUser(context, param(request, "user"));
    return reply.code(204).send();
  });
}

function addKeyRoutes(app: FastifyInstance, { context }: AdminRoutesOptions): void {
  app.get(`${ADMIN_PATH}/keys`, async (request) => {
    const rows = await listKeys(context.db, await networkFilter(context, request));
    return list(rows.map((row) => adminKey(row, context.wallNow())));
  });
  app.post(`${ADMIN_PATH}/keys`, async (request, reply) => {
    const key = await createKey(context, unwrap(parseCreateKeyRequest(request.body ?? {})));
    reply.code(201);
    return key;
  });
  app.delete<{ Params: Params }>(`${ADMIN_PATH}/keys/:key`, async (request, reply) => {
    await revokeKeyById(context, param(request, "key"));
    return reply.code(204).send();
  });
}

function addDeviceRoutes(app: FastifyInstance, { context, hub }: AdminRoutesOptions): void {
  const device = async (request: FastifyRequest) =>
    findDevice(context.db, param(request, "device"), await networkFilter(context, request));

  app.get(`${ADMIN_PATH}/devices`, async (request) => {
    const rows = await listMembers(context.db, await networkFilter(context, request));
    return list(rows.map((row) => adminDevice(row, hub.isOnline(row.network_id, row.id))));
  });
  app.get(`${ADMIN_PATH}/devices/:device`, async (request) => {
    const row = await device(request);
    return adminDevice(row, hub.isOnline(row.network_id, row.id));
  });
  app.patch(`${ADMIN_PATH}/devices/:device`, async (request) => {
    const { name } = unwrap(parseRenameDeviceRequest(request.body));
    const outcome = await renameNode(context, (await device(request)).id, name);
    hub.publish(outcome.changes);
    return adminDevice(outcome.value, hub.isOnline(outcome.value.network_id, outcome.value.id));
  });
  app.delete(`${ADMIN_PATH}/devices/:device`, async (request, reply) => {
    const outcome = await removeNode(
      context,
      (await device(request)).id,
      "The device was removed by an administrator.",
    );
    hub.publish(outcome.changes);
    return reply.code(204).send();
  });
}

function addTokenRoutes(app: FastifyInstance, { context }: AdminRoutesOptions): void {
  app.get(`${ADMIN_PATH}/tokens`, async () => list((await listTokens(context.db)).map(adminToken)));
  app.post(`${ADMIN_PATH}/tokens`, async (request, reply) => {
    const token = await createToken(context, unwrap(parseCreateTokenRequest(request.body)));
    reply.code(201);
    return token;
  });
  app.delete<{ Params: Params }>(`${ADMIN_PATH}/tokens/:token`, async (request, reply) => {
    await revokeToken(context, param(request, "token"));
    return reply.code(204).send();
  });
}

function addRelayRoutes(app: FastifyInstance, { context, hub }: AdminRoutesOptions): void {
  app.get(`${ADMIN_PATH}/relays`, async (request) =>
    list(await listAdminRelays(context, await networkFilter(context, request))),
  );
  app.post(`${ADMIN_PATH}/relays`, async (request, reply) => {
    const outcome = await addRelay(context, unwrap(parseCreateRelayRequest(request.body)));
    hub.publish(outcome.changes);
    reply.code(201);
    return outcome.value;
  });
  app.delete<{ Params: Params }>(`${ADMIN_PATH}/relays/:relay`, async (request, reply) => {
    const networkId = await networkFilter(context, request);
    const outcome = await removeRelay(context, param(request, "relay"), networkId);
    hub.publish(outcome.changes);
    return reply.code(204).send();
  });
}

/** Id of the network named in the query, undefined without one. */
async function networkFilter(context: ServerContext, request: FastifyRequest): Promise<string | undefined> {
  const name = query(request, "network");
  return name === undefined ? undefined : (await requireNetwork(context.db, name)).id;
}

function param(request: FastifyRequest, name: string): string {
  // SAFETY: the route's path has the parameter.
  return (request.params as Params)[name]?.slice(0, 64) ?? "";
}

function query(request: FastifyRequest, name: string): string | undefined {
  const value = (request.query as Readonly<Record<string, unknown>>)[name];
  return typeof value === "string" ? value.slice(0, 64) : undefined;
}

function list<T>(items: T[]): { items: T[] } {
  return { items: items.slice(0, MAX_LIST_ITEMS) };
}
