import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  COOKIE_REPLY_SIZE_BYTES,
  encodeCookieReply,
  encodeInitiation,
  encodeResponse,
  INITIATION_SIZE_BYTES,
  parseHandshakeMessage,
  RESPONSE_SIZE_BYTES,
} from "./messages.ts";

const index = fc.nat(0xffff_ffff);
const bytes = (sizeBytes: number) => fc.uint8Array({ minLength: sizeBytes, maxLength: sizeBytes });
const initiation = fc.record({
  senderIndex: index,
  ephemeral: bytes(32),
  sealedStatic: bytes(48),
  sealedTimestamp: bytes(28),
});
const response = fc.record({
  senderIndex: index,
  receiverIndex: index,
  ephemeral: bytes(32),
  sealedNothing: bytes(16),
});
const cookieReply = fc.record({ receiverIndex: index, nonce: bytes(24), sealedCookie: bytes(32) });

describe("handshake messages", () => {
  test("parse(encode(x)) is x, in the size of the paper", () => {
    fc.assert(
      fc.property(initiation, response, cookieReply, (first, second, third) => {
        const encoded = [encodeInitiation(first), encodeResponse(second), encodeCookieReply(third)];
        expect(encoded.map((message) => message.length)).toEqual([148, 92, 64]);
        const parsed = encoded.map(parseHandshakeMessage);
        expect(parsed[0]).toEqual({ kind: "initiation", ...first });
        expect(parsed[1]).toEqual({ kind: "response", ...second });
        expect(parsed[2]).toEqual({ kind: "cookie-reply", ...third });
      }),
    );
  });

  test("any bytes parse or are malformed; what parses has the right type, size and zeros", () => {
    const sizes = {
      initiation: INITIATION_SIZE_BYTES,
      response: RESPONSE_SIZE_BYTES,
      "cookie-reply": COOKIE_REPLY_SIZE_BYTES,
    };
    const size = fc.constantFrom(0, 1, 3, 4, 32, 63, 64, 65, 91, 92, 93, 147, 148, 149, 1500);
    const head = fc.tuple(fc.nat(6), fc.constantFrom(0, 0, 0, 1), fc.constant(0), fc.constantFrom(0, 0, 0, 255));
    fc.assert(
      fc.property(size, head, (sizeBytes, start) => {
        const datagram = new Uint8Array(sizeBytes).fill(7);
        datagram.set(start.slice(0, sizeBytes));
        const parsed = parseHandshakeMessage(datagram);
        const zeros = start.slice(1).every((byte) => byte === 0);
        if (typeof parsed !== "string") {
          expect(sizeBytes).toBe(sizes[parsed.kind]);
          expect(zeros).toBe(true);
        } else if (parsed === "transport-data") {
          expect([start[0], zeros]).toEqual([4, true]);
        } else if (zeros && sizeBytes >= 4) {
          const expected = [undefined, 148, 92, 64][start[0]];
          expect(sizeBytes).not.toBe(expected);
        }
      }),
      { numRuns: 1000 },
    );
  });

  test("fields are windows into the datagram", () => {
    const datagram = encodeInitiation({
      senderIndex: 1,
      ephemeral: new Uint8Array(32),
      sealedStatic: new Uint8Array(48),
      sealedTimestamp: new Uint8Array(28),
    });
    const parsed = parseHandshakeMessage(datagram);
    datagram[8] = 42;
    expect(typeof parsed === "object" && parsed.kind === "initiation" && parsed.ephemeral[0]).toBe(42);
  });
});
