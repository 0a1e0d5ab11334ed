/**
 * Nonces that need no memory: 4 bytes of time in seconds and 8 bytes of HMAC-SHA256 over time and the client's address,
 * as 16 characters of base64url. Short, because they are in the answer to a request that anyone can forge.
 */
import { createHmac } from "node:crypto";
import {
  bytesEqual,
  concatBytes,
  encodeBase64Url,
  encodeUtf8,
  parseBase64Url,
  parseUtf8,
  readUint32Be,
  writeUint32Be,
} from "@asterism/core/bytes";
import type { Instant } from "@asterism/core/time";

/** How long a nonce serves (RFC 8656 §5 recommends an hour at most). */
export const NONCE_LIFETIME_MS = 3_600_000;

const TIME_BYTES = 4;
const MAC_BYTES = 8;

export class Nonces {
  readonly #secret: Uint8Array;

  /** `secret`: 32 random bytes of this process. */
  constructor(secret: Uint8Array) {
    this.#secret = secret;
  }

  make(clientIp: string, now: Instant): Uint8Array {
    const time = new Uint8Array(TIME_BYTES);
    writeUint32Be(time, 0, Math.floor(now / 1_000) >>> 0);
    return encodeUtf8(encodeBase64Url(concatBytes(time, this.#macOf(time, clientIp))));
  }

  isFresh(nonce: Uint8Array, clientIp: string, now: Instant): boolean {
    const bytes = parseBase64Url(parseUtf8(nonce) ?? "");
    if (bytes?.length !== TIME_BYTES + MAC_BYTES) return false;
    const time = bytes.subarray(0, TIME_BYTES);
    if (!bytesEqual(bytes.subarray(TIME_BYTES), this.#macOf(time, clientIp))) return false;
    const ageMs = now - readUint32Be(time, 0) * 1_000;
    return ageMs >= 0 && ageMs < NONCE_LIFETIME_MS;
  }

  #macOf(time: Uint8Array, clientIp: string): Uint8Array {
    return createHmac("sha256", this.#secret).update(time).update(clientIp).digest().subarray(0, MAC_BYTES);
  }
}
