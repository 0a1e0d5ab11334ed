import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { encodeBase64, encodeBase64Url, parseBase64, parseBase64Url } from "./base64.ts";

const anyBytes = fc.uint8Array({ maxLength: 100 });

describe("base64", () => {
  test.each([
    ["", ""],
    ["f", "Zg=="],
    ["fo", "Zm8="],
    ["foo", "Zm9v"],
    ["foob", "Zm9vYg=="],
    ["fooba", "Zm9vYmE="],
    ["foobar", "Zm9vYmFy"],
  ])("encodes the vectors of RFC 4648 §10: %j", (plain, encoded) => {
    expect(encodeBase64(Buffer.from(plain))).toBe(encoded);
    expect(parseBase64(encoded)).toEqual(new Uint8Array(Buffer.from(plain)));
  });

  test("agrees with Node for any bytes", () => {
    fc.assert(
      fc.property(anyBytes, (bytes) => {
        expect(encodeBase64(bytes)).toBe(Buffer.from(bytes).toString("base64"));
        expect(encodeBase64Url(bytes)).toBe(Buffer.from(bytes).toString("base64url"));
        expect(parseBase64(encodeBase64(bytes))).toEqual(bytes);
        expect(parseBase64Url(encodeBase64Url(bytes))).toEqual(bytes);
      }),
    );
  });

  test("a text that parses is the one text of its bytes", () => {
    const text = fc.string({ unit: fc.constantFrom(..."AQgw+/-_= 9z\n"), maxLength: 12 });
    fc.assert(
      fc.property(text, (candidate) => {
        const standard = parseBase64(candidate);
        if (standard !== undefined) expect(encodeBase64(standard)).toBe(candidate);
        const urlSafe = parseBase64Url(candidate);
        if (urlSafe !== undefined) expect(encodeBase64Url(urlSafe)).toBe(candidate);
      }),
    );
  });

  test.each(["Zg", "Zg=", "Zh==", "Zm9=", "Zm9v\n", " Zm9v", "Zm-_", "====", "A===", "Zg==Zg==", "Zm9vé"])(
    "refuses %j",
    (text) => expect(parseBase64(text)).toBeUndefined(),
  );

  test.each(["Z", "Zh", "Zg==", "Zm+/"])("URL-safe refuses %j", (text) => expect(parseBase64Url(text)).toBeUndefined());
});
