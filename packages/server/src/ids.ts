import { createHash, randomBytes } from "node:crypto";

const ALPHABET = "abcdefghijklmnopqrstuvwxyz234567";
const ID_CHARACTERS = 20;

export type IdKind = "net" | "node" | "key" | "user" | "token" | "relay";

/** A new identifier: 100 random bits behind the kind, e.g. `node-k3v…`. */
export function createId(kind: IdKind): string {
  return `${kind}-${randomLabel(ID_CHARACTERS)}`;
}

/** Random text of 5 bits per character. */
export function randomLabel(characters: number): string {
  let text = "";
  for (const byte of randomBytes(characters)) text += ALPHABET.charAt(byte & 31);
  return text;
}

export function sha256Hex(data: Uint8Array | string): string {
  return createHash("sha256").update(data).digest("hex");
}
