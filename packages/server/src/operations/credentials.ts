import { timingSafeEqual } from "node:crypto";
import { encodeBase64Url } from "@asterism/core/bytes";
import {
  type AdminKey,
  type AdminToken,
  type CreateKeyRequest,
  type CreateKeyResponse,
  type CreateTokenRequest,
  type CreateTokenResponse,
  DEFAULT_KEY_LIFETIME_SECONDS,
  encodeJoinKey,
  KEY_SECRET_BYTES,
} from "@asterism/core/control";
import { AsterismError } from "@asterism/core/errors";
import type { ServerContext } from "../context.ts";
import { keyState } from "../domain/key-rules.ts";
import { readTags } from "../domain/network-map.ts";
import { createId, sha256Hex } from "../ids.ts";
import {
  countKeys,
  deleteToken,
  findKey,
  findToken,
  insertKey,
  insertToken,
  listTokens,
  type NamedKeyRow,
  revokeKey,
  setTokenUsed,
} from "../store/credentials.ts";
import type { TokenRow } from "../store/tables.ts";
import { keyFacts } from "./join.ts";
import { DEFAULT_NETWORK, DEFAULT_USER, requireNetwork, requireUser } from "./networks.ts";

const MAX_KEYS = 20_000;
const MAX_TOKENS = 1000;
const TOKEN_PREFIX = "astt_";
const TOKEN_SECRET_BYTES = 32;
/** A token's last use is written down at most this often. */
const TOKEN_USE_RESOLUTION_MS = 60_000;

export async function createKey(context: ServerContext, request: CreateKeyRequest): Promise<CreateKeyResponse> {
  const secret = context.random(KEY_SECRET_BYTES);
  const now = context.wallNow();
  const lifetimeSeconds =
    request.expiresInSeconds === undefined ? DEFAULT_KEY_LIFETIME_SECONDS : request.expiresInSeconds;
  const row = await context.db.transaction().execute(async (db): Promise<NamedKeyRow> => {
    const network = await requireNetwork(db, request.network ?? DEFAULT_NETWORK);
    const user = await requireUser(db, request.user ?? DEFAULT_USER);
    if ((await countKeys(db)) >= MAX_KEYS) {
      throw new AsterismError(
        "limit-reached",
        `The server holds ${MAX_KEYS} join keys. Revoke some that are not needed.`,
      );
    }
    const key = {
      id: createId("key"),
      secret_hash: sha256Hex(secret),
      network_id: network.id,
      user_id: user.id,
      reusable: request.reusable === true ? 1 : 0,
      ephemeral: request.ephemeral === true ? 1 : 0,
      tags: JSON.stringify([...new Set(request.tags ?? [])]),
      created_at: now,
      expires_at: lifetimeSeconds === null ? null : now + lifetimeSeconds * 1000,
      revoked_at: null,
      used_at: null,
      used_by_machine: null,
    } as const;
    await insertKey(db, key);
    return { ...key, network_name: network.name, user_name: user.name };
  });
  const { url, fingerprint } = context.identity;
  return { key: encodeJoinKey({ fingerprint, secret, url }), ...adminKey(row, now) };
}

export async function revokeKeyById(context: ServerContext, id: string): Promise<void> {
  const key = await findKey(context.db, id);
  if (key === undefined)
    throw new AsterismError("not-found", `There is no join key "${id}". See: asterism admin key list`);
  if (key.revoked_at === null) await revokeKey(context.db, id, context.wallNow());
}

export function adminKey(row: NamedKeyRow, now: number): AdminKey {
  return {
    id: row.id,
    network: row.network_name,
    user: row.user_name,
    reusable: row.reusable === 1,
    ephemeral: row.ephemeral === 1,
    tags: readTags(row.tags),
    createdAt: new Date(row.created_at).toISOString(),
    expiresAt: isoOrNull(row.expires_at),
    usedAt: isoOrNull(row.used_at),
    state: keyState(keyFacts(row), now),
  };
}

/** The token is `astt_<id>_<secret>`; only the hash of the secret is kept. */
export async function createToken(context: ServerContext, request: CreateTokenRequest): Promise<CreateTokenResponse> {
  if ((await listTokens(context.db)).length >= MAX_TOKENS) {
    throw new AsterismError("limit-reached", `The server holds ${MAX_TOKENS} tokens. Revoke some that are not needed.`);
  }
  const secret = encodeBase64Url(context.random(TOKEN_SECRET_BYTES));
  const now = context.wallNow();
  const lifetimeSeconds = request.expiresInSeconds ?? null;
  const row: TokenRow = {
    id: createId("token"),
    name: request.name,
    secret_hash: sha256Hex(secret),
    created_at: now,
    expires_at: lifetimeSeconds === null ? null : now + lifetimeSeconds * 1000,
    last_used_at: null,
  };
  await insertToken(context.db, row);
  return { token: `${TOKEN_PREFIX}${row.id}_${secret}`, ...adminToken(row) };
}

/** Throws `not-authorised` unless `text` is a token that is in force. */
export async function requireToken(context: ServerContext, text: string): Promise<void> {
  const match = /^astt_(token-[a-z2-7]{20})_([A-Za-z0-9_-]{43})$/.exec(text);
  const row = match?.[1] === undefined ? undefined : await findToken(context.db, match[1]);
  const given = Buffer.from(sha256Hex(match?.[2] ?? ""), "hex");
  const expected = Buffer.from(row?.secret_hash ?? sha256Hex("no such token"), "hex");
  const now = context.wallNow();
  const right = timingSafeEqual(given, expected);
  if (row === undefined || !right) throw new AsterismError("not-authorised", "The token is wrong or was revoked.");
  if (row.expires_at !== null && row.expires_at <= now) {
    throw new AsterismError(
      "not-authorised",
      "The token has expired. Make a new one: asterism admin token create NAME",
    );
  }
  if (now - (row.last_used_at ?? 0) > TOKEN_USE_RESOLUTION_MS) await setTokenUsed(context.db, row.id, now);
}

export async function revokeToken(context: ServerContext, id: string): Promise<void> {
  if ((await findToken(context.db, id)) === undefined) {
    throw new AsterismError("not-found", `There is no token "${id}". See: asterism admin token list`);
  }
  await deleteToken(context.db, id);
}

export function adminToken(row: TokenRow): AdminToken {
  return {
    id: row.id,
    name: row.name,
    createdAt: new Date(row.created_at).toISOString(),
    expiresAt: isoOrNull(row.expires_at),
    lastUsedAt: isoOrNull(row.last_used_at),
  };
}

function isoOrNull(time: number | null): string | null {
  return time === null ? null : new Date(time).toISOString();
}
