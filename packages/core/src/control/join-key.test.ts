import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { encodeJoinKey, formatFingerprint, type JoinKey, parseFingerprint, parseJoinKey } from "./join-key.ts";

const fingerprint = Uint8Array.from({ length: 32 }, (_, index) => index);
const secret = Uint8Array.from({ length: 20 }, (_, index) => 0xa0 + index);
const GOLDEN =
  "ast1_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh-goaKjpKWmp6ipqqusra6vsLGys2h0dHBzOi8vdnBuLmV4YW1wbGU6ODQ0M5x2DWk";

const joinKey: fc.Arbitrary<JoinKey> = fc.record({
  fingerprint: fc.uint8Array({ minLength: 32, maxLength: 32 }),
  secret: fc.uint8Array({ minLength: 20, maxLength: 20 }),
  url: fc.oneof(
    fc.stringMatching(/^https:\/\/[a-z0-9]([a-z0-9.-]{0,60}[a-z0-9])?(:[1-9][0-9]{0,4})?$/),
    fc.ipV6().map((address) => `https://[${address.toLowerCase()}]:443`),
  ),
});

function problemOf(text: string): { code?: string; message?: string } {
  const result = parseJoinKey(text);
  return result.ok ? {} : { code: result.error.code, message: result.error.message };
}

describe("join key", () => {
  it("has the documented bytes", () => {
    const key = { fingerprint, secret, url: "https://vpn.example:8443" };
    expect(encodeJoinKey(key)).toBe(GOLDEN);
    expect(parseJoinKey(`  ${GOLDEN}\n`)).toEqual({ ok: true, value: key });
  });

  it("reads back what it writes", () => {
    fc.assert(
      fc.property(joinKey, (key) => {
        const parsed = parseJoinKey(encodeJoinKey(key));
        expect(parsed.ok && parsed.value.url).toBe(key.url);
        expect(parsed.ok && Array.from(parsed.value.secret)).toEqual(Array.from(key.secret));
        expect(parsed.ok && Array.from(parsed.value.fingerprint)).toEqual(Array.from(key.fingerprint));
      }),
    );
  });

  it("notices any one character that is wrong, missing or too many", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 5, max: GOLDEN.length - 1 }),
        fc.constantFrom(..."ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"),
        (at, character) => {
          const changed = GOLDEN.slice(0, at) + character + GOLDEN.slice(at + 1);
          if (changed !== GOLDEN) expect(problemOf(changed).code).toBe("join-key-invalid");
          expect(problemOf(GOLDEN.slice(0, at) + GOLDEN.slice(at + 1)).code).toBe("join-key-invalid");
          expect(problemOf(GOLDEN.slice(0, at) + character + GOLDEN.slice(at)).code).toBe("join-key-invalid");
        },
      ),
    );
  });

  it("takes any text without throwing", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.stringMatching(/^ast1_[A-Za-z0-9_-]{0,200}$/)), (text) => {
        expect(["join-key-invalid", undefined]).toContain(problemOf(text).code);
      }),
    );
  });

  it.each([
    ["", /starts with "ast1_"/],
    ["tskey-auth-x", /starts with "ast1_"/],
    ["ast1_", /cut short/],
    [GOLDEN.slice(0, 40), /cut short/],
    [`${GOLDEN}A`, /typing mistake|cut short/],
    [`ast1_${"A".repeat(2000)}`, /too long/],
    [GOLDEN.replace("AAEC", "AAE!"), /cut short or has a character/],
    [GOLDEN.replace("AAEC", "AAED"), /typing mistake/],
  ])("says what is wrong with %.30s", (text, message) => {
    expect(problemOf(text).message).toMatch(message);
  });

  it.each([
    "http://vpn.example",
    "https://vpn.example/",
    "https://vpn.example/path",
    "https://VPN.example",
    "https://",
    `https://${"a".repeat(600)}`,
  ])("is not made for %.30s", (url) => {
    expect(() => encodeJoinKey({ fingerprint, secret, url })).toThrow("is not a server URL");
  });
});

describe("fingerprint", () => {
  it("is read in the forms that tools print", () => {
    const hex = formatFingerprint(fingerprint);
    const colons = hex.toUpperCase().match(/../g)?.join(":") ?? "";
    for (const text of [hex, colons, `sha256:${hex}`, ` ${hex}\n`]) {
      expect(Array.from(parseFingerprint(text) ?? [])).toEqual(Array.from(fingerprint));
    }
    for (const text of ["", hex.slice(2), `${hex}00`, hex.replace("0", "g")])
      expect(parseFingerprint(text)).toBeUndefined();
  });
});
