import { hmac } from "@noble/hashes/hmac.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { encodeBase64Url, encodeUtf8 } from "../bytes/index.ts";

/**
 * Shows the peer, inside a sealed call, that this node was given the same passphrase, so that a wrong one is reported
 * as such and not as a handshake without an answer. It tells nothing to anyone who lacks the passphrase: the key is
 * the pair's preshared key, which argon2id stands before.
 */
export function passphraseProof(presharedKey: Uint8Array, callId: string): string {
  return encodeBase64Url(hmac(sha256, presharedKey, encodeUtf8(`asterism passphrase proof v1 ${callId}`)));
}
