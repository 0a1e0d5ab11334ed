import { encodeUtf8 } from "../bytes/index.ts";

/**
 * The texts that a machine signs (Ed25519, machine key) to prove to the server who it is. Each starts with its own
 * context line, so that no signature can be used for another purpose, and names the server's certificate (hex), so that
 * a server in between can't pass it on.
 */

/** Signed in a join request: binds the key that is used to the record that is handed in. */
export function joinProofBytes(
  fingerprint: string,
  keySecret: string,
  name: string,
  recordSignature: string,
): Uint8Array {
  return encodeLines("asterism join v1", fingerprint, keySecret, name, recordSignature);
}

/** Signed at the start of a control stream; `nonce` is the one of the server's `hello`. */
export function controlProofBytes(fingerprint: string, nonce: string, nodeId: string): Uint8Array {
  return encodeLines("asterism control v1", fingerprint, nonce, nodeId);
}

/** Signed in a leave request. Leaving for good can't be replayed to any use: node ids never come back. */
export function leaveProofBytes(fingerprint: string, nodeId: string): Uint8Array {
  return encodeLines("asterism leave v1", fingerprint, nodeId);
}

function encodeLines(...lines: string[]): Uint8Array {
  return encodeUtf8(lines.join("\n"));
}
