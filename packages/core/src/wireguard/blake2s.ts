/**
 * BLAKE2s (RFC 7693) in the three forms that WireGuard uses. Source: WireGuard paper §5.4, "Hash", "Mac", "Hmac", "Kdf".
 */
import { blake2s } from "@noble/hashes/blake2.js";
import { hmac } from "@noble/hashes/hmac.js";
import { concatBytes, wipe } from "../bytes/index.ts";

/** BLAKE2s-256 of the parts, one after the other: 32 bytes. */
export function blake2sHash(...parts: readonly Uint8Array[]): Uint8Array {
  const hash = blake2s.create({ dkLen: 32 });
  for (const part of parts) hash.update(part);
  return hash.digest();
}

/** Keyed BLAKE2s-128, key of 16 or 32 bytes: 16 bytes. */
export function blake2sMac(key: Uint8Array, data: Uint8Array): Uint8Array {
  return blake2s(data, { key, dkLen: 16 });
}

/** HKDF (RFC 5869) with HMAC-BLAKE2s and no info: `count` keys of 32 bytes from a chaining key and new input. */
export function blake2sKdf(chainingKey: Uint8Array, input: Uint8Array, count: 1 | 2 | 3): Uint8Array[] {
  const extracted = hmac(blake2s, chainingKey, input);
  const keys: Uint8Array[] = [];
  let previous = new Uint8Array(0);
  for (let number = 1; number <= count; number++) {
    previous = new Uint8Array(hmac(blake2s, extracted, concatBytes(previous, Uint8Array.of(number))));
    keys.push(previous);
  }
  wipe(extracted);
  return keys;
}
