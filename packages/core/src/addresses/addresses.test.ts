import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  ADDRESS_REST_MS,
  allocateOffset,
  chooseIpv4Range,
  deriveIpv6,
  generateUlaRange,
  ipv4RangeProblem,
} from "./allocation.ts";
import { formatIpAddress, ipAddressFromBigInt, parseIpAddress } from "./ip-address.ts";
import {
  formatIpRange,
  type IpRange,
  parseIpRange,
  rangeContains,
  rangeOffset,
  rangeSize,
  rangesOverlap,
} from "./ip-range.ts";

const range = (text: string): IpRange => {
  const parsed = parseIpRange(text);
  if (parsed === undefined) throw new Error(`test range ${text}`);
  return parsed;
};
const ipv4Range = fc
  .tuple(fc.integer({ min: 0, max: 32 }), fc.integer({ min: 0, max: 0xffff_ffff }))
  .map(([prefixBits, address]): IpRange => {
    const size = 2 ** (32 - prefixBits);
    return { family: 4, first: BigInt(Math.floor(address / size) * size), prefixBits };
  });

describe("IP addresses", () => {
  it.each([
    ["::", "::"],
    ["::1", "::1"],
    ["1::", "1::"],
    ["2001:DB8:0:0:1:0:0:1", "2001:db8::1:0:0:1"],
    ["2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"],
    ["::ffff:192.0.2.1", "::ffff:c000:201"],
    ["1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"],
    ["192.0.2.1", "192.0.2.1"],
  ])("reads %s and prints %s", (text, canonical) => {
    const bytes = parseIpAddress(text);
    expect(bytes && formatIpAddress(bytes)).toBe(canonical);
  });

  it.each([
    "",
    "1.2.3",
    "1.2.3.4.5",
    "01.2.3.4",
    "1.2.3.256",
    "1.2.3.4 ",
    ":",
    ":::",
    "1::2::3",
    "12345::",
    "1:2:3:4:5:6:7",
    "1:2:3:4:5:6:7:8:9",
    "1:2:3:4:5:6:7:8::",
    "fe80::1%eth0",
    "[::1]",
    "::1.2.3",
    "1.2.3.4::",
    "g::",
  ])("refuses %j", (text) => {
    expect(parseIpAddress(text)).toBeUndefined();
  });

  it("reads back what it prints", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), (bytes) => {
        expect(parseIpAddress(formatIpAddress(bytes))).toEqual(new Uint8Array(bytes));
      }),
    );
    fc.assert(
      fc.property(fc.ipV6(), (text) => {
        const bytes = parseIpAddress(text);
        expect(bytes).toBeDefined();
        expect(parseIpAddress(formatIpAddress(bytes!))).toEqual(bytes);
      }),
    );
  });

  it("takes any text without throwing", () => {
    fc.assert(fc.property(fc.string(), (text) => void parseIpAddress(text)));
    fc.assert(fc.property(fc.stringMatching(/^[0-9a-f:./]{0,30}$/), (text) => void parseIpRange(text)));
  });
});

