import { createHmac } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseHex } from "../bytes/index.ts";
import {
  encodeStun,
  encodeXorAddress,
  findAttribute,
  longTermKey,
  parseStun,
  STUN_ATTRIBUTE,
  verifyIntegrity,
} from "../stun/index.ts";
import type { WallTime } from "../time.ts";
import {
  checkTurnUsername,
  encodeAddressError,
  encodeAddressFamily,
  encodeChannelData,
  encodeChannelNumber,
  encodeEvenPort,
  encodeIcmp,
  encodeNonceCookie,
  encodePasswordAlgorithms,
  encodeRequestedTransport,
  looksLikeChannelData,
  makeTurnCredentials,
  parseAddressError,
  parseAddressFamily,
  parseChannelData,
  parseChannelNumber,
  parseEvenPort,
  parseIcmp,
  parseNonceFeatures,
  parsePasswordAlgorithms,
  parseRequestedTransport,
  parseReservationToken,
  TRANSPORT_UDP,
  TURN_ATTRIBUTE,
  TURN_METHOD,
} from "./index.ts";

function fromHex(text: string): Uint8Array {
  return parseHex(text.replaceAll(/\s/g, "")) ?? new Uint8Array();
}

describe("TURN messages", () => {
  it("have the bytes of the RFC: an Allocate request for an IPv6 relayed address", () => {
    const bytes = encodeStun({
      class: "request",
      method: TURN_METHOD.allocate,
      transactionId: new Uint8Array(12).fill(7),
      attributes: [
        { type: TURN_ATTRIBUTE.requestedTransport, value: encodeRequestedTransport(TRANSPORT_UDP) },
        { type: TURN_ATTRIBUTE.requestedAddressFamily, value: encodeAddressFamily(6) },
      ],
    });
    expect(bytes).toEqual(fromHex("00030010 2112a442 070707070707070707070707  00190004 11000000  00170004 02000000"));
  });

  it("have the bytes of the RFC: a ChannelBind request and a Send indication", () => {
    const transactionId = new Uint8Array(12).fill(7);
    const peer = {
      type: TURN_ATTRIBUTE.xorPeerAddress,
      value: encodeXorAddress({ address: "192.0.2.1", port: 32853 }, transactionId),
    };
    const bind = encodeStun({
      class: "request",
      method: TURN_METHOD.channelBind,
      transactionId,
      attributes: [{ type: TURN_ATTRIBUTE.channelNumber, value: encodeChannelNumber(0x4001) }, peer],
    });
    expect(bind).toEqual(
      fromHex("00090014 2112a442 070707070707070707070707  000c0004 40010000  00120008 0001a147e112a643"),
    );
    const send = encodeStun({
      class: "indication",
      method: TURN_METHOD.send,
      transactionId,
      attributes: [peer, { type: TURN_ATTRIBUTE.data, value: Uint8Array.of(1, 2, 3) }],
    });
    expect(send).toEqual(
      fromHex("00160014 2112a442 070707070707070707070707  00120008 0001a147e112a643  00130003 01020300"),
    );
  });

  it("read RFC 8489 §B.1, with erratum 6268: long-term credentials with SHA-256", () => {
    const bytes = fromHex(`
      00010090 2112a442 78ad3433 c6ad72c0 29da412e
      001e0020 4a3cf38f ef6992bd a952c678 0417da0f 24819415 569e60b2 05c46e41 407f1704
      00150029 6f624d61 744a6f73 32414141 43662f2f 3439396b 39353464 364f4c33 346f4c39 46535476 79363473 41000000
      0014000b 6578616d 706c652e 6f726700
      001d0004 00020000
      001c0020 b5c7bf00 5b6c52a2 1c51c5e8 92f81924 136296cb 927c4314 9309278c c6518e65`);
    const result = parseStun(bytes);
    if (!result.ok) throw new Error(result.reason);
    const key = longTermKey("マトリックス", "example.org", "TheMatrIX", "sha256");
    expect(verifyIntegrity(result.message, "sha256", key)).toBe("valid");
    expect(parsePasswordAlgorithms(findAttribute(result.message, STUN_ATTRIBUTE.passwordAlgorithm)!)).toEqual([2]);
    const nonce = new TextDecoder().decode(findAttribute(result.message, STUN_ATTRIBUTE.nonce));
    expect(parseNonceFeatures(nonce)).toEqual({ passwordAlgorithms: false, userAnonymity: true });
  });
});

