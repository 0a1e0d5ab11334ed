/**
 * The cryptography that the pure room needs and does not bring itself.
 *
 * The agent implements it on `node:crypto`; core's tests on a pure library. Functions are synchronous, never
 * keep their arguments and never change them. A key, nonce or signature of the wrong length is the caller's
 * bug and throws RangeError; hostile content returns null or false.
 */
export interface Crypto {
  /**
   * X25519 (RFC 7748 §6.1). 32 bytes each; the private key is clamped by the function, not by the caller.
   * Null if the result is all zero, which a public key of small order gives: such a key must not be used.
   */
  x25519(privateKey: Uint8Array, publicKey: Uint8Array): Uint8Array | null;
  x25519PublicKey(privateKey: Uint8Array): Uint8Array;

  /** ChaCha20-Poly1305 (RFC 8439 §2.8), 32-byte key, 12-byte nonce: ciphertext followed by the 16-byte tag. */
  chacha20Poly1305Seal(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, plaintext: Uint8Array): Uint8Array;
  /** The plaintext; null if the tag does not verify or `sealed` is shorter than a tag. */
  chacha20Poly1305Open(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, sealed: Uint8Array): Uint8Array | null;

  /** Ed25519 (RFC 8032 §5.1). The private key is the 32-byte seed. */
  ed25519PublicKey(privateKey: Uint8Array): Uint8Array;
  /** 64 bytes. */
  ed25519Sign(privateKey: Uint8Array, message: Uint8Array): Uint8Array;
  /** False for any signature that is not valid, whatever its length, and for a public key that is not a point. */
  ed25519Verify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean;

  /** 32 bytes. */
  sha256(data: Uint8Array): Uint8Array;
  /** HMAC (RFC 2104) of SHA-256: 32 bytes. */
  hmacSha256(key: Uint8Array, data: Uint8Array): Uint8Array;
  /** HKDF (RFC 5869) of SHA-256: `sizeBytes` ≤ 8160 bytes of output key material. */
  hkdfSha256(inputKey: Uint8Array, salt: Uint8Array, info: Uint8Array, sizeBytes: number): Uint8Array;
}
