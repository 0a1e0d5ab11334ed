import { createCipheriv, createDecipheriv, createHash } from "node:crypto";
import type { CallCrypto } from "@asterism/core/paths";

const TAG_BYTES = 16;

/** What calls need of the crypto port, on `node:crypto`. */
export const testCrypto: CallCrypto & { sha256(data: Uint8Array): Uint8Array } = {
  chacha20Poly1305Seal(key, nonce, aad, plaintext) {
    const cipher = createCipheriv("chacha20-poly1305", key, nonce, { authTagLength: TAG_BYTES });
    cipher.setAAD(aad, { plaintextLength: plaintext.length });
    return new Uint8Array(Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]));
  },
  chacha20Poly1305Open(key, nonce, aad, sealed) {
    const decipher = createDecipheriv("chacha20-poly1305", key, nonce, { authTagLength: TAG_BYTES });
    const ciphertext = sealed.subarray(0, -TAG_BYTES);
    decipher.setAAD(aad, { plaintextLength: ciphertext.length });
    decipher.setAuthTag(sealed.subarray(-TAG_BYTES));
    try {
      return new Uint8Array(Buffer.concat([decipher.update(ciphertext), decipher.final()]));
    } catch {
      return null; // The tag does not verify.
    }
  },
  sha256: (data) => new Uint8Array(createHash("sha256").update(data).digest()),
};
