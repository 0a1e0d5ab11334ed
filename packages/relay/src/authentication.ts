/** Long-term credentials (RFC 8489 §9.2) whose passwords follow from the secret that the relay shares with its users' server. */
import { createHash } from "node:crypto";
import { encodeUtf8, parseUtf8 } from "@asterism/core/bytes";
import {
  findAttribute,
  type IntegrityKind,
  STUN_ATTRIBUTE,
  type StunMessage,
  verifyIntegrity,
} from "@asterism/core/stun";
import type { ClockReading, WallTime } from "@asterism/core/time";
import { checkTurnUsername, TURN_ERROR } from "@asterism/core/turn";
import type { Nonces } from "./nonces.ts";

export interface Authenticated {
  readonly ok: true;
  /** As in the request. */
  readonly username: string;
  /** The part that tells users apart. */
  readonly user: string;
  readonly credentialsExpireAt: WallTime;
  readonly integrity: { readonly kind: IntegrityKind; readonly key: Uint8Array };
}

export type AuthenticationResult =
  | Authenticated
  | { readonly ok: false; readonly code: 400 | 401 | 438; readonly why: "incomplete" | "challenge" | "refused" };

export interface AuthenticatorOptions {
  /** Of the TURN REST scheme. */
  readonly secret: string;
  readonly realm: string;
  readonly nonces: Nonces;
}

/** Credentials of an allocation serve this much longer, for its refreshes: its user is not known by any others. */
export const CREDENTIAL_GRACE_MS = 24 * 3_600_000;

export class Authenticator {
  readonly #options: AuthenticatorOptions;

  constructor(options: AuthenticatorOptions) {
    this.#options = options;
  }

  /** `holder`: the user whose allocation the five-tuple has, if any. */
  check(message: StunMessage, clientIp: string, holder: string | undefined, at: ClockReading): AuthenticationResult {
    const kind = integrityKindOf(message);
    if (kind === undefined) return { ok: false, code: TURN_ERROR.unauthenticated, why: "challenge" };
    const username = textOf(message, STUN_ATTRIBUTE.username);
    const realm = textOf(message, STUN_ATTRIBUTE.realm);
    const nonce = findAttribute(message, STUN_ATTRIBUTE.nonce);
    if (username === undefined || realm === undefined || nonce === undefined) {
      return { ok: false, code: TURN_ERROR.badRequest, why: "incomplete" };
    }
    if (!this.#options.nonces.isFresh(nonce, clientIp, at.now)) {
      return { ok: false, code: TURN_ERROR.staleNonce, why: "challenge" };
    }
    const graceMs = holder === username ? CREDENTIAL_GRACE_MS : 0;
    const checked = checkTurnUsername(this.#options.secret, username, (at.wall - graceMs) as WallTime);
    if (!checked.ok || realm !== this.#options.realm) {
      return { ok: false, code: TURN_ERROR.unauthenticated, why: "refused" };
    }
    const key = longTermKeyOf(username, realm, checked.password);
    if (verifyIntegrity(message, kind, key) !== "valid") {
      return { ok: false, code: TURN_ERROR.unauthenticated, why: "refused" };
    }
    return { ok: true, username, user: checked.name, credentialsExpireAt: checked.expiresAt, integrity: { kind, key } };
  }

  /** The attributes by which a client learns how to authenticate. */
  challenge(clientIp: string, at: ClockReading): { type: number; value: Uint8Array }[] {
    return [
      { type: STUN_ATTRIBUTE.realm, value: encodeUtf8(this.#options.realm) },
      { type: STUN_ATTRIBUTE.nonce, value: this.#options.nonces.make(clientIp, at.now) },
    ];
  }
}

function integrityKindOf(message: StunMessage): IntegrityKind | undefined {
  if (findAttribute(message, STUN_ATTRIBUTE.messageIntegritySha256) !== undefined) return "sha256";
  return findAttribute(message, STUN_ATTRIBUTE.messageIntegrity) === undefined ? undefined : "sha1";
}

function textOf(message: StunMessage, type: number): string | undefined {
  const value = findAttribute(message, type);
  return value === undefined ? undefined : parseUtf8(value);
}

/** The same as the core's `longTermKey`, by the host's faster MD5. */
function longTermKeyOf(username: string, realm: string, password: string): Uint8Array {
  return createHash("md5").update(`${username}:${realm}:${password}`).digest();
}
