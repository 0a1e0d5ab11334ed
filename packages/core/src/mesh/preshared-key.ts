import { concatBytes, encodeUtf8 } from "../bytes/index.ts";
import type { Crypto } from "../identity/index.ts";

const PSK_INFO = encodeUtf8("asterism preshared key v1");

/**
 * The WireGuard preshared key of a pair in a network with a passphrase (design.md §5).
 *
 * `stretchedSecret` is argon2id of the passphrase with the network id as salt, 32 bytes. The public keys are sorted, so
 * that both ends compute the same 32 bytes. Whoever lacks the passphrase can't complete a handshake, whatever node keys
 * the server hands out.
 */
export function pairPresharedKey(
  crypto: Crypto,
  stretchedSecret: Uint8Array,
  publicKeyA: Uint8Array,
  publicKeyB: Uint8Array,
): Uint8Array {
  const [first, second] = isBefore(publicKeyA, publicKeyB) ? [publicKeyA, publicKeyB] : [publicKeyB, publicKeyA];
  return crypto.hkdfSha256(stretchedSecret, concatBytes(first, second), PSK_INFO, 32);
}

function isBefore(a: Uint8Array, b: Uint8Array): boolean {
  for (let i = 0; i < a.length; i++) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0);
    if (difference !== 0) return difference < 0;
  }
  return false;
}
