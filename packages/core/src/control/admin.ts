import { type Static, Type } from "typebox";
import { createParser } from "./parse.ts";
import { MAX_RELAY_ADDRESSES, RelayPorts } from "./relays.ts";
import {
  Bytes32,
  Fqdn,
  Id,
  IpText,
  Ipv4,
  Ipv4Range,
  Ipv6,
  Ipv6Range,
  Label,
  NetworkKind,
  nullable,
  Port,
  ShortText,
  Tags,
  Timestamp,
  TrafficModeName,
} from "./scalars.ts";

/**
 * REST bodies under `/api/v1/admin`: on the server's unix socket without a password, over HTTPS with a bearer token.
 * Lists are `{ items: […] }`. Networks, users and devices are named by id or by name.
 */
export const ADMIN_PATH = "/api/v1/admin";

/** Join keys that are made without an expiry work this long. */
export const DEFAULT_KEY_LIFETIME_SECONDS = 24 * 60 * 60;
const MAX_LIFETIME_SECONDS = 10 * 365 * 24 * 60 * 60;

const Lifetime = Type.Integer({ minimum: 1, maximum: MAX_LIFETIME_SECONDS });
const NameOrId = Type.String({ minLength: 1, maxLength: 64, pattern: "^[a-z0-9][a-z0-9-]*$" });

export const ServerInfo = Type.Object({
  version: ShortText,
  url: Type.String({ maxLength: 512 }),
  /** SHA-256 of the certificate, hex. */
  fingerprint: Type.String({ minLength: 64, maxLength: 64 }),
  startedAt: Timestamp,
});
export type ServerInfo = Static<typeof ServerInfo>;

export const AdminNetwork = Type.Object({
  id: Id,
  name: Label,
  kind: NetworkKind,
  ipv4Range: Ipv4Range,
  ipv6Range: Ipv6Range,
  mtuBytes: Type.Integer(),
  /** Members may guess ports to get through NATs that leave no other way. */
  hardNatPunching: Type.Optional(Type.Boolean()),
  /** How members send to each other unless they are told otherwise. */
  mode: Type.Optional(TrafficModeName),
  deviceCount: Type.Integer(),
  createdAt: Timestamp,
});
export type AdminNetwork = Static<typeof AdminNetwork>;

export const CreateNetworkRequest = Type.Object({
  name: Label,
  kind: Type.Optional(NetworkKind),
  /** Left out: a private /16 that no other network of the server uses. */
  ipv4Range: Type.Optional(Ipv4Range),
});
export type CreateNetworkRequest = Static<typeof CreateNetworkRequest>;

/** What is left out stays as it is. */
export const ChangeNetworkRequest = Type.Object({
  hardNatPunching: Type.Optional(Type.Boolean()),
  mode: Type.Optional(TrafficModeName),
});
export type ChangeNetworkRequest = Static<typeof ChangeNetworkRequest>;

export const AdminUser = Type.Object({ id: Id, name: Label, createdAt: Timestamp });
export type AdminUser = Static<typeof AdminUser>;

export const CreateUserRequest = Type.Object({ name: Label });
export type CreateUserRequest = Static<typeof CreateUserRequest>;

export const AdminKey = Type.Object({
  id: Id,
  network: Label,
  user: Label,
  reusable: Type.Boolean(),
  ephemeral: Type.Boolean(),
  tags: Tags,
  createdAt: Timestamp,
  /** Null for a key that never expires. */
  expiresAt: nullable(Timestamp),
  usedAt: nullable(Timestamp),
  state: Type.Enum(["valid", "used", "expired", "revoked"]),
});
export type AdminKey = Static<typeof AdminKey>;

export const CreateKeyRequest = Type.Object({
  network: Type.Optional(NameOrId),
  user: Type.Optional(NameOrId),
  reusable: Type.Optional(Type.Boolean()),
  ephemeral: Type.Optional(Type.Boolean()),
  tags: Type.Optional(Tags),
  /** Null for never. */
  expiresInSeconds: Type.Optional(nullable(Lifetime)),
});
export type CreateKeyRequest = Static<typeof CreateKeyRequest>;

/** The only answer that holds the key itself; the server keeps a hash. */
export const CreateKeyResponse = Type.Object({
  key: Type.String({ minLength: 1, maxLength: 1024 }),
  ...AdminKey.properties,
});
export type CreateKeyResponse = Static<typeof CreateKeyResponse>;

export const AdminDevice = Type.Object({
  id: Id,
  name: Label,
  fqdn: Fqdn,
  network: Label,
  user: Label,
  ipv4: Ipv4,
  ipv6: Ipv6,
  machineKey: Bytes32,
  os: ShortText,
  agentVersion: ShortText,
  tags: Tags,
  ephemeral: Type.Boolean(),
  online: Type.Boolean(),
  createdAt: Timestamp,
  lastSeenAt: Timestamp,
});
export type AdminDevice = Static<typeof AdminDevice>;

