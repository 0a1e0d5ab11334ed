import { generateKeyPairSync, randomBytes } from "node:crypto";
import { encodeHex, encodeUtf8, wipe } from "@asterism/core/bytes";
import type { ClockReading, Instant, WallTime } from "@asterism/core/time";
import { WireGuard } from "@asterism/core/wireguard";
import { describe, expect, test } from "vitest";
import { nobleCrypto } from "../../../core/test/noble-crypto.ts";
import { nodeCrypto } from "./node-crypto.ts";

const hex = (text: string) => new Uint8Array(Buffer.from(text, "hex"));
const range = (first: number, length: number) => Uint8Array.from({ length }, (_, index) => first + index);
const random = (sizeBytes: number) => new Uint8Array(randomBytes(sizeBytes));

describe("X25519", () => {
  const alicePrivate = hex("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a");
  const alicePublic = hex("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a");
  const bobPrivate = hex("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb");
  const bobPublic = hex("de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f");
  const shared = hex("4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742");

  test("gives the results of RFC 7748 §6.1", () => {
    expect(nodeCrypto.x25519PublicKey(alicePrivate)).toEqual(alicePublic);
    expect(nodeCrypto.x25519PublicKey(bobPrivate)).toEqual(bobPublic);
    expect(nodeCrypto.x25519(alicePrivate, bobPublic)).toEqual(shared);
    expect(nodeCrypto.x25519(bobPrivate, alicePublic)).toEqual(shared);
  });

  test.each([
    "0".repeat(64),
    `01${"0".repeat(62)}`,
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
  ])("gives null for the point of small order %s", (point) => {
    expect(nodeCrypto.x25519(alicePrivate, hex(point))).toBeNull();
    expect(nobleCrypto.x25519(alicePrivate, hex(point))).toBeNull();
  });

  test("an array that is reused for another key is not taken for the old one", () => {
    const key = alicePrivate.slice();
    expect(nodeCrypto.x25519PublicKey(key)).toEqual(alicePublic);
    key.set(bobPrivate);
    expect(nodeCrypto.x25519PublicKey(key)).toEqual(bobPublic);
    wipe(key);
    expect(nodeCrypto.x25519PublicKey(key)).not.toEqual(bobPublic);
  });

  test("keys of another length are misuse", () => {
    expect(() => nodeCrypto.x25519(new Uint8Array(31), bobPublic)).toThrow(/x25519 private key is 32 bytes, not 31/);
    expect(() => nodeCrypto.x25519(alicePrivate, new Uint8Array(33))).toThrow(RangeError);
  });
});

describe("ChaCha20-Poly1305", () => {
  const key = range(0x80, 32);
  const nonce = hex("070000004041424344454647");
  const aad = hex("50515253c0c1c2c3c4c5c6c7");
  const plaintext = encodeUtf8(
    "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it.",
  );

  test("seals the vector of RFC 8439 §2.8.2", () => {
    const sealed = nodeCrypto.chacha20Poly1305Seal(key, nonce, aad, plaintext);
    expect(encodeHex(sealed.subarray(0, 16))).toBe("d31a8d34648e60db7b86afbc53ef7ec2");
    expect(encodeHex(sealed.subarray(-16))).toBe("1ae10b594f09e26a7e902ecbd0600691");
    expect(nodeCrypto.chacha20Poly1305Open(key, nonce, aad, sealed)).toEqual(plaintext);
  });

  test("agrees with the pure library, also on empty text", () => {
    for (const size of [0, 1, 12, 32, 300]) {
      const text = random(size);
      const sealed = nodeCrypto.chacha20Poly1305Seal(key, nonce, aad, text);
      expect(sealed).toEqual(nobleCrypto.chacha20Poly1305Seal(key, nonce, aad, text));
      expect(nodeCrypto.chacha20Poly1305Open(key, nonce, aad, sealed)).toEqual(text);
    }
  });

  test("opens nothing that was changed or is too short", () => {
    const sealed = nodeCrypto.chacha20Poly1305Seal(key, nonce, aad, plaintext);
    for (const index of [0, plaintext.length, sealed.length - 1]) {
      const forged = sealed.slice();
      forged[index] = (forged[index] ?? 0) ^ 1;
      expect(nodeCrypto.chacha20Poly1305Open(key, nonce, aad, forged)).toBeNull();
    }
    expect(nodeCrypto.chacha20Poly1305Open(key, nonce, new Uint8Array(), sealed)).toBeNull();
    expect(nodeCrypto.chacha20Poly1305Open(key, nonce, aad, new Uint8Array(15))).toBeNull();
    expect(nodeCrypto.chacha20Poly1305Open(key, nonce, aad, new Uint8Array())).toBeNull();
  });

  test("keys and nonces of another length are misuse", () => {
    expect(() => nodeCrypto.chacha20Poly1305Seal(random(31), nonce, aad, plaintext)).toThrow(RangeError);
    expect(() => nodeCrypto.chacha20Poly1305Open(key, random(8), aad, plaintext)).toThrow(RangeError);
  });
});

