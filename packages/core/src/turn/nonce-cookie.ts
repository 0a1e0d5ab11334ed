/**
 * The nonce cookie (RFC 8489 §9.2): a nonce that begins with "obMatJos2" and four base64 characters tells, out of reach
 * of an attacker who only edits attributes, which security features the server has.
 */
import { encodeBase64, parseBase64 } from "../bytes/index.ts";

export interface NonceFeatures {
  /** PASSWORD-ALGORITHMS comes with the challenge. */
  readonly passwordAlgorithms: boolean;
  /** USERHASH may stand for USERNAME. */
  readonly userAnonymity: boolean;
}

const COOKIE = "obMatJos2";
const FEATURE_CHARACTERS = 4;

/** The beginning of a nonce; the server appends what makes it unguessable. */
export function encodeNonceCookie({ passwordAlgorithms, userAnonymity }: NonceFeatures): string {
  return COOKIE + encodeBase64(Uint8Array.of(0, 0, (passwordAlgorithms ? 1 : 0) | (userAnonymity ? 2 : 0)));
}

/** What the server has; nothing for a nonce without the cookie. */
export function parseNonceFeatures(nonce: string): NonceFeatures {
  const isCookie = nonce.startsWith(COOKIE);
  const bits = isCookie ? parseBase64(nonce.slice(COOKIE.length, COOKIE.length + FEATURE_CHARACTERS)) : undefined;
  const flags = bits?.length === 3 ? (bits[2] ?? 0) : 0;
  return { passwordAlgorithms: (flags & 1) !== 0, userAnonymity: (flags & 2) !== 0 };
}