describe("IP ranges", () => {
  it.each(["10.0.0.1/8", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0", "10.0.0.0/08", "fd00::1/64", "fd00::/129", "/8"])(
    "refuses %s",
    (text) => {
      expect(parseIpRange(text)).toBeUndefined();
    },
  );

  it("reads back what it prints", () => {
    fc.assert(
      fc.property(ipv4Range, (value) => {
        expect(parseIpRange(formatIpRange(value))).toEqual(value);
      }),
    );
  });

  it("contains exactly the addresses between its ends", () => {
    fc.assert(
      fc.property(ipv4Range, fc.integer({ min: 0, max: 0xffff_ffff }), (value, number) => {
        const inside = BigInt(number) >= value.first && BigInt(number) < value.first + rangeSize(value);
        expect(rangeContains(value, ipAddressFromBigInt(BigInt(number), 4))).toBe(inside);
      }),
    );
  });

  it("overlaps exactly when one contains the other's first address", () => {
    fc.assert(
      fc.property(ipv4Range, ipv4Range, (a, b) => {
        const first = (value: IpRange) => ipAddressFromBigInt(value.first, 4);
        expect(rangesOverlap(a, b)).toBe(rangeContains(a, first(b)) || rangeContains(b, first(a)));
      }),
    );
  });

  it("never lets families overlap", () => {
    expect(rangesOverlap(range("0.0.0.0/0"), range("::/0"))).toBe(false);
    expect(rangeOffset(range("::/0"), parseIpAddress("1.2.3.4")!)).toBeUndefined();
  });
});

describe("address allocation", () => {
  const small = range("10.9.0.0/29"); // offsets 1 to 6

  it("goes on after the last address and wraps round", () => {
    expect(allocateOffset(small, { taken: new Set(), resting: new Map(), cursor: 0 })).toBe(1);
    expect(allocateOffset(small, { taken: new Set([1, 2]), resting: new Map(), cursor: 2 })).toBe(3);
    expect(allocateOffset(small, { taken: new Set([6]), resting: new Map(), cursor: 6 })).toBe(1);
  });

  it("uses a resting address only when nothing else is left, the longest rested first", () => {
    const resting = new Map([
      [2, 500],
      [4, 100],
    ]);
    expect(allocateOffset(small, { taken: new Set([1, 3, 5]), resting, cursor: 5 })).toBe(6);
    expect(allocateOffset(small, { taken: new Set([1, 3, 5, 6]), resting, cursor: 6 })).toBe(4);
  });

  it("gives nothing from a full range", () => {
    expect(
      allocateOffset(small, { taken: new Set([1, 2, 3, 4, 5, 6]), resting: new Map(), cursor: 3 }),
    ).toBeUndefined();
  });

  it("hands out every usable address once, never the first or last, whatever was taken before", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 26, max: 30 }),
        fc.array(fc.integer({ min: 0, max: 63 })),
        fc.array(fc.tuple(fc.integer({ min: 0, max: 63 }), fc.integer({ min: 0, max: ADDRESS_REST_MS }))),
        fc.integer({ min: 0, max: 70 }),
        (prefixBits, takenBefore, resting, cursor) => {
          const value = range(`10.9.0.0/${prefixBits}`);
          const last = 2 ** (32 - prefixBits) - 2;
          const taken = new Set(takenBefore);
          const free = Array.from({ length: last }, (_, index) => index + 1).filter((offset) => !taken.has(offset));
          const got: number[] = [];
          for (;;) {
            const offset = allocateOffset(value, { taken, resting: new Map(resting), cursor: got.at(-1) ?? cursor });
            if (offset === undefined) break;
            got.push(offset);
            taken.add(offset);
          }
          expect(got.toSorted((a, b) => a - b)).toEqual(free);
        },
      ),
    );
  });

  it("derives IPv6 from IPv4 and ranges from randomness", () => {
    const ula = generateUlaRange((size) => new Uint8Array(size).fill(0xab));
    expect(ula).toBe("fdab:abab:abab:abab::/64");
    expect(formatIpAddress(deriveIpv6(range(ula), parseIpAddress("100.64.0.2")!))).toBe("fdab:abab:abab:abab::6440:2");
  });

  it("chooses a free private range until there is none", () => {
    const inUse: IpRange[] = [range("10.0.0.0/9")];
    const chosen = new Set<string>();
    for (;;) {
      const text = chooseIpv4Range(inUse, (size) => new Uint8Array(size).fill(200));
      if (text === undefined) break;
      inUse.push(range(text));
      chosen.add(text);
    }
    expect(chosen.size).toBe(128);
    expect(chosen).toContain("10.200.0.0/16");
  });

  it.each([
    ["100.64.0.0/10", undefined],
    ["192.168.5.0/24", undefined],
    ["10.0.0.0/31", /prefix bits/],
    ["0.0.0.0/0", /prefix bits/],
    ["127.0.0.0/8", /can't use/],
    ["224.0.0.0/8", /can't use/],
    ["fd00::/64", /not an IPv4/],
  ])("judges %s as a network's range", (text, problem) => {
    const found = ipv4RangeProblem(range(text));
    if (problem === undefined) expect(found).toBeUndefined();
    else expect(found).toMatch(problem);
  });
});
