import type { TrafficModeName } from "@asterism/core/control";
import type { ColumnType, Insertable, Selectable } from "kysely";

/**
 * The tables, as the queries see them. Times are milliseconds since 1970, booleans 0 or 1, lists JSON: column types that
 * SQLite and PostgreSQL both have.
 */

/** Set when the row is made, never changed. */
type Fixed<T> = ColumnType<T, T, never>;
type Flag = 0 | 1;

export interface UsersTable {
  id: Fixed<string>;
  name: string;
  role: "admin" | "user";
  created_at: Fixed<number>;
}

export interface NetworksTable {
  id: Fixed<string>;
  name: string;
  kind: "ip" | "ethernet";
  ipv4_range: string;
  ipv6_range: string;
  mtu_bytes: number;
  /** Members may guess ports to get through hard NATs. */
  hard_nat_punching: Flag;
  /** How members send to each other unless they are told otherwise. */
  mode: TrafficModeName;
  /** Map version: rises by one with every change that members see. */
  version: number;
  /** Versions of different epochs can't be compared. */
  epoch: string;
  /** Deltas can be made from this version on; what came before is no longer in the change log. */
  log_floor: number;
  /** Offset of the address that was handed out last. */
  address_cursor: number;
  created_at: Fixed<number>;
}

export interface JoinKeysTable {
  id: Fixed<string>;
  /** SHA-256 of the secret, hex. The secret has 160 random bits, so no slow hash is needed. */
  secret_hash: Fixed<string>;
  network_id: Fixed<string>;
  user_id: Fixed<string>;
  reusable: Fixed<Flag>;
  ephemeral: Fixed<Flag>;
  tags: Fixed<string>;
  created_at: Fixed<number>;
  expires_at: Fixed<number | null>;
  revoked_at: number | null;
  /** First use. */
  used_at: number | null;
  /** The machine that used a one-time key. */
  used_by_machine: string | null;
}

export interface NodesTable {
  id: Fixed<string>;
  network_id: Fixed<string>;
  user_id: string;
  key_id: string;
  name: string;
  machine_key: Fixed<string>;
  record: string;
  record_signature: string;
  record_sequence: number;
  ipv4: Fixed<string>;
  ipv6: Fixed<string>;
  os: string;
  agent_version: string;
  tags: string;
  ephemeral: Flag;
  created_at: Fixed<number>;
  last_seen_at: number;
}

/** Addresses that were given back and rest before they are used again. */
export interface ReleasedAddressesTable {
  network_id: string;
  ipv4: string;
  /** Gets its address back if it joins again while it rests. */
  machine_key: string;
  released_at: number;
}

/** Which node changed in which version of a network's map; the content is read from `nodes`. */
export interface ChangesTable {
  network_id: string;
  version: number;
  node_id: string;
}

export interface TokensTable {
  id: Fixed<string>;
  name: string;
  /** SHA-256 of the secret part, hex. */
  secret_hash: Fixed<string>;
  created_at: Fixed<number>;
  expires_at: Fixed<number | null>;
  last_used_at: number | null;
}

/** Relays that an administrator added to a network; either `secret`, or `username` and `password`. */
export interface RelaysTable {
  id: Fixed<string>;
  network_id: Fixed<string>;
  /** Lower-case name or numeric address. */
  host: Fixed<string>;
  udp_port: Fixed<number | null>;
  tcp_port: Fixed<number | null>;
  tls_port: Fixed<number | null>;
  secret: Fixed<string | null>;
  username: Fixed<string | null>;
  password: Fixed<string | null>;
  created_at: Fixed<number>;
}

export interface Tables {
  users: UsersTable;
  networks: NetworksTable;
  join_keys: JoinKeysTable;
  nodes: NodesTable;
  released_addresses: ReleasedAddressesTable;
  changes: ChangesTable;
  tokens: TokensTable;
  relays: RelaysTable;
}

export type UserRow = Selectable<UsersTable>;
export type NetworkRow = Selectable<NetworksTable>;
export type JoinKeyRow = Selectable<JoinKeysTable>;
export type NodeRow = Selectable<NodesTable>;
export type NewNodeRow = Insertable<NodesTable>;
export type TokenRow = Selectable<TokensTable>;
export type RelayRow = Selectable<RelaysTable>;

/** A node with what its name is made of. */
export type MemberRow = NodeRow & { readonly user_name: string; readonly network_name: string };
