/**
 * The crypto port on a pure library, for tests of the pure room. It shares no code with the agent's
 * implementation, so vectors made with one hold the other to account.
 */
import { chacha20poly1305 } from "@noble/ciphers/chacha.js";
import { ed25519, x25519 } from "@noble/curves/ed25519.js";
import { hkdf } from "@noble/hashes/hkdf.js";
import { hmac } from "@noble/hashes/hmac.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { encodeHex } from "../src/bytes/index.ts";
import type { Crypto } from "../src/identity/index.ts";

/** Results of X25519 by keys, as tests repeat the same seeded keys thousands of times. */
const sharedSecrets = new Map<string, Uint8Array | null>(); // bounded: cleared at MAX_CACHED
const MAX_CACHED = 20_000;

export const nobleCrypto: Crypto = {
  x25519: (privateKey, publicKey) => cached(privateKey, publicKey, () => sharedSecret(privateKey, publicKey)),
  x25519PublicKey: (privateKey) => x25519.getPublicKey(privateKey),
  chacha20Poly1305Seal: (key, nonce, aad, plaintext) => chacha20poly1305(key, nonce, aad).encrypt(plaintext),
  chacha20Poly1305Open: (key, nonce, aad, sealed) => {
    try {
      return chacha20poly1305(key, nonce, aad).decrypt(sealed);
    } catch {
      return null; // The library throws where a tag does not verify.
    }
  },
  ed25519PublicKey: (privateKey) => ed25519.getPublicKey(privateKey),
  ed25519Sign: (privateKey, message) => ed25519.sign(message, privateKey),
  ed25519Verify: (publicKey, message, signature) => {
    try {
      return ed25519.verify(signature, message, publicKey, { zip215: false });
    } catch {
      return false; // The library throws on malformed signatures and points.
    }
  },
  sha256: (data) => sha256(data),
  hmacSha256: (key, data) => hmac(sha256, key, data),
  hkdfSha256: (inputKey, salt, info, sizeBytes) => hkdf(sha256, inputKey, salt, info, sizeBytes),
};

function sharedSecret(privateKey: Uint8Array, publicKey: Uint8Array): Uint8Array | null {
  try {
    return x25519.getSharedSecret(privateKey, publicKey);
  } catch {
    return null; // The library throws on public keys of small order.
  }
}

function cached(privateKey: Uint8Array, publicKey: Uint8Array, compute: () => Uint8Array | null): Uint8Array | null {
  const name = `${encodeHex(privateKey)}/${encodeHex(publicKey)}`;
  let result = sharedSecrets.get(name);
  if (result === undefined) {
    if (sharedSecrets.size >= MAX_CACHED) sharedSecrets.clear();
    result = compute();
    sharedSecrets.set(name, result);
  }
  return result?.slice() ?? null;
}
