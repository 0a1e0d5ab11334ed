import { createHash, createHmac } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseHex } from "../bytes/index.ts";
import {
  encodeAttributeTypes,
  encodeChangeRequest,
  encodeErrorCode,
  encodeStun,
  encodeTieBreaker,
  encodeUint32,
  encodeXorAddress,
  findAttribute,
  type IntegrityKind,
  longTermKey,
  looksLikeStun,
  parseAttributeTypes,
  parseChangeRequest,
  parseErrorCode,
  parseStun,
  parseTieBreaker,
  parseUint32,
  readXorAddress,
  STUN_ATTRIBUTE,
  type StunMessage,
  shortTermKey,
  unknownRequiredAttributes,
  verifyFingerprint,
  verifyIntegrity,
} from "./index.ts";

function fromHex(text: string): Uint8Array {
  return parseHex(text.replaceAll(/\s/g, "")) ?? new Uint8Array();
}

function parsed(bytes: Uint8Array): StunMessage {
  const result = parseStun(bytes);
  if (!result.ok) throw new Error(result.reason);
  return result.message;
}

const PASSWORD = shortTermKey("VOkJxbRl1RmTxUk/WvJxBt");

/** RFC 5769 §2.1. */
const REQUEST = fromHex(`
  000100582112a442b7e7a701bc34d686fa87dfae
  802200105354554e207465737420636c69656e74
  002400046e0001ff
  80290008932ff9b151263b36
  000600096576746a3a68367659202020
  000800149aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a2
  80280004e57a3bcf`);
/** RFC 5769 §2.2. */
const IPV4_RESPONSE = fromHex(`
  0101003c2112a442b7e7a701bc34d686fa87dfae
  8022000b7465737420766563746f7220
  002000080001a147e112a643
  000800142b91f599fd9e90c38c7489f92af9ba53f06be7d7
  80280004c07d4c96`);
/** RFC 5769 §2.3. */
const IPV6_RESPONSE = fromHex(`
  010100482112a442b7e7a701bc34d686fa87dfae
  8022000b7465737420766563746f7220
  002000140002a1470113a9faa5d3f179bc25f4b5bed2b9d9
  00080014a382954e4be67bf11784c97c8292c275bfe3ed41
  80280004c8fb0b4c`);
/** RFC 5769 §2.4. */
const LONG_TERM_REQUEST = fromHex(`
  000100602112a44278ad3433c6ad72c029da412e
  00060012e3839ee38388e383aae38383e382afe382b90000
  0015001c662f2f3439396b39353464364f4c33346f4c394653547679363473 41
  0014000b6578616d706c652e6f726700
  00080014f67024656dd64a3e02b8e0712e85c9a28ca89666`);

describe("RFC 5769 vectors", () => {
  it("reads the sample request", () => {
    const message = parsed(REQUEST);
    expect(message.class).toBe("request");
    expect(message.method).toBe(1);
    expect(verifyIntegrity(message, "sha1", PASSWORD)).toBe("valid");
    expect(verifyIntegrity(message, "sha256", PASSWORD)).toBe("absent");
    expect(verifyFingerprint(message)).toBe("valid");
    const text = (type: number): string => new TextDecoder().decode(findAttribute(message, type));
    expect(text(STUN_ATTRIBUTE.software)).toBe("STUN test client");
    expect(text(STUN_ATTRIBUTE.username)).toBe("evtj:h6vY");
    expect(parseUint32(findAttribute(message, STUN_ATTRIBUTE.priority)!)).toBe(0x6e0001ff);
    expect(parseTieBreaker(findAttribute(message, STUN_ATTRIBUTE.iceControlled)!)).toBe(0x932ff9b151263b36n);
  });

  it.each([
    ["IPv4", IPV4_RESPONSE, { address: "192.0.2.1", port: 32853 }],
    ["IPv6", IPV6_RESPONSE, { address: "2001:db8:1234:5678:11:2233:4455:6677", port: 32853 }],
  ])("reads the sample %s response", (_family, bytes, address) => {
    const message = parsed(bytes);
    expect(message.class).toBe("success");
    expect(readXorAddress(message, STUN_ATTRIBUTE.xorMappedAddress)).toEqual(address);
    expect(verifyIntegrity(message, "sha1", PASSWORD)).toBe("valid");
    expect(verifyFingerprint(message)).toBe("valid");
  });

  it("reads the sample request with long-term authentication", () => {
    const message = parsed(LONG_TERM_REQUEST);
    const key = longTermKey("マトリックス", "example.org", "TheMatrIX");
    expect(verifyIntegrity(message, "sha1", key)).toBe("valid");
    expect(verifyIntegrity(message, "sha1", longTermKey("マトリックス", "example.org", "TheMatrix"))).toBe("invalid");
    expect(verifyFingerprint(message)).toBe("absent");
  });

  it("writes the sample IPv4 response byte for byte, but for the padding, which is zero today", () => {
    const transactionId = IPV4_RESPONSE.slice(8, 20);
    const bytes = encodeStun({
      class: "success",
      method: 1,
      transactionId,
      attributes: [
        { type: STUN_ATTRIBUTE.software, value: new TextEncoder().encode("test vector") },
        {
          type: STUN_ATTRIBUTE.xorMappedAddress,
          value: encodeXorAddress({ address: "192.0.2.1", port: 32853 }, transactionId),
        },
      ],
      integrity: { kind: "sha1", key: PASSWORD },
      fingerprint: true,
    });
    const untilIntegrity = IPV4_RESPONSE.slice(0, 48);
    untilIntegrity[35] = 0;
    expect(bytes.slice(0, 48)).toEqual(untilIntegrity);
    expect(bytes.length).toBe(IPV4_RESPONSE.length);
  });
});

