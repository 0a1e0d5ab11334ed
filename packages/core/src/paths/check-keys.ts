/**
 * What two peers derive from the X25519 secret of their node keys, and nobody else can (docs/protocol-paths.md §2).
 *
 *   info = "asterism paths v1 " ‖ purpose ‖ lower public key ‖ higher public key      (order of bytes)
 *   key  = HKDF-SHA256(ikm = X25519(own private, peer's public), salt = "", info)
 *
 * Keys of a direction have the purpose "… from lower" or "… from higher", so that nothing can be reflected.
 */
import { hkdf } from "@noble/hashes/hkdf.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { concatBytes, encodeBase64Url, encodeUtf8 } from "../bytes/index.ts";

/** Names a pair of peers and a direction on the wire: 16 characters, base64url of 12 bytes. */
export type CheckId = string & { readonly __brand: "check-id" };

export const CHECK_ID_BYTES = 12;
export const CHECK_ID_CHARACTERS = 16;

export interface PairKeys {
  /** Key of MESSAGE-INTEGRITY-SHA256 in checks, both ways; 32 bytes. */
  readonly checkKey: Uint8Array;
  /** USERNAME of the checks and answers that we send. */
  readonly sendCheckId: CheckId;
  /** USERNAME of those that the peer sends: the key under which a receiver finds the peer. */
  readonly receiveCheckId: CheckId;
  /** ChaCha20-Poly1305 keys of the calls that we send and receive; 32 bytes each. */
  readonly callSendKey: Uint8Array;
  readonly callReceiveKey: Uint8Array;
}

export interface PairKeysInput {
  /** X25519(own static, peer's static), 32 bytes; null as `Crypto.x25519` gives for a key of small order. */
  readonly sharedSecret: Uint8Array | null;
  /** WireGuard public keys, 32 bytes each. */
  readonly localPublicKey: Uint8Array;
  readonly remotePublicKey: Uint8Array;
}

/** Null if there is no secret: a peer with such a key has no paths. */
export function derivePairKeys(input: PairKeysInput): PairKeys | null {
  const { sharedSecret, localPublicKey, remotePublicKey } = input;
  if (sharedSecret === null) return null;
  const localIsLower = compareBytes(localPublicKey, remotePublicKey) < 0;
  const keys = localIsLower ? [localPublicKey, remotePublicKey] : [remotePublicKey, localPublicKey];
  const derive = (purpose: string, sizeBytes: number): Uint8Array =>
    hkdf(sha256, sharedSecret, undefined, concatBytes(encodeUtf8(`asterism paths v1 ${purpose}`), ...keys), sizeBytes);
  const [own, other] = localIsLower ? ["lower", "higher"] : ["higher", "lower"];
  return {
    checkKey: derive("check key", 32),
    sendCheckId: encodeBase64Url(derive(`check id from ${own}`, CHECK_ID_BYTES)) as CheckId,
    receiveCheckId: encodeBase64Url(derive(`check id from ${other}`, CHECK_ID_BYTES)) as CheckId,
    callSendKey: derive(`call key from ${own}`, 32),
    callReceiveKey: derive(`call key from ${other}`, 32),
  };
}

function compareBytes(a: Uint8Array, b: Uint8Array): number {
  for (let i = 0; i < Math.min(a.length, b.length); i++) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}