describe("Ed25519", () => {
  const seed = hex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60");
  const publicKey = hex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
  const signature = hex(
    "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
  );
  const nothing = new Uint8Array();

  test("gives the results of RFC 8032 §7.1 test 1", () => {
    expect(nodeCrypto.ed25519PublicKey(seed)).toEqual(publicKey);
    expect(nodeCrypto.ed25519Sign(seed, nothing)).toEqual(signature);
    expect(nodeCrypto.ed25519Verify(publicKey, nothing, signature)).toBe(true);
  });

  test("agrees with the pure library", () => {
    const message = random(200);
    expect(nodeCrypto.ed25519Sign(seed, message)).toEqual(nobleCrypto.ed25519Sign(seed, message));
  });

  test("refuses other messages, keys, lengths and what is no point", () => {
    expect(nodeCrypto.ed25519Verify(publicKey, Uint8Array.of(1), signature)).toBe(false);
    expect(nodeCrypto.ed25519Verify(publicKey, nothing, signature.subarray(0, 63))).toBe(false);
    expect(nodeCrypto.ed25519Verify(publicKey, nothing, nothing)).toBe(false);
    expect(nodeCrypto.ed25519Verify(new Uint8Array(32).fill(0xff), nothing, signature)).toBe(false);
    const { publicKey: other } = generateKeyPairSync("ed25519");
    const raw = new Uint8Array(other.export({ format: "der", type: "spki" }).subarray(12));
    expect(nodeCrypto.ed25519Verify(raw, nothing, signature)).toBe(false);
  });
});

describe("SHA-256", () => {
  test("hash, HMAC (RFC 4231 §4.3) and HKDF (RFC 5869 §A.1)", () => {
    expect(encodeHex(nodeCrypto.sha256(encodeUtf8("abc")))).toBe(
      "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    );
    expect(encodeHex(nodeCrypto.hmacSha256(encodeUtf8("Jefe"), encodeUtf8("what do ya want for nothing?")))).toBe(
      "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
    );
    const okm = nodeCrypto.hkdfSha256(new Uint8Array(22).fill(0x0b), range(0, 13), range(0xf0, 10), 42);
    expect(encodeHex(okm)).toBe("3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865");
    expect(nobleCrypto.hkdfSha256(new Uint8Array(22).fill(0x0b), range(0, 13), range(0xf0, 10), 42)).toEqual(okm);
  });
});

test("a WireGuard device on it shakes hands with one on the pure library", () => {
  const ours = new WireGuard({ privateKey: random(32), crypto: nodeCrypto, random });
  const theirs = new WireGuard({ privateKey: random(32), crypto: nobleCrypto, random });
  const presharedKey = random(32);
  const from = { linkId: 0, remote: { address: "192.0.2.1", port: 1 }, channel: null };
  const time: ClockReading = { now: 1_000 as Instant, wall: 1_700_000_000_000 as WallTime };
  for (const [initiator, responder] of [
    [ours, theirs],
    [theirs, ours],
  ] as const) {
    const handle = initiator.addPeer({ publicKey: responder.publicKey, presharedKey });
    const other = responder.addPeer({ publicKey: initiator.publicKey, presharedKey });
    initiator.requestSession(handle, time);
    expect(responder.handleDatagram(initiator.pollTransmit()?.bytes ?? random(0), from, time)).toBeUndefined();
    expect(initiator.handleDatagram(responder.pollTransmit()?.bytes ?? random(0), from, time)).toBeUndefined();
    const [sent, received] = [initiator.pollEvent(), responder.pollEvent()];
    if (sent?.kind !== "session" || received?.kind !== "session") throw new Error("no session");
    expect(sent.sendKey).toEqual(received.receiveKey);
    expect(sent.receiveKey).toEqual(received.sendKey);
    initiator.removePeer(handle);
    responder.removePeer(other);
  }
});
