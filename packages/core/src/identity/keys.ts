import { encodeBase64, parseBase64 } from "../bytes/index.ts";

export const KEY_SIZE_BYTES = 32;

/** A WireGuard public key (X25519) as `wg` prints it: 44 characters of base64. It names a node on the tunnel. */
export type NodePublicKey = string & { readonly __brand: "node-public-key" };

/** An Ed25519 public key in base64: the long-lived identity of a machine, which signs its node keys. */
export type MachinePublicKey = string & { readonly __brand: "machine-public-key" };

/** Undefined if `text` is not the base64 of 32 bytes. */
export function parseNodePublicKey(text: string): NodePublicKey | undefined {
  return isKeyText(text) ? (text as NodePublicKey) : undefined;
}

/** Undefined if `text` is not the base64 of 32 bytes. */
export function parseMachinePublicKey(text: string): MachinePublicKey | undefined {
  return isKeyText(text) ? (text as MachinePublicKey) : undefined;
}

/** Throws RangeError unless `bytes` are 32. */
export function encodeNodePublicKey(bytes: Uint8Array): NodePublicKey {
  return encodeKey(bytes, "node public key") as NodePublicKey;
}

/** Throws RangeError unless `bytes` are 32. */
export function encodeMachinePublicKey(bytes: Uint8Array): MachinePublicKey {
  return encodeKey(bytes, "machine public key") as MachinePublicKey;
}

/** The 32 bytes of a key in text form. */
export function publicKeyBytes(key: NodePublicKey | MachinePublicKey): Uint8Array<ArrayBuffer> {
  const bytes = parseBase64(key);
  if (bytes?.length !== KEY_SIZE_BYTES) throw new RangeError(`not a public key in base64: ${JSON.stringify(key)}`);
  return bytes;
}

function isKeyText(text: string): boolean {
  return text.length === 44 && parseBase64(text)?.length === KEY_SIZE_BYTES;
}

function encodeKey(bytes: Uint8Array, name: string): string {
  if (bytes.length !== KEY_SIZE_BYTES)
    throw new RangeError(`a ${name} is ${KEY_SIZE_BYTES} bytes, not ${bytes.length}`);
  return encodeBase64(bytes);
}
