import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { encodeHex } from "../bytes/index.ts";
import { encodeEchoRequest, parseEchoReply } from "./icmp-echo.ts";

const request = { identifier: 0x1234, sequence: 7, data: Uint8Array.of(1, 2, 3, 4, 5) };

/** Turns a request into the reply that a host would send, without mending checksums, which the parser leaves alone. */
function asReply(packet: Uint8Array): Uint8Array {
  const reply = packet.slice();
  const v4 = (reply[0] ?? 0) >> 4 === 4;
  reply[v4 ? 20 : 40] = v4 ? 0 : 129;
  return reply;
}

describe("encodeEchoRequest", () => {
  test("writes the IPv4 packet byte by byte", () => {
    const packet = encodeEchoRequest({ ...request, source: "100.64.0.1", destination: "100.64.0.2" });
    expect(encodeHex(packet)).toBe(
      // header: 45 00 len id frag ttl proto sum src dst; then type 8, checksum, id, sequence, data
      "45000021000000004001b2596440000164400002" + "0800dcbe12340007" + "0102030405",
    );
  });

  test("the sums of both headers come out as all ones (RFC 1071)", () => {
    const packet = encodeEchoRequest({ ...request, source: "100.64.0.1", destination: "100.64.0.2" });
    expect(onesComplementSum(packet.subarray(0, 20))).toBe(0xffff);
    expect(onesComplementSum(packet.subarray(20))).toBe(0xffff);
    const v6 = encodeEchoRequest({ ...request, source: "fd00::1", destination: "fd00::2" });
    const pseudo = new Uint8Array(40 + v6.length - 40);
    pseudo.set(v6.subarray(8, 40), 0);
    pseudo[35] = v6.length - 40;
    pseudo[39] = 58;
    pseudo.set(v6.subarray(40), 40);
    expect(onesComplementSum(pseudo)).toBe(0xffff);
  });

  test("refuses addresses of different families", () => {
    expect(() => encodeEchoRequest({ ...request, source: "100.64.0.1", destination: "fd00::2" })).toThrow(RangeError);
  });
});

describe("parseEchoReply", () => {
  test("gives back what a request carried", () => {
    for (const [source, destination] of [
      ["100.64.0.1", "100.64.0.2"],
      ["fd00::1", "fd00::2"],
    ] as const) {
      expect(parseEchoReply(asReply(encodeEchoRequest({ ...request, source, destination })))).toEqual(request);
    }
  });

  test("a request is no reply", () => {
    expect(
      parseEchoReply(encodeEchoRequest({ ...request, source: "100.64.0.1", destination: "100.64.0.2" })),
    ).toBeUndefined();
  });

  test("any bytes give a reply or nothing", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        parseEchoReply(bytes);
      }),
    );
  });
});

function onesComplementSum(bytes: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < bytes.length; i += 2) sum += ((bytes[i] ?? 0) << 8) | (bytes[i + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return sum;
}
