import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { extract, formatNat64Prefix, parseNat64Prefix, prefixesOf, synthesise, WELL_KNOWN_PREFIX } from "./index.ts";

const prefix = (text: string) => {
  const parsed = parseNat64Prefix(text);
  if (parsed === undefined) throw new Error(`test prefix ${text}`);
  return parsed;
};

/** RFC 6052 §2.4; the last two rows as RFC 5952 writes them. */
const VECTORS = [
  ["2001:db8::/32", "2001:db8:c000:221::"],
  ["2001:db8:100::/40", "2001:db8:1c0:2:21::"],
  ["2001:db8:122::/48", "2001:db8:122:c000:2:2100::"],
  ["2001:db8:122:300::/56", "2001:db8:122:3c0:0:221::"],
  ["2001:db8:122:344::/64", "2001:db8:122:344:c0:2:2100:0"],
  ["2001:db8:122:344::/96", "2001:db8:122:344::c000:221"],
  ["64:ff9b::/96", "64:ff9b::c000:221"],
] as const;

describe("addresses behind a NAT64", () => {
  it.each(VECTORS)("under %s, 192.0.2.33 is %s", (text, ipv6) => {
    expect(synthesise(prefix(text), "192.0.2.33")).toBe(ipv6);
    expect(extract(prefix(text), ipv6)).toBe("192.0.2.33");
  });

  it("reads back every address under every prefix, and nothing from elsewhere", () => {
    const address = fc.uint8Array({ minLength: 4, maxLength: 4 }).map((bytes) => bytes.join("."));
    fc.assert(
      fc.property(fc.constantFrom(...VECTORS), address, (vector, ipv4) => {
        const ipv6 = synthesise(prefix(vector[0]), ipv4);
        if (ipv6 === undefined) return;
        expect(extract(prefix(vector[0]), ipv6)).toBe(ipv4);
        expect(extract(prefix("2001:db8:ffff::/96"), ipv6)).toBeUndefined();
      }),
    );
  });

  it.each(["10.1.2.3", "192.168.1.10", "100.64.0.7", "127.0.0.1", "169.254.1.1", "224.0.0.1", "203.0.113", "::1"])(
    "has no way to %s",
    (ipv4) => {
      expect(synthesise(WELL_KNOWN_PREFIX, ipv4)).toBeUndefined();
    },
  );

  it("takes any text without throwing", () => {
    fc.assert(fc.property(fc.string(), (text) => void extract(WELL_KNOWN_PREFIX, text)));
    fc.assert(fc.property(fc.array(fc.ipV6()), (texts) => void prefixesOf(texts)));
  });

  it.each(["64:ff9b::/64x", "64:ff9b::/97", "10.0.0.0/32", "2001:db8:0:0:100::/96", ""])("refuses %j", (text) => {
    expect(parseNat64Prefix(text)).toBeUndefined();
  });
});

describe("finding the prefix", () => {
  it.each([
    ["2001:db8:c000:aa::", "2001:db8::/32"],
    ["2001:db8:1c0:0:aa::", "2001:db8:100::/40"],
    ["2001:db8:122:c000:0:aa00::", "2001:db8:122::/48"],
    ["2001:db8:122:3c0:0:aa::", "2001:db8:122:300::/56"],
    ["2001:db8:122:344:c0:0:aa00:0", "2001:db8:122:344::/64"],
    ["2001:db8:122:344::c000:aa", "2001:db8:122:344::/96"],
    ["64:ff9b::c000:ab", "64:ff9b::/96"],
  ])("%s shows %s", (answer, expected) => {
    expect(prefixesOf([answer]).map(formatNat64Prefix)).toEqual([expected]);
  });

  it("names each prefix once, and none for what is no translated address", () => {
    expect(
      prefixesOf(["64:ff9b::c000:aa", "64:ff9b::c000:ab", "2001:db8::1", "192.0.0.170", "rubbish"]).map(
        formatNat64Prefix,
      ),
    ).toEqual(["64:ff9b::/96"]);
  });
});
