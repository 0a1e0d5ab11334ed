/**
 * Time-limited credentials of the TURN REST scheme (draft-uberti-behave-turn-rest-00 §2.2), as coturn's `use-auth-secret`
 * has them:
 *
 *   username = expiry in Unix seconds ":" name
 *   password = base64(HMAC-SHA1(secret, username))
 *
 * Who holds the secret can make and check them without a list of users. They go into `longTermKey` like any others.
 */
import { hmac } from "@noble/hashes/hmac.js";
import { sha1 } from "@noble/hashes/legacy.js";
import { encodeBase64, encodeUtf8 } from "../bytes/index.ts";
import type { WallTime } from "../time.ts";

export interface TurnCredentials {
  readonly username: string;
  readonly password: string;
}

/** `name` tells users apart, for quotas; it travels in clear. Expiry is rounded up to a whole second. */
export function makeTurnCredentials(secret: string, name: string, expiresAt: WallTime): TurnCredentials {
  const username = `${Math.ceil(expiresAt / 1_000)}:${name}`;
  return { username, password: turnPassword(secret, username) };
}

export type CheckedTurnUsername =
  | { readonly ok: true; readonly name: string; readonly expiresAt: WallTime; readonly password: string }
  | { readonly ok: false; readonly reason: "username-malformed" | "credentials-expired" };

/**
 * What a server knows of a username that a request carries. Its password is right or wrong only together with the
 * request's MESSAGE-INTEGRITY, which shows whether the client has it.
 */
export function checkTurnUsername(secret: string, username: string, wallNow: WallTime): CheckedTurnUsername {
  const colon = username.indexOf(":");
  const seconds = username.slice(0, Math.max(colon, 0));
  if (!/^[1-9][0-9]{0,11}$/.test(seconds) || username.length > MAX_USERNAME_CHARACTERS) {
    return { ok: false, reason: "username-malformed" };
  }
  const expiresAt = (Number(seconds) * 1_000) as WallTime;
  if (expiresAt <= wallNow) return { ok: false, reason: "credentials-expired" };
  return { ok: true, name: username.slice(colon + 1), expiresAt, password: turnPassword(secret, username) };
}

/** RFC 8489 §14.3 allows 508 bytes. */
const MAX_USERNAME_CHARACTERS = 508;

function turnPassword(secret: string, username: string): string {
  return encodeBase64(hmac(sha1, encodeUtf8(secret), encodeUtf8(username)));
}
