import { isLabel } from "@asterism/core/control";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { freeName, namePrefix } from "./free-name.ts";
import { type KeyFacts, keyProblem, keyState } from "./key-rules.ts";
import { assignAddresses } from "./member-addresses.ts";
import { pickIpv4Range } from "./network-rules.ts";
import { KeyedBuckets, sourceOf, TokenBucket } from "./token-bucket.ts";

const stranger = { machineKey: "other", memberByKey: undefined };
const key = (facts: Partial<KeyFacts> = {}): KeyFacts => ({
  id: "key-1",
  reusable: false,
  expiresAt: 1000,
  revokedAt: null,
  usedByMachine: null,
  ...facts,
});

describe("join keys", () => {
  it.each([
    ["a fresh one", key(), 500, undefined],
    ["one that never expires", key({ expiresAt: null }), 1e15, undefined],
    ["one in its last millisecond", key(), 999, undefined],
    ["one that has just expired", key(), 1000, "join-key-expired"],
    ["a used one", key({ usedByMachine: "first" }), 500, "join-key-used"],
    ["a reusable one that was used", key({ reusable: true, usedByMachine: "first" }), 500, undefined],
    ["a reusable one that has expired", key({ reusable: true, usedByMachine: "first" }), 1000, "join-key-expired"],
    ["a revoked one", key({ revokedAt: 1 }), 500, "join-key-unknown"],
  ])("for a stranger: %s", (_, facts, now, code) => {
    expect(keyProblem(facts, stranger, now)?.code).toBe(code);
  });

  it("let a member repeat its join, until the key is revoked", () => {
    const used = key({ usedByMachine: "first" });
    const member = { machineKey: "first", memberByKey: "key-1" };
    expect(keyProblem(used, member, 500)).toBeUndefined();
    expect(keyProblem(used, member, 5000)).toBeUndefined();
    expect(keyProblem({ ...used, revokedAt: 1 }, member, 500)?.code).toBe("join-key-unknown");
    // Was removed, or is a member by another key.
    expect(keyProblem(used, { ...member, memberByKey: undefined }, 500)?.code).toBe("join-key-used");
    expect(keyProblem(used, { ...member, memberByKey: "key-2" }, 500)?.code).toBe("join-key-used");
  });

  it("work exactly while their state is valid, for whoever is no member", () => {
    const facts = fc.record({
      id: fc.constant("key-1"),
      reusable: fc.boolean(),
      expiresAt: fc.option(fc.integer({ min: 0, max: 20 })),
      revokedAt: fc.option(fc.integer({ min: 0, max: 20 })),
      usedByMachine: fc.option(fc.constantFrom("first", "other")),
    });
    fc.assert(
      fc.property(facts, fc.integer({ min: 0, max: 20 }), (value, now) => {
        expect(keyProblem(value, stranger, now) === undefined).toBe(keyState(value, now) === "valid");
      }),
    );
  });
});

describe("free names", () => {
  it.each([
    ["web", [], "web"],
    ["web", ["web"], "web-2"],
    ["web", ["web", "web-2", "web-3"], "web-4"],
    ["web-2", ["web-2"], "web-3"],
    ["web-9", ["web-9"], "web-2"],
    ["a".repeat(63), ["a".repeat(63)], `${"a".repeat(61)}-2`],
  ])("for %.10s beside %.30j", (name, taken, free) => {
    expect(freeName(name, new Set(taken))).toBe(free);
  });

  it("are labels, free, and found among the names with the prefix", () => {
    const label = fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/).filter(isLabel);
    fc.assert(
      fc.property(label, fc.integer({ min: 0, max: 12 }), (name, count) => {
        const all = new Set<string>();
        for (let index = 0; index < count; index++) all.add(freeName(name, all));
        expect(all.size).toBe(count);
        const prefix = namePrefix(name);
        for (const taken of all) {
          expect(isLabel(taken)).toBe(true);
          expect(taken.startsWith(prefix)).toBe(true);
        }
      }),
    );
  });
});