const anyMessage = fc.record({
  class: fc.constantFrom("request" as const, "indication" as const, "success" as const, "error" as const),
  method: fc.integer({ min: 0, max: 0xff }),
  transactionId: fc.uint8Array({ minLength: 12, maxLength: 12 }),
  attributes: fc.array(
    fc.record({
      type: fc.integer({ min: 0, max: 0xffff }).filter((type) => ![0x0008, 0x001c, 0x8028].includes(type)),
      value: fc.uint8Array({ maxLength: 40 }),
    }),
    { maxLength: 10 },
  ),
});
const anyKind = fc.constantFrom<IntegrityKind>("sha1", "sha256");

describe("STUN messages", () => {
  it("are read as they were written", () => {
    fc.assert(
      fc.property(anyMessage, anyKind, fc.uint8Array({ maxLength: 64 }), (content, kind, key) => {
        const bytes = encodeStun({ ...content, integrity: { kind, key }, fingerprint: true });
        expect(looksLikeStun(bytes)).toBe(true);
        const message = parsed(bytes);
        expect(message.class).toBe(content.class);
        expect(message.method).toBe(content.method);
        expect(message.transactionId).toEqual(content.transactionId);
        expect(message.attributes.slice(0, -2).map(({ type, value }) => ({ type, value }))).toEqual(content.attributes);
        expect(verifyIntegrity(message, kind, key)).toBe("valid");
        expect(verifyFingerprint(message)).toBe("valid");
      }),
    );
  });

  it("with one changed bit fail the integrity check or are not read", () => {
    const bytes = encodeStun({
      class: "request",
      method: 1,
      transactionId: new Uint8Array(12),
      attributes: [{ type: STUN_ATTRIBUTE.username, value: new Uint8Array(6) }],
      integrity: { kind: "sha256", key: PASSWORD },
      fingerprint: true,
    });
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const changed = bytes.slice();
      changed[bit >> 3]! ^= 1 << (bit & 7);
      const result = parseStun(changed);
      if (!result.ok) continue;
      const isIntact =
        verifyIntegrity(result.message, "sha256", PASSWORD) === "valid" &&
        verifyFingerprint(result.message) === "valid";
      expect(isIntact).toBe(false);
    }
  });

  it("any bytes are read or refused, never more", () => {
    const header = fromHex("000100002112a442000000000000000000000000");
    const nearlyStun = fc.uint8Array({ maxLength: 80 }).map((tail) => {
      const bytes = Buffer.concat([header, tail]);
      bytes.writeUInt16BE(tail.length & ~3, 2);
      return Uint8Array.from(bytes.subarray(0, 20 + (tail.length & ~3)));
    });
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 60 }), nearlyStun), (bytes) => {
        const result = parseStun(bytes);
        if (!result.ok) return;
        expect(result.message.attributes.length).toBeLessThanOrEqual(32);
        verifyIntegrity(result.message, "sha1", PASSWORD);
        verifyIntegrity(result.message, "sha256", PASSWORD);
        verifyFingerprint(result.message);
        for (const { type, value } of result.message.attributes) {
          readXorAddress(result.message, type);
          parseErrorCode(value);
          parseChangeRequest(value);
          parseAttributeTypes(value);
          parseTieBreaker(value);
        }
      }),
      { numRuns: 300 },
    );
  });

  it.each([
    ["stun-too-short", new Uint8Array(19)],
    ["stun-too-long", new Uint8Array(1501)],
    ["stun-not-stun", new Uint8Array(20)],
    ["stun-not-stun", fromHex("400100002112a442000000000000000000000000")],
    ["stun-length-wrong", fromHex("000100042112a442000000000000000000000000")],
    ["stun-length-wrong", fromHex("000100022112a4420000000000000000000000000000")],
    ["stun-attribute-truncated", fromHex("000100042112a44200000000000000000000000000060001")],
    ["stun-after-fingerprint", fromHex("0001000c2112a442000000000000000000000000802800040000000000060000")],
    ["stun-too-many-attributes", fromHex(`000100842112a442${"00".repeat(12)}${"80220000".repeat(33)}`)],
  ])("refuses with %s", (reason, bytes) => {
    expect(parseStun(bytes)).toEqual({ ok: false, reason });
  });

  it("ignores attributes that somebody put behind the integrity", () => {
    const signed = encodeStun({
      class: "success",
      method: 1,
      transactionId: new Uint8Array(12),
      attributes: [],
      integrity: { kind: "sha256", key: PASSWORD },
    });
    const appended = Uint8Array.from([...signed, 0x00, 0x20, 0, 8, 0, 1, 1, 1, 6, 6, 6, 6]);
    new DataView(appended.buffer).setUint16(2, appended.length - 20);
    const message = parsed(appended);
    expect(verifyIntegrity(message, "sha256", PASSWORD)).toBe("valid");
    expect(readXorAddress(message, STUN_ATTRIBUTE.xorMappedAddress)).toBeUndefined();
  });

  it("carries the HMAC-SHA-256 that OpenSSL computes over the message before it", () => {
    const bytes = encodeStun({
      class: "request",
      method: 1,
      transactionId: new Uint8Array(12).fill(9),
      attributes: [{ type: STUN_ATTRIBUTE.username, value: Uint8Array.of(1, 2, 3) }],
      integrity: { kind: "sha256", key: PASSWORD },
      fingerprint: true,
    });
    const covered = Buffer.from(bytes.subarray(0, 28));
    covered.writeUInt16BE(8 + 36, 2);
    const expected = createHmac("sha256", PASSWORD).update(covered).digest();
    expect(Buffer.from(bytes.subarray(28, 64))).toEqual(Buffer.concat([Buffer.from("001c0020", "hex"), expected]));
  });

  it("refuses a truncated SHA-256", () => {
    const bytes = encodeStun({
      class: "success",
      method: 1,
      transactionId: new Uint8Array(12),
      attributes: [{ type: STUN_ATTRIBUTE.messageIntegritySha256, value: new Uint8Array(16) }],
    });
    expect(verifyIntegrity(parsed(bytes), "sha256", PASSWORD)).toBe("invalid");
  });

  it("names the attributes it does not know and must know", () => {
    const bytes = encodeStun({
      class: "request",
      method: 1,
      transactionId: new Uint8Array(12),
      attributes: [0x0006, 0x7fff, 0x7ffe, 0x7fff, 0xc001].map((type) => ({ type, value: new Uint8Array() })),
      integrity: { kind: "sha256", key: PASSWORD },
    });
    expect(unknownRequiredAttributes(parsed(bytes), new Set([0x0006]))).toEqual([0x7fff, 0x7ffe]);
  });

  it("does not encode nonsense", () => {
    const base = { class: "request", method: 1, transactionId: new Uint8Array(12), attributes: [] } as const;
    expect(() => encodeStun({ ...base, transactionId: new Uint8Array(8) })).toThrow(RangeError);
    const large = [{ type: STUN_ATTRIBUTE.padding, value: new Uint8Array(1600) }];
    expect(() => encodeStun({ ...base, attributes: large })).toThrow(RangeError);
  });
});