describe("attribute values", () => {
  it("are read as they were written", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 0xffff }),
        fc.constantFrom(4 as const, 6 as const),
        fc.boolean(),
        fc.record({
          type: fc.integer({ min: 0, max: 127 }),
          code: fc.integer({ min: 0, max: 511 }),
          data: fc.integer({ min: 0, max: 0xffff_ffff }),
        }),
        fc.array(fc.constantFrom(1 as const, 2 as const), { maxLength: 5 }),
        (number, family, flag, icmp, algorithms) => {
          expect(parseChannelNumber(encodeChannelNumber(number))).toBe(number);
          expect(parseRequestedTransport(encodeRequestedTransport(number & 0xff))).toBe(number & 0xff);
          expect(parseAddressFamily(encodeAddressFamily(family))).toBe(family);
          expect(parseEvenPort(encodeEvenPort(flag))).toEqual({ reserveNext: flag });
          expect(parseIcmp(encodeIcmp(icmp))).toEqual(icmp);
          expect(parsePasswordAlgorithms(encodePasswordAlgorithms(algorithms))).toEqual(algorithms);
          const error = { family, code: 440, reason: "no" };
          expect(parseAddressError(encodeAddressError(error))).toEqual(error);
          const features = { passwordAlgorithms: flag, userAnonymity: family === 6 };
          expect(parseNonceFeatures(`${encodeNonceCookie(features)}rest`)).toEqual(features);
        },
      ),
    );
  });

  it("have the RFC's bits", () => {
    expect(encodeEvenPort(true)).toEqual(Uint8Array.of(0x80));
    expect(encodeAddressFamily(4)).toEqual(Uint8Array.of(1, 0, 0, 0));
    expect(encodePasswordAlgorithms([2, 1])).toEqual(Uint8Array.of(0, 2, 0, 0, 0, 1, 0, 0));
    expect(encodeIcmp({ type: 3, code: 4, data: 1280 })).toEqual(Uint8Array.of(0, 0, 0x06, 4, 0, 0, 5, 0));
    expect(encodeNonceCookie({ passwordAlgorithms: true, userAnonymity: false })).toBe("obMatJos2AAAB");
  });

  it("skip the parameters of unknown password algorithms", () => {
    expect(parsePasswordAlgorithms(fromHex("0009 0005 0102030405000000 0002 0000"))).toEqual([9, 2]);
    expect(parsePasswordAlgorithms(fromHex("0009 0005 0102030405"))).toEqual([9]);
    expect(parsePasswordAlgorithms(fromHex("0009 0009 0102"))).toBeUndefined();
    expect(parsePasswordAlgorithms(fromHex("0009 00"))).toBeUndefined();
  });

  it("are refused when malformed", () => {
    expect(parseChannelNumber(Uint8Array.of(0x40, 0))).toBeUndefined();
    expect(parseAddressFamily(Uint8Array.of(1))).toBeUndefined();
    expect(parseAddressFamily(Uint8Array.of(3, 0, 0, 0))).toBe("unsupported");
    expect(parseEvenPort(new Uint8Array(2))).toBeUndefined();
    expect(parseReservationToken(new Uint8Array(7))).toBeUndefined();
    expect(parseIcmp(new Uint8Array(7))).toBeUndefined();
    expect(parseAddressError(Uint8Array.of(9, 0, 4, 40))).toBeUndefined();
    expect(() => encodeChannelNumber(0x1_0000)).toThrow(RangeError);
  });

  it("of any bytes are read or refused", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 24 }), fc.string(), (value, nonce) => {
        for (const parse of [
          parseChannelNumber,
          parseRequestedTransport,
          parseAddressFamily,
          parseEvenPort,
          parseReservationToken,
          parseAddressError,
          parseIcmp,
          parsePasswordAlgorithms,
        ]) {
          expect(() => parse(value)).not.toThrow();
        }
        expect(() => parseNonceFeatures(nonce)).not.toThrow();
        expect(() => parseNonceFeatures(`obMatJos2${nonce}`)).not.toThrow();
      }),
    );
  });
});