export const RenameDeviceRequest = Type.Object({ name: Label });
export type RenameDeviceRequest = Static<typeof RenameDeviceRequest>;

export const AdminToken = Type.Object({
  id: Id,
  name: ShortText,
  createdAt: Timestamp,
  expiresAt: nullable(Timestamp),
  lastUsedAt: nullable(Timestamp),
});
export type AdminToken = Static<typeof AdminToken>;

export const CreateTokenRequest = Type.Object({
  name: Type.String({ minLength: 1, maxLength: 64 }),
  expiresInSeconds: Type.Optional(nullable(Lifetime)),
});
export type CreateTokenRequest = Static<typeof CreateTokenRequest>;

export const CreateTokenResponse = Type.Object({
  token: Type.String({ minLength: 1, maxLength: 256 }),
  ...AdminToken.properties,
});
export type CreateTokenResponse = Static<typeof CreateTokenResponse>;

export const AdminRelay = Type.Object({
  id: Id,
  /** Null for the server's own relay, which serves all networks. */
  network: nullable(Label),
  host: Type.String({ minLength: 1, maxLength: 253 }),
  ports: RelayPorts,
  /** What the host stands for at present; empty while it can't be resolved. */
  addresses: Type.Array(IpText, { maxItems: MAX_RELAY_ADDRESSES }),
  /** `secret`: time-limited credentials made from a shared secret; `user`: one fixed user for all. */
  auth: Type.Enum(["secret", "user"]),
  /** The fixed user, null with `secret`. */
  username: nullable(Type.String({ maxLength: 508 })),
  createdAt: Timestamp,
});
export type AdminRelay = Static<typeof AdminRelay>;

const Credential = Type.String({ minLength: 1, maxLength: 256, pattern: "^[^\\x00-\\x1f\\x7f]+$" });

/** Either `secret`, or `username` and `password`. */
export const CreateRelayRequest = Type.Object({
  network: Type.Optional(NameOrId),
  /** Name or numeric address, without port and brackets. */
  host: Type.String({ minLength: 1, maxLength: 253 }),
  /** Left out: 3478. Null: not over UDP. */
  udpPort: Type.Optional(nullable(Port)),
  /** Left out: as for UDP. Null: not over TCP. */
  tcpPort: Type.Optional(nullable(Port)),
  /** Left out or null: not over TLS. */
  tlsPort: Type.Optional(nullable(Port)),
  /** Secret shared with the relay (coturn: `static-auth-secret`). */
  secret: Type.Optional(Credential),
  username: Type.Optional(Credential),
  password: Type.Optional(Credential),
});
export type CreateRelayRequest = Static<typeof CreateRelayRequest>;

/** Largest number of items in one list. */
export const MAX_LIST_ITEMS = 20_000;

export const parseCreateNetworkRequest = createParser("network", CreateNetworkRequest);
export const parseChangeNetworkRequest = createParser("network", ChangeNetworkRequest);
export const parseCreateUserRequest = createParser("user", CreateUserRequest);
export const parseCreateKeyRequest = createParser("join key", CreateKeyRequest);
export const parseRenameDeviceRequest = createParser("device", RenameDeviceRequest);
export const parseCreateTokenRequest = createParser("token", CreateTokenRequest);
export const parseCreateRelayRequest = createParser("relay", CreateRelayRequest);
export const parseServerInfo = createParser("server info", ServerInfo);
export const parseAdminNetwork = createParser("network answer", AdminNetwork);
export const parseAdminUser = createParser("user answer", AdminUser);
export const parseAdminDevice = createParser("device answer", AdminDevice);
export const parseCreateKeyResponse = createParser("join key answer", CreateKeyResponse);
export const parseCreateTokenResponse = createParser("token answer", CreateTokenResponse);
export const parseAdminRelay = createParser("relay answer", AdminRelay);
export const parseAdminNetworkList = createParser("network list", list(AdminNetwork));
export const parseAdminUserList = createParser("user list", list(AdminUser));
export const parseAdminKeyList = createParser("join key list", list(AdminKey));
export const parseAdminDeviceList = createParser("device list", list(AdminDevice));
export const parseAdminTokenList = createParser("token list", list(AdminToken));
export const parseAdminRelayList = createParser("relay list", list(AdminRelay));

function list<S extends Parameters<typeof Type.Array>[0]>(item: S) {
  return Type.Object({ items: Type.Array(item, { maxItems: MAX_LIST_ITEMS }) });
}
