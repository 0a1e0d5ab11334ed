import { sha256 } from "@noble/hashes/sha2.js";
import {
  bytesEqual,
  concatBytes,
  encodeBase64Url,
  encodeHex,
  encodeUtf8,
  parseBase64Url,
  parseHex,
  parseUtf8,
} from "../bytes/index.ts";
import { AsterismError, fail, ok, type Result } from "../errors/index.ts";

/**
 * The join key: all that a machine needs to become a member, on one line.
 *
 *   "ast1_" base64url (RFC 4648 §5, no padding) of
 *
 *   offset  size  field
 *   0       32    fingerprint   SHA-256 of the server's certificate (DER)
 *   32      20    secret        random
 *   52      n     url           UTF-8, https://host[:port], 1 ≤ n ≤ 512
 *   52+n    4     checksum      first bytes of SHA-256 over all that comes before
 *
 * The checksum tells a typing mistake from a key that the server does not know.
 */
export interface JoinKey {
  readonly fingerprint: Uint8Array;
  readonly secret: Uint8Array;
  readonly url: string;
}

export const JOIN_KEY_PREFIX = "ast1_";
export const FINGERPRINT_BYTES = 32;
export const KEY_SECRET_BYTES = 20;
const CHECKSUM_BYTES = 4;
const MAX_URL_BYTES = 512;
const HEADER_BYTES = FINGERPRINT_BYTES + KEY_SECRET_BYTES;
const MAX_KEY_CHARACTERS =
  JOIN_KEY_PREFIX.length + Math.ceil(((HEADER_BYTES + MAX_URL_BYTES + CHECKSUM_BYTES) * 4) / 3);
const SERVER_URL = /^https:\/\/(\[[0-9a-f:.]+\]|[a-z0-9.-]+)(:[0-9]{1,5})?$/;

/** Throws `invalid-input` if a part has the wrong size or the URL is not `https://host[:port]`. */
export function encodeJoinKey(key: JoinKey): string {
  const url = encodeUtf8(key.url);
  if (key.fingerprint.length !== FINGERPRINT_BYTES || key.secret.length !== KEY_SECRET_BYTES) {
    throw new AsterismError("invalid-input", "A join key takes a fingerprint of 32 bytes and a secret of 20.");
  }
  if (url.length > MAX_URL_BYTES || !isServerUrl(key.url)) {
    throw new AsterismError(
      "invalid-input",
      `"${key.url}" is not a server URL: it must be https://host or https://host:port.`,
    );
  }
  const body = concatBytes(key.fingerprint, key.secret, url);
  return JOIN_KEY_PREFIX + encodeBase64Url(concatBytes(body, checksum(body)));
}

/** Reads a join key as a person pasted it; space around it is ignored. The error is `join-key-invalid`. */
export function parseJoinKey(text: string): Result<JoinKey> {
  const trimmed = text.trim();
  if (!trimmed.startsWith(JOIN_KEY_PREFIX)) {
    return invalid(`A join key starts with "${JOIN_KEY_PREFIX}". Get one with: asterism admin key create`);
  }
  if (trimmed.length > MAX_KEY_CHARACTERS)
    return invalid("The join key is too long. Copy the whole line and nothing else.");
  const bytes = parseBase64Url(trimmed.slice(JOIN_KEY_PREFIX.length));
  if (bytes === undefined || bytes.length <= HEADER_BYTES + CHECKSUM_BYTES) {
    return invalid(
      "The join key is cut short or has a character that does not belong there. Copy the whole line again.",
    );
  }
  const body = bytes.subarray(0, bytes.length - CHECKSUM_BYTES);
  if (!bytesEqual(checksum(body), bytes.subarray(body.length))) {
    return invalid("The join key has a typing mistake: its checksum does not fit. Copy the whole line again.");
  }
  const url = parseUtf8(body.subarray(HEADER_BYTES));
  if (url === undefined || !isServerUrl(url))
    return invalid("The join key names no server address. Ask for a new one.");
  return ok({
    fingerprint: body.slice(0, FINGERPRINT_BYTES),
    secret: body.slice(FINGERPRINT_BYTES, HEADER_BYTES),
    url,
  });
}

/** True for `https://host[:port]` in lower case, without path or slash at the end. */
export function isServerUrl(url: string): boolean {
  return SERVER_URL.test(url);
}

/** The form in which fingerprints are shown and signed: 64 hex digits in lower case. */
export function formatFingerprint(fingerprint: Uint8Array): string {
  return encodeHex(fingerprint);
}

/** Reads 32 bytes in hex; a `sha256:` before, colons and upper case, as OpenSSL prints them, are fine. */
export function parseFingerprint(text: string): Uint8Array | undefined {
  const digits = text
    .trim()
    .replace(/^sha256:/i, "")
    .replaceAll(":", "");
  return digits.length === 2 * FINGERPRINT_BYTES ? parseHex(digits) : undefined;
}

function invalid(message: string): Result<never> {
  return fail(new AsterismError("join-key-invalid", message));
}

function checksum(bytes: Uint8Array): Uint8Array {
  return sha256(bytes).subarray(0, CHECKSUM_BYTES);
}