describe("ChannelData", () => {
  it("has the bytes of the RFC", () => {
    const message = { channel: 0x4001, data: Uint8Array.of(1, 2, 3, 4, 5) };
    expect(encodeChannelData(message, "bare")).toEqual(fromHex("4001 0005 0102030405"));
    expect(encodeChannelData(message, "padded")).toEqual(fromHex("4001 0005 0102030405 000000"));
  });

  it("is read as it was written", () => {
    const anyData = fc.uint8Array({ maxLength: 50 });
    fc.assert(
      fc.property(fc.integer({ min: 0x4000, max: 0x7fff }), anyData, fc.boolean(), (channel, data, isPadded) => {
        const bytes = encodeChannelData({ channel, data }, isPadded ? "padded" : "bare");
        if (isPadded) expect(bytes.length % 4).toBe(0);
        expect(looksLikeChannelData(bytes)).toBe(true);
        expect(parseChannelData(bytes)).toEqual({ ok: true, channel, data });
      }),
    );
  });

  it.each([
    ["channel-data-too-short", "400100"],
    ["channel-data-no-channel", "00010000"],
    ["channel-data-no-channel", "80010000"],
    ["channel-data-truncated", "40010003 0102"],
    ["channel-data-too-long", "40010001 0100000000"],
  ])("is refused with %s", (reason, hex) => {
    expect(parseChannelData(fromHex(hex))).toEqual({ ok: false, reason });
  });

  it("does not encode nonsense", () => {
    expect(() => encodeChannelData({ channel: 0x3fff, data: new Uint8Array() }, "bare")).toThrow(RangeError);
    expect(() => encodeChannelData({ channel: 0x4000, data: new Uint8Array(0x1_0000) }, "bare")).toThrow(RangeError);
  });

  it("of any bytes is read or refused", () => {
    const nearly = fc.uint8Array({ maxLength: 20 }).map((tail) => Uint8Array.from([0x40, 1, 0, ...tail]));
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 20 }), nearly), (bytes) => {
        const result = parseChannelData(bytes);
        if (result.ok) expect(result.data.length).toBeLessThanOrEqual(bytes.length - 4);
      }),
    );
  });
});

describe("time-limited credentials", () => {
  const NOW = 1_800_000_000_000 as WallTime;

  it("are those of coturn's use-auth-secret", () => {
    const { username, password } = makeTurnCredentials("north", "alice", (NOW + 3_600_000) as WallTime);
    expect(username).toBe("1800003600:alice");
    expect(password).toBe(createHmac("sha1", "north").update(username).digest("base64"));
  });

  it("are good until they expire, and only with the secret", () => {
    const { username, password } = makeTurnCredentials("north", "a:b", (NOW + 1_000) as WallTime);
    const checked = checkTurnUsername("north", username, NOW);
    expect(checked).toEqual({ ok: true, name: "a:b", expiresAt: NOW + 1_000, password });
    expect(checkTurnUsername("south", username, NOW)).not.toMatchObject({ password });
    expect(checkTurnUsername("north", username, (NOW + 1_000) as WallTime)).toEqual({
      ok: false,
      reason: "credentials-expired",
    });
  });

  it.each([
    "",
    "alice",
    ":alice",
    "0:alice",
    "-1:a",
    "1e9:a",
    " 1800003600:a",
    "9999999999999:a",
    `1800003600:${"x".repeat(600)}`,
  ])("%j is no username", (username) => {
    expect(checkTurnUsername("north", username, NOW)).toEqual({ ok: false, reason: "username-malformed" });
  });

  it("any username is judged", () => {
    fc.assert(
      fc.property(fc.string(), (username) => {
        expect(checkTurnUsername("s", username, NOW)).toHaveProperty("ok");
      }),
    );
  });
});
