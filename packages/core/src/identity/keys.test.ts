import { describe, expect, test } from "vitest";
import { nobleCrypto } from "../../test/noble-crypto.ts";
import { seededRandom } from "../../test/seeded-random.ts";
import { encodeHex, parseHex } from "../bytes/index.ts";
import {
  clampX25519,
  encodeMachinePublicKey,
  encodeNodePublicKey,
  generateMachineKeyPair,
  generateNodeKeyPair,
  parseMachinePublicKey,
  parseNodePublicKey,
  publicKeyBytes,
} from "./index.ts";

// Made with `wg genkey` and `wg pubkey`.
const WG_PRIVATE = "cJjxUXUqBLU97RVMdOFZFmr+8n5WTYzrP5TNk3BDpUM=";

describe("public keys", () => {
  test("text and bytes are one to one", () => {
    const bytes = seededRandom(1)(32);
    expect(publicKeyBytes(encodeNodePublicKey(bytes))).toEqual(bytes);
    expect(parseNodePublicKey(encodeNodePublicKey(bytes))).toBe(encodeNodePublicKey(bytes));
    expect(parseMachinePublicKey(encodeMachinePublicKey(bytes))).toBe(encodeMachinePublicKey(bytes));
  });

  test.each(["", "AAAA", WG_PRIVATE.slice(0, 43), `${WG_PRIVATE} `, WG_PRIVATE.replace("=", "A"), "é".repeat(44)])(
    "%j is not a key",
    (text) => {
      expect(parseNodePublicKey(text)).toBeUndefined();
      expect(parseMachinePublicKey(text)).toBeUndefined();
    },
  );

  test("bytes of another length are refused", () => {
    expect(() => encodeNodePublicKey(new Uint8Array(31))).toThrow(RangeError);
    expect(() => encodeMachinePublicKey(new Uint8Array(33))).toThrow(RangeError);
    expect(() => clampX25519(new Uint8Array(31))).toThrow(RangeError);
  });
});

describe("key pairs", () => {
  test("a node key is clamped as RFC 7748 §5 says and its public key belongs to it", () => {
    const pair = generateNodeKeyPair(nobleCrypto, (sizeBytes) => new Uint8Array(sizeBytes).fill(0xff));
    expect(encodeHex(pair.privateKey)).toBe(`f8${"ff".repeat(30)}7f`);
    expect(publicKeyBytes(pair.publicKey)).toEqual(nobleCrypto.x25519PublicKey(pair.privateKey));
  });

  test("a machine key is the seed of RFC 8032 §7.1 test 1", () => {
    const seed = parseHex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60") ?? new Uint8Array();
    const pair = generateMachineKeyPair(nobleCrypto, () => seed);
    expect(encodeHex(publicKeyBytes(pair.publicKey))).toBe(
      "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
    );
    expect(pair.privateKey).not.toBe(seed);
  });
});
