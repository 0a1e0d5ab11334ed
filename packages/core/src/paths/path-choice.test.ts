import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ipFamilyOf } from "./address-class.ts";
import { localityRank } from "./candidate.ts";
import { choosePath, comparePaths, type PathMetrics } from "./path-choice.ts";

function remote(address: string): Pick<PathMetrics, "family" | "locality"> {
  return { family: ipFamilyOf(address), locality: localityRank(address) };
}

function path(key: string, rttMs: number, more: Partial<PathMetrics> = {}): PathMetrics {
  return {
    key,
    kind: "direct",
    relays: 0,
    overStream: false,
    cost: 0,
    isNarrow: false,
    isLossy: false,
    isProven: true,
    loss: { ratio: 0 },
    rttMs,
    ...remote("192.0.2.1"),
    linkPreference: 0,
    ...more,
  };
}

describe("path choice", () => {
  it("is none without trusted paths", () => {
    expect(choosePath([], path("a", 1))).toBeUndefined();
  });

  it("takes the first path that answers", () => {
    const only = path("a", 500);
    expect(choosePath([only], undefined)).toEqual({ path: only, why: "the first path that answered" });
  });

  it("prefers direct to relayed, however slow", () => {
    const relayed = path("r", 5, { kind: "relayed" });
    const direct = path("d", 300);
    expect(choosePath([relayed, direct], relayed)).toEqual({ path: direct, why: "direct instead of relayed" });
    expect(choosePath([relayed], relayed)).toEqual({ path: relayed, why: null });
  });

  it("prefers paths of full packets to narrow ones, and among these as ever", () => {
    const narrow = path("n", 5, { isNarrow: true });
    const stream = path("s", 300, { kind: "relayed", overStream: true });
    expect(choosePath([narrow, stream], narrow)).toEqual({
      path: stream,
      why: "large packets vanish on the former path",
    });
    const narrowRelay = path("r", 1, { kind: "relayed", isNarrow: true });
    expect(choosePath([narrow, narrowRelay], narrowRelay)?.path).toBe(narrow);
    expect([narrowRelay, narrow, stream].sort(comparePaths)).toEqual([stream, narrow, narrowRelay]);
  });

  it("takes a costly link only while no cheaper one works, and says why it leaves it", () => {
    const costly = path("a", 5, { cost: 10 });
    const cheapRelay = path("b", 200, { cost: 0, kind: "relayed", relays: 1 });
    expect(choosePath([costly, cheapRelay], costly)).toEqual({ path: cheapRelay, why: "its link costs less" });
    expect(choosePath([costly], cheapRelay)).toEqual({ path: costly, why: "the former path does not answer" });
    const [narrow, lossy] = [
      { ...cheapRelay, isNarrow: true },
      { ...cheapRelay, isLossy: true, isProven: false },
    ];
    expect(choosePath([costly, narrow], narrow)?.path).toBe(costly);
    expect(choosePath([costly, lossy], lossy)?.path).toBe(costly);
    expect([costly, path("c", 300, { cost: 9 }), cheapRelay].sort(comparePaths).map(({ key }) => key)).toEqual([
      "b",
      "c",
      "a",
    ]);
  });

  it.each([
    ["10 ms and 20 % faster", 50, 40, "b"],
    ["9 ms faster only", 30, 21, "a"],
    ["19 % faster only", 100, 81, "a"],
    ["slower", 10, 50, "a"],
  ])("with another path %s (%d, %d) keeps or changes the active one", (_what, current, other, chosen) => {
    const a = path("a", current);
    const result = choosePath([a, path("b", other)], a);
    expect(result?.path.key).toBe(chosen);
    expect(result?.why === null).toBe(chosen === "a");
  });

  it("prefers IPv6, then the nearer address, then the link, at about the same speed", () => {
    const ipv4 = path("a", 20);
    const ipv6 = path("b", 23, remote("2001:db8::1"));
    expect(choosePath([ipv4, ipv6], ipv4)?.path).toBe(ipv6);
    expect(choosePath([ipv4, ipv6], ipv6)?.path).toBe(ipv6);
    const near = path("c", 23, remote("192.168.1.1"));
    expect(choosePath([ipv4, near], ipv4)?.path).toBe(near);
    const liked = path("d", 23, { linkPreference: 1 });
    expect(choosePath([ipv4, liked], ipv4)?.path).toBe(liked);
  });

  it("does not prefer what is clearly slower", () => {
    const ipv4 = path("a", 20);
    const ipv6 = path("b", 26, remote("2001:db8::1"));
    expect(choosePath([ipv4, ipv6], ipv4)?.path).toBe(ipv4);
    expect(choosePath([ipv4, ipv6], ipv6)?.path).toBe(ipv6);
  });

  it("replaces a path that is not trusted any more", () => {
    const other = path("b", 80);
    expect(choosePath([other], path("a", 1))).toEqual({ path: other, why: "the former path does not answer" });
  });

  it("prefers a relay over UDP to one by a stream, however slow, and says so", () => {
    const stream = path("a", 5, { kind: "relayed", relays: 1, overStream: true });
    const datagrams = path("b", 200, { kind: "relayed", relays: 2 });
    expect(choosePath([stream], undefined)?.path).toBe(stream);
    const why = "relayed over UDP instead of a stream";
    expect(choosePath([stream, datagrams], stream)).toEqual({ path: datagrams, why });
    expect(choosePath([stream, datagrams], datagrams)).toEqual({ path: datagrams, why: null });
    expect([stream, datagrams].sort(comparePaths)).toEqual([datagrams, stream]);
  });

  const anyPath = fc.record({
    kind: fc.constantFrom("direct" as const, "relayed" as const),
    rttMs: fc.double({ min: 0, max: 300, noNaN: true }),
    address: fc.constantFrom("127.0.0.1", "10.0.0.1", "192.0.2.1", "2001:db8::1", "fd00::1", "fe80::1"),
    linkPreference: fc.integer({ min: 0, max: 3 }),
    relayCount: fc.integer({ min: 1, max: 2 }),
    isStream: fc.boolean(),
    isNarrow: fc.boolean(),
    cost: fc.integer({ min: 0, max: 2 }),
    delivery: fc.constantFrom("lossy", "proven", "unknown"),
  });
  const anyPaths = fc.array(anyPath, { minLength: 1, maxLength: 8 }).map((paths) =>
    paths.map(({ relayCount, isStream, delivery, ...metrics }, index): PathMetrics => {
      const relays = metrics.kind === "direct" ? 0 : relayCount;
      const overStream = metrics.kind === "relayed" && isStream;
      const [isLossy, isProven] = [delivery === "lossy", delivery === "proven"];
      const loss = { ratio: isLossy ? 0.3 : 0 };
      return {
        ...metrics,
        ...remote(metrics.address),
        relays,
        overStream,
        isLossy,
        isProven,
        loss,
        key: String(index),
      };
    }),
  );
  const soundPaths = anyPaths.map((paths) => paths.map((one) => ({ ...one, isLossy: false })));

  it("comes to rest after one change while measurements are steady", () => {
    fc.assert(
      fc.property(anyPaths, fc.nat(), (paths, start) => {
        const first = choosePath(paths, paths[start % paths.length]);
        const second = choosePath(paths, first?.path);
        expect(second).toEqual({ path: first?.path, why: null });
      }),
    );
  });

  it("does not depend on the order of the paths", () => {
    fc.assert(
      fc.property(anyPaths, (paths) => {
        expect(choosePath([...paths].reverse(), undefined)?.path).toBe(choosePath(paths, undefined)?.path);
      }),
    );
  });

  it("never chooses a narrow, costly, relayed or stream path while there is a better one, nor one that is clearly slower", () => {
    /** Those that are so; all if none is. */
    const preferring = (paths: PathMetrics[], isBetter: (path: PathMetrics) => boolean): PathMetrics[] =>
      paths.some(isBetter) ? paths.filter(isBetter) : paths;
    fc.assert(
      fc.property(soundPaths, fc.nat(), (paths, start) => {
        const chosen = choosePath(paths, paths[start % paths.length])!.path;
        const full = preferring(paths, ({ isNarrow }) => !isNarrow);
        const cheapest = Math.min(...full.map(({ cost }) => cost));
        const cheap = preferring(full, ({ cost }) => cost === cheapest);
        const direct = preferring(cheap, ({ kind }) => kind === "direct");
        const best = preferring(direct, ({ overStream }) => !overStream);
        expect(best).toContain(chosen);
        const fastest = Math.min(...best.map(({ rttMs }) => rttMs));
        expect(chosen.rttMs - fastest < 10 || fastest > chosen.rttMs * 0.8).toBe(true);
      }),
    );
  });

  it("never chooses a path that loses too much while one delivers", () => {
    fc.assert(
      fc.property(anyPaths, fc.nat(), (paths, start) => {
        const chosen = choosePath(paths, paths[start % paths.length])!.path;
        if (paths.some(({ isProven, isNarrow }) => isProven && !isNarrow)) expect(chosen.isLossy).toBe(false);
      }),
    );
  });

  it("leaves a path that loses too much for a stream that delivers, and says why", () => {
    const lossy = path("d", 20, { isLossy: true, isProven: false, loss: { ratio: 0.4 } });
    const stream = path("s", 60, { kind: "relayed", relays: 1, overStream: true });
    expect(choosePath([lossy, stream], lossy)).toEqual({
      path: stream,
      why: "the former path loses 40 % of the checks",
    });
    expect(choosePath([lossy, { ...stream, isProven: false }], lossy)?.path).toBe(lossy);
    expect(choosePath([lossy, { ...stream, isLossy: true, isProven: false }], lossy)?.path).toBe(lossy);
    const unknown = path("u", 30, { kind: "relayed", relays: 1, isProven: false });
    expect(choosePath([lossy, stream, unknown], stream)?.path).toBe(stream);
    expect(choosePath([{ ...lossy, isLossy: false }, stream], stream)?.path.key).toBe("d");
  });

  it("sorts direct paths first", () => {
    const paths = [path("r", 1, { kind: "relayed" }), path("slow", 90), path("fast", 10)];
    expect([...paths].sort(comparePaths).map(({ key }) => key)).toEqual(["fast", "slow", "r"]);
  });
});
