export type { Crypto } from "./crypto-port.ts";
export {
  clampX25519,
  generateMachineKeyPair,
  generateNodeKeyPair,
  type MachineKeyPair,
  type NodeKeyPair,
} from "./key-pair.ts";
export {
  encodeMachinePublicKey,
  encodeNodePublicKey,
  KEY_SIZE_BYTES,
  type MachinePublicKey,
  type NodePublicKey,
  parseMachinePublicKey,
  parseNodePublicKey,
  publicKeyBytes,
} from "./keys.ts";
