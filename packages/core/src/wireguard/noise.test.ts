import { describe, expect, test } from "vitest";
import { nobleCrypto } from "../../test/noble-crypto.ts";
import { at, makePair, path } from "../../test/wireguard-node.ts";
import { encodeHex, parseHex } from "../bytes/index.ts";
import { type Initiation, parseHandshakeMessage, type Response } from "./messages.ts";
import {
  type NoiseIdentity,
  type NoisePeer,
  openInitiation,
  openInitiationName,
  openResponse,
  sealInitiation,
  sealResponse,
} from "./noise.ts";

const hex = (text: string): Uint8Array => parseHex(text) ?? new Uint8Array();

/*
 * A whole handshake under fixed keys. The values were computed a second time, straight from the paper, with Python's
 * hashlib and its `cryptography` package; all agreed.
 */
const INITIATOR_PRIVATE = hex("c8bc48750debb8535093b3deaf88ac7f4cff87425576a58de2bac754acdb4656");
const RESPONDER_PRIVATE = hex("98e50aea7e52f17dc807488bbd631e368da3a3ad3d5a31ad4b0f049581366c4d");
const TIMESTAMP = hex("400000006553f10a07000000");
const INITIATION = hex(
  "01000000d55d580fdfbcda6526ee2b31edc377f1b3487c7ed4723eacc3fd31902a41390693c4e819c28cc0624d456bbe25924c6e2b69b9c2" +
    "a8175367edd0a15d68577568f34d62d74f5f8ad6899f63b0d94e4ec4b071cac1b2540c3a251479eb57fc1a46c4fb1b95e9e7df8ddeebfd3b" +
    "7e499f80f7ec3081f80a7ad918ae49feaf170e6300000000000000000000000000000000",
);
const RESPONSE_PREFIX = "020000006a8953e3d55d580f0f1b47d78b653252fb8de94e246bd8b8aaedb9eed13dd8971f8896e9b81e1e52";
const NO_PSK = new Uint8Array(32);
const PSK = Uint8Array.from({ length: 32 }, (_, index) => index + 1);
const GOLDEN = [
  {
    name: "without a preshared key",
    psk: NO_PSK,
    response: `${RESPONSE_PREFIX}18c98fbf41f7b44174768b0690fe5cb74caf0e38980447957016545290cf2a03${"00".repeat(16)}`,
    initiatorSends: "5bf3071d8669ea60948efb5ae0de156a9863c769d84100bf7a12200277cff48e",
    responderSends: "61f4569edbfcf5427670f6003c8a84e49a364cf8312d6e1b6d603c4519def925",
  },
  {
    name: "with a preshared key",
    psk: PSK,
    response: `${RESPONSE_PREFIX}ec7ee038bd6cbe7ec5f163ac3197b1ca29938203e18cc539a2336cd34c3ed7e1${"00".repeat(16)}`,
    initiatorSends: "fb20558f729d99436dca16d70dd5245c5773dfc4727f9f0bf7aef0b8f37d7a7a",
    responderSends: "6d54949bf9ff14f53a49e82b85ec13c0916e24a9099c33bf232a6e38fa48a9cd",
  },
];

describe.each(GOLDEN)("golden handshake $name", ({ psk, response, initiatorSends, responderSends }) => {
  const keys = psk === NO_PSK ? {} : { a: psk, b: psk };

  test("two machines make exactly these bytes and keys", () => {
    const { a, b, bAtA } = makePair(keys);
    a.machine.requestSession(bAtA, at(0));
    const initiation = a.takeMessage();
    expect(encodeHex(initiation)).toBe(encodeHex(INITIATION));
    expect(b.machine.handleDatagram(initiation, path(1), at(0))).toBeUndefined();
    const session = b.takeSession();
    expect(encodeHex(b.takeMessage())).toBe(response);
    expect(a.machine.handleDatagram(hex(response), path(2), at(0))).toBeUndefined();
    const own = a.takeSession();
    expect(encodeHex(own.sendKey)).toBe(initiatorSends);
    expect(encodeHex(own.receiveKey)).toBe(responderSends);
    expect(session.sendKey).toEqual(own.receiveKey);
    expect(session.receiveKey).toEqual(own.sendKey);
    expect([own.localIndex, own.remoteIndex]).toEqual([session.remoteIndex, session.localIndex]);
  });

  test("the recorded initiation opens to the initiator's key and time", () => {
    const responder = identityOf(RESPONDER_PRIVATE);
    const initiator = identityOf(INITIATOR_PRIVATE);
    const message = parseHandshakeMessage(INITIATION) as Initiation;
    const named = openInitiationName(nobleCrypto, responder, message);
    expect(named?.staticPublic).toEqual(initiator.publicKey);
    const opened = named && openInitiation(nobleCrypto, peerOf(responder, initiator), named, message);
    expect(opened?.timestamp).toEqual(TIMESTAMP);
  });
});