describe("attribute values", () => {
  it("are read as they were written", () => {
    expect(parseErrorCode(encodeErrorCode({ code: 420, reason: "Unknown Attribute" }))).toEqual({
      code: 420,
      reason: "Unknown Attribute",
    });
    for (const changeIp of [true, false]) {
      for (const changePort of [true, false]) {
        expect(parseChangeRequest(encodeChangeRequest({ changeIp, changePort }))).toEqual({ changeIp, changePort });
      }
    }
    expect(encodeChangeRequest({ changeIp: true, changePort: true })).toEqual(Uint8Array.of(0, 0, 0, 6));
    expect(parseAttributeTypes(encodeAttributeTypes([0x1234, 7]))).toEqual([0x1234, 7]);
    expect(parseTieBreaker(encodeTieBreaker(2n ** 64n - 1n))).toBe(2n ** 64n - 1n);
    expect(parseUint32(encodeUint32(0xffff_ffff))).toBe(0xffff_ffff);
  });

  it("are refused when malformed", () => {
    expect(parseErrorCode(Uint8Array.of(0, 0, 4))).toBeUndefined();
    expect(parseErrorCode(Uint8Array.of(0, 0, 2, 0))).toBeUndefined();
    expect(parseErrorCode(Uint8Array.of(0, 0, 4, 100))).toBeUndefined();
    expect(parseErrorCode(Uint8Array.of(0, 0, 4, 0, 0xff))).toBeUndefined();
    expect(parseAttributeTypes(Uint8Array.of(1))).toBeUndefined();
    expect(parseTieBreaker(Uint8Array.of(1))).toBeUndefined();
    expect(parseChangeRequest(Uint8Array.of(1))).toBeUndefined();
  });

  it("long-term keys are the digests of the RFC", () => {
    const text = "user:realm:pass";
    expect(Buffer.from(longTermKey("user", "realm", "pass"))).toEqual(createHash("md5").update(text).digest());
    expect(Buffer.from(longTermKey("user", "realm", "pass", "sha256"))).toEqual(
      createHash("sha256").update(text).digest(),
    );
  });
});
