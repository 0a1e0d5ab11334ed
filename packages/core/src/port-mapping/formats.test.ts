import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { encodeHex, parseHex } from "../bytes/index.ts";
import { encodeAddressRequest, encodeUdpMapRequest, parseNatPmpAnswer } from "./nat-pmp.ts";
import { encodePcpAnnounce, encodePcpMap, parsePcpAnswer } from "./pcp.ts";

const NONCE = new Uint8Array(12).fill(7);
const NONCE_HEX = "07".repeat(12);
const MAPPED_PREFIX = "00000000000000000000ffff";

function fromHex(text: string): Uint8Array {
  return parseHex(text.replaceAll(/\s/g, "")) ?? new Uint8Array();
}

describe("NAT-PMP", () => {
  it("has the bytes of RFC 6886 §3.2 and §3.3", () => {
    expect(encodeHex(encodeAddressRequest())).toBe("0000");
    expect(encodeHex(encodeUdpMapRequest(41_641, 5_000, 7_200))).toBe("00010000a2a9138800001c20");
    expect(parseNatPmpAnswer(fromHex("0080 0000 00000064 cb007107"))).toEqual({
      kind: "address",
      epochSeconds: 100,
      address: "203.0.113.7",
    });
    expect(parseNatPmpAnswer(fromHex("0081 0000 00000064 a2a9 1388 00000e10"))).toEqual({
      kind: "mapped",
      epochSeconds: 100,
      internalPort: 41_641,
      externalPort: 5_000,
      lifetimeSeconds: 3_600,
    });
    expect(parseNatPmpAnswer(fromHex("0081 0002 00000064 a2a9 0000 00000000"))).toEqual({
      kind: "refused",
      resultCode: 2,
    });
  });

  it("drops what is short, of another version or no answer", () => {
    for (const text of ["", "00", "0080000000000064", "008100000000006400000000", "0000000000000064cb007107"]) {
      expect(parseNatPmpAnswer(fromHex(text))).toBeUndefined();
    }
    expect(parseNatPmpAnswer(fromHex("0180 0000 00000064 cb007107"))).toBeUndefined();
  });
});

describe("PCP", () => {
  it("has the bytes of RFC 6887 §7.1 and §11.1", () => {
    const request = { clientAddress: "192.168.1.2", nonce: NONCE, internalPort: 41_641, externalPort: 5_000 };
    expect(encodeHex(encodePcpMap({ ...request, externalAddress: null, lifetimeSeconds: 7_200 }))).toBe(
      `0201000000001c20${MAPPED_PREFIX}c0a80102${NONCE_HEX}11000000a2a91388${MAPPED_PREFIX}00000000`,
    );
    expect(encodeHex(encodePcpAnnounce("192.168.1.2"))).toBe(`0200000000000000${MAPPED_PREFIX}c0a80102`);
  });

  const answer = `02810000 00000e10 00000064 ${"00".repeat(12)} ${NONCE_HEX} 11000000 a2a91388 ${MAPPED_PREFIX}cb007107`;

  it("reads answers", () => {
    expect(parsePcpAnswer(fromHex(answer), NONCE)).toEqual({
      kind: "mapped",
      epochSeconds: 100,
      internalPort: 41_641,
      externalPort: 5_000,
      externalAddress: "203.0.113.7",
      lifetimeSeconds: 3_600,
    });
    const announce = fromHex(`02800000 00000000 00000064 ${"00".repeat(12)}`);
    expect(parsePcpAnswer(announce, NONCE)).toEqual({ kind: "announce", epochSeconds: 100 });
    const refusal = fromHex(`02810002 00000e10 00000064 ${"00".repeat(12)}`);
    expect(parsePcpAnswer(refusal, NONCE)).toEqual({ kind: "refused", resultCode: 2 });
  });

  it("drops answers to somebody else, and whatever is short or long", () => {
    expect(parsePcpAnswer(fromHex(answer), new Uint8Array(12))).toBeUndefined();
    expect(parsePcpAnswer(fromHex(answer).subarray(0, 59), NONCE)).toBeUndefined();
    const long = new Uint8Array(1_104);
    long.set(fromHex(answer));
    expect(parsePcpAnswer(long, NONCE)).toBeUndefined();
  });
});

it("no bytes make a parser throw", () => {
  const header = fc.constantFrom([0, 0x80], [0, 0x81], [2, 0x80], [2, 0x81], []);
  fc.assert(
    fc.property(header, fc.uint8Array({ maxLength: 80 }), (start, rest) => {
      const bytes = new Uint8Array([...start, ...rest]);
      parseNatPmpAnswer(bytes);
      parsePcpAnswer(bytes, NONCE);
    }),
  );
});