describe("a handshake that is not authentic", () => {
  const initiator = identityOf(INITIATOR_PRIVATE);
  const responder = identityOf(RESPONDER_PRIVATE);
  const ephemeral = hex("50".repeat(32));
  const sealed = sealInitiation(nobleCrypto, initiator, peerOf(initiator, responder), ephemeral, TIMESTAMP);
  const initiation: Initiation = {
    kind: "initiation",
    senderIndex: 1,
    ...(sealed?.fields ?? { ephemeral, sealedStatic: NO_PSK, sealedTimestamp: NO_PSK }),
  };

  test("does not open with another static key, ephemeral key or timestamp", () => {
    expect(openInitiationName(nobleCrypto, initiator, initiation)).toBeUndefined();
    const otherEphemeral = { ...initiation, ephemeral: responder.publicKey };
    expect(openInitiationName(nobleCrypto, responder, otherEphemeral)).toBeUndefined();
    const named = openInitiationName(nobleCrypto, responder, initiation);
    const changed = { ...initiation, sealedTimestamp: initiation.sealedTimestamp.map((byte) => byte ^ 1) };
    expect(named && openInitiation(nobleCrypto, peerOf(responder, initiator), named, changed)).toBeUndefined();
  });

  test("who names a peer's key without holding it is found out by the timestamp", () => {
    const impostor = { privateKey: hex("40".repeat(32)), publicKey: initiator.publicKey };
    const forged = sealInitiation(nobleCrypto, impostor, peerOf(impostor, responder), ephemeral, TIMESTAMP);
    const message: Initiation = { ...initiation, ...forged?.fields };
    const named = openInitiationName(nobleCrypto, responder, message);
    expect(named?.staticPublic).toEqual(initiator.publicKey);
    expect(named && openInitiation(nobleCrypto, peerOf(responder, initiator), named, message)).toBeUndefined();
  });

  test("keys of small order are refused wherever they come", () => {
    expect(
      openInitiationName(nobleCrypto, responder, { ...initiation, ephemeral: new Uint8Array(32) }),
    ).toBeUndefined();
    const weak: NoisePeer = { publicKey: new Uint8Array(32), staticStatic: new Uint8Array(32) };
    expect(sealInitiation(nobleCrypto, initiator, weak, ephemeral, TIMESTAMP)).toBeUndefined();
    const state = { ck: NO_PSK, h: NO_PSK, ephemeralPublic: new Uint8Array(32) };
    expect(sealResponse(nobleCrypto, peerOf(responder, initiator), PSK, state, ephemeral)).toBeUndefined();
    const response: Response = {
      kind: "response",
      senderIndex: 1,
      receiverIndex: 2,
      ephemeral: new Uint8Array(32),
      sealedNothing: new Uint8Array(16),
    };
    const sent = { ck: NO_PSK, h: NO_PSK, ephemeralPrivate: ephemeral };
    expect(openResponse(nobleCrypto, initiator, PSK, sent, response)).toBeUndefined();
  });
});

function identityOf(privateKey: Uint8Array): NoiseIdentity {
  return { privateKey, publicKey: nobleCrypto.x25519PublicKey(privateKey) };
}

function peerOf(us: NoiseIdentity, them: NoiseIdentity): NoisePeer {
  const staticStatic = nobleCrypto.x25519(us.privateKey, them.publicKey) ?? new Uint8Array();
  return { publicKey: them.publicKey, staticStatic };
}
