import type { RandomBytes } from "../random.ts";
import type { Crypto } from "./crypto-port.ts";
import {
  encodeMachinePublicKey,
  encodeNodePublicKey,
  KEY_SIZE_BYTES,
  type MachinePublicKey,
  type NodePublicKey,
} from "./keys.ts";

export interface NodeKeyPair {
  /** X25519 private key, 32 bytes, clamped as `wg genkey` does. */
  readonly privateKey: Uint8Array;
  readonly publicKey: NodePublicKey;
}

export interface MachineKeyPair {
  /** Ed25519 seed, 32 bytes. */
  readonly privateKey: Uint8Array;
  readonly publicKey: MachinePublicKey;
}

export function generateNodeKeyPair(crypto: Crypto, random: RandomBytes): NodeKeyPair {
  const privateKey = random(KEY_SIZE_BYTES).slice();
  clampX25519(privateKey);
  return { privateKey, publicKey: encodeNodePublicKey(crypto.x25519PublicKey(privateKey)) };
}

export function generateMachineKeyPair(crypto: Crypto, random: RandomBytes): MachineKeyPair {
  const privateKey = random(KEY_SIZE_BYTES).slice();
  return { privateKey, publicKey: encodeMachinePublicKey(crypto.ed25519PublicKey(privateKey)) };
}

/** Sets the fixed bits of an X25519 private key in place (RFC 7748 §5). */
export function clampX25519(privateKey: Uint8Array): void {
  if (privateKey.length !== KEY_SIZE_BYTES) throw new RangeError(`an X25519 private key is ${KEY_SIZE_BYTES} bytes`);
  privateKey[0] = (privateKey[0] ?? 0) & 248;
  privateKey[31] = ((privateKey[31] ?? 0) & 127) | 64;
}
