import { createPublicKey, verify } from "node:crypto";

/** What stands before the 32 raw bytes of an Ed25519 public key in DER (RFC 8410 §4). */
const SPKI_PREFIX = Buffer.from("302a300506032b6570032100", "hex");

/** False for any signature that is not valid, whatever its length, and for a key that is not a point. */
export function ed25519Verify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  if (publicKey.length !== 32 || signature.length !== 64) return false;
  try {
    const key = createPublicKey({ key: Buffer.concat([SPKI_PREFIX, publicKey]), format: "der", type: "spki" });
    return verify(null, message, key, signature);
  } catch {
    return false; // OpenSSL raises on bytes that are not a point; such a key signs nothing
  }
}