describe("member addresses", () => {
  const plan = { ipv4Range: "100.64.0.0/10", ipv6Range: "fd00:1:2:3::/64", cursor: 0, taken: [], released: [] };

  it("come in pairs", () => {
    expect(assignAddresses(plan, "m", 0)).toEqual({ ipv4: "100.64.0.1", ipv6: "fd00:1:2:3::6440:1", cursor: 1 });
    const later = assignAddresses({ ...plan, cursor: 255, taken: ["100.64.1.0"] }, "m", 0);
    expect(later.ipv4).toBe("100.64.1.1");
  });

  it("go back to the machine that had them while they rest, and leave the cursor where it is", () => {
    const released = [{ ipv4: "100.64.0.9", machineKey: "m", releasedAt: 1000 }];
    expect(assignAddresses({ ...plan, cursor: 20, released }, "m", 2000)).toMatchObject({
      ipv4: "100.64.0.9",
      cursor: 20,
    });
    expect(assignAddresses({ ...plan, cursor: 8, released }, "other", 2000).ipv4).toBe("100.64.0.10");
    const dayLater = 1000 + 24 * 60 * 60 * 1000;
    expect(assignAddresses({ ...plan, cursor: 8, released }, "other", dayLater).ipv4).toBe("100.64.0.9");
  });

  it("are refused when the range is full", () => {
    const tiny = { ...plan, ipv4Range: "10.0.0.0/30", taken: ["10.0.0.1", "10.0.0.2"] };
    expect(() => assignAddresses(tiny, "m", 0)).toThrow("No address is free in 10.0.0.0/30");
  });
});

describe("network ranges", () => {
  const random = (size: number) => new Uint8Array(size).fill(10);

  it("are taken as asked, if hosts can use them", () => {
    expect(pickIpv4Range("192.168.7.0/24", [], random)).toBe("192.168.7.0/24");
    for (const bad of ["192.168.7.1/24", "0.0.0.0/0", "169.254.0.0/16", "text", "fd00::/64"]) {
      expect(() => pickIpv4Range(bad, [], random)).toThrow(bad);
    }
  });

  it("are chosen beside those in use", () => {
    expect(pickIpv4Range(undefined, ["100.64.0.0/10"], random)).toBe("10.10.0.0/16");
    expect(pickIpv4Range(undefined, ["10.8.0.0/14", "10.12.0.0/16"], random)).toBe("10.13.0.0/16");
    expect(() => pickIpv4Range(undefined, ["10.0.0.0/8"], random)).toThrow("--ipv4");
  });
});

describe("token bucket", () => {
  it("never lets more through than burst and rate allow", () => {
    const limits = { burst: 5, perSecond: 2 };
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 3000 }), { maxLength: 60 }), (gapsMs) => {
        const bucket = new TokenBucket(limits, 0);
        let now = 0;
        let passed = 0;
        for (const gapMs of gapsMs) {
          now += gapMs;
          if (bucket.take(now)) passed++;
        }
        expect(passed).toBeLessThanOrEqual(limits.burst + (now / 1000) * limits.perSecond);
      }),
    );
  });

  it("does not mind a clock that goes back", () => {
    const bucket = new TokenBucket({ burst: 1, perSecond: 1 }, 1000);
    expect(bucket.take(1000)).toBe(true);
    expect(bucket.take(0)).toBe(false);
    expect(bucket.take(1000)).toBe(true);
  });

  it("is kept for a bounded number of sources, the idle forgotten first", () => {
    const buckets = new KeyedBuckets({ burst: 2, perSecond: 1 }, 0);
    for (let index = 0; index < 25_000; index++) buckets.take(`source-${index}`, index);
    expect(buckets.size).toBeLessThanOrEqual(10_000);
    expect(buckets.take("source-24999", 25_000)).toBe(true);
    expect(buckets.take("source-24999", 25_000)).toBe(false);
  });

  it("is shared by the addresses that one host can have", () => {
    expect(sourceOf("::ffff:192.0.2.7")).toBe(sourceOf("192.0.2.7"));
    expect(sourceOf("2001:db8:1:2:3:4:5:6")).toBe("2001:db8:1:2::/64");
    expect(sourceOf("2001:db8:1:2::9")).toBe("2001:db8:1:2::/64");
    expect(sourceOf("2001:db8::9")).toBe("2001:db8:0:0::/64");
    expect(sourceOf("::1")).toBe("0:0:0:0::/64");
    expect(sourceOf("192.0.2.7")).not.toBe(sourceOf("192.0.2.8"));
  });
});
