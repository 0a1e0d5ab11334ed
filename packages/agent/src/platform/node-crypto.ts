import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  hkdfSync,
  type KeyObject,
  sign,
  verify,
} from "node:crypto";
import { bytesEqual, wipe } from "@asterism/core/bytes";
import type { Crypto } from "@asterism/core/identity";

const KEY_SIZE_BYTES = 32;
const NONCE_SIZE_BYTES = 12;
const TAG_SIZE_BYTES = 16;
const AEAD = "chacha20-poly1305";
const AEAD_OPTIONS = { authTagLength: TAG_SIZE_BYTES } as const;

/** What stands before the 32 raw bytes in the DER forms of RFC 8410. */
const DER_PREFIX = {
  x25519: { private: "302e020100300506032b656e04220420", public: "302a300506032b656e032100" },
  ed25519: { private: "302e020100300506032b657004220420", public: "302a300506032b6570032100" },
} as const;
type Curve = keyof typeof DER_PREFIX;

/**
 * Importing a private key costs more than the multiplication that follows (36 µs to 25 µs on an EPYC core), and a
 * handshake uses each key several times. An entry lives as long as the caller's array; one that was wiped or
 * changed since no longer equals its copy and is not used.
 */
const importedPrivateKeys: Record<Curve, WeakMap<Uint8Array, ImportedKey>> = {
  x25519: new WeakMap(),
  ed25519: new WeakMap(),
};
interface ImportedKey {
  readonly copy: Uint8Array;
  readonly key: KeyObject;
}

/**
 * The crypto port on OpenSSL. Buffers that held key material here are wiped; what OpenSSL keeps inside a
 * `KeyObject` is freed, cleansed, when the garbage collector takes the caller's array.
 */
export const nodeCrypto: Crypto = {
  x25519,
  x25519PublicKey: (privateKey) => rawPublicKey(importPrivateKey("x25519", privateKey)),
  chacha20Poly1305Seal,
  chacha20Poly1305Open,
  ed25519PublicKey: (privateKey) => rawPublicKey(importPrivateKey("ed25519", privateKey)),
  ed25519Sign: (privateKey, message) => plain(sign(null, message, importPrivateKey("ed25519", privateKey))),
  ed25519Verify,
  sha256: (data) => plain(createHash("sha256").update(data).digest()),
  hmacSha256: (key, data) => plain(createHmac("sha256", key).update(data).digest()),
  hkdfSha256: (inputKey, salt, info, sizeBytes) => new Uint8Array(hkdfSync("sha256", inputKey, salt, info, sizeBytes)),
};

function x25519(privateKey: Uint8Array, publicKey: Uint8Array): Uint8Array | null {
  const ours = importPrivateKey("x25519", privateKey);
  const theirs = importPublicKey("x25519", publicKey);
  try {
    return plain(diffieHellman({ privateKey: ours, publicKey: theirs }));
  } catch {
    // OpenSSL refuses the all-zero result (RFC 7748 §6.1); both keys were imported, so nothing else can fail.
    return null;
  }
}

function chacha20Poly1305Seal(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, plaintext: Uint8Array): Uint8Array {
  requireSize(key, KEY_SIZE_BYTES, "ChaCha20-Poly1305 key");
  requireSize(nonce, NONCE_SIZE_BYTES, "ChaCha20-Poly1305 nonce");
  const cipher = createCipheriv(AEAD, key, nonce, AEAD_OPTIONS);
  cipher.setAAD(aad, { plaintextLength: plaintext.length });
  const sealed = new Uint8Array(plaintext.length + TAG_SIZE_BYTES);
  sealed.set(cipher.update(plaintext), 0);
  cipher.final();
  sealed.set(cipher.getAuthTag(), plaintext.length);
  return sealed;
}

function chacha20Poly1305Open(
  key: Uint8Array,
  nonce: Uint8Array,
  aad: Uint8Array,
  sealed: Uint8Array,
): Uint8Array | null {
  requireSize(key, KEY_SIZE_BYTES, "ChaCha20-Poly1305 key");
  requireSize(nonce, NONCE_SIZE_BYTES, "ChaCha20-Poly1305 nonce");
  const plaintextBytes = sealed.length - TAG_SIZE_BYTES;
  if (plaintextBytes < 0) return null;
  const decipher = createDecipheriv(AEAD, key, nonce, AEAD_OPTIONS);
  decipher.setAAD(aad, { plaintextLength: plaintextBytes });
  decipher.setAuthTag(sealed.subarray(plaintextBytes));
  const opened = decipher.update(sealed.subarray(0, plaintextBytes));
  try {
    decipher.final();
  } catch {
    // The tag does not verify: an ordinary outcome on hostile input.
    wipe(opened);
    return null;
  }
  return plain(opened);
}

function ed25519Verify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  const key = importPublicKey("ed25519", publicKey);
  try {
    return verify(null, message, key, signature);
  } catch {
    // OpenSSL may raise on bytes that are not a point; such a key signs nothing.
    return false;
  }
}

function importPrivateKey(curve: Curve, raw: Uint8Array): KeyObject {
  const known = importedPrivateKeys[curve].get(raw);
  if (known !== undefined && bytesEqual(known.copy, raw)) return known.key;
  const der = derOf(DER_PREFIX[curve].private, raw, `${curve} private key`);
  try {
    const key = createPrivateKey({ key: der, format: "der", type: "pkcs8" });
    importedPrivateKeys[curve].set(raw, { copy: raw.slice(), key });
    return key;
  } finally {
    wipe(der);
  }
}

function importPublicKey(curve: Curve, raw: Uint8Array): KeyObject {
  const der = derOf(DER_PREFIX[curve].public, raw, `${curve} public key`);
  return createPublicKey({ key: der, format: "der", type: "spki" });
}

function derOf(prefixHex: string, raw: Uint8Array, name: string): Buffer {
  requireSize(raw, KEY_SIZE_BYTES, name);
  const prefix = Buffer.from(prefixHex, "hex");
  // allocUnsafeSlow keeps key material out of the pool that other buffers share.
  const der = Buffer.allocUnsafeSlow(prefix.length + raw.length);
  der.set(prefix, 0);
  der.set(raw, prefix.length);
  return der;
}

function rawPublicKey(privateKey: KeyObject): Uint8Array {
  const { x } = createPublicKey(privateKey).export({ format: "jwk" });
  if (x === undefined) throw new Error("OpenSSL exported a key without its public part");
  return plain(Buffer.from(x, "base64url"));
}

function requireSize(bytes: Uint8Array, sizeBytes: number, name: string): void {
  if (bytes.length !== sizeBytes) throw new RangeError(`a ${name} is ${sizeBytes} bytes, not ${bytes.length}`);
}

/** A plain array of its own: a Buffer may be a window into a pool shared with other data. */
function plain(buffer: Buffer): Uint8Array {
  const bytes = new Uint8Array(buffer);
  wipe(buffer);
  return bytes;
}
