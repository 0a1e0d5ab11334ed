import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { GatheringBench as Bench, host, MAPPED, relay, STUN } from "../../test/gathering-bench.ts";
import { CONTINUITY_ADDRESS } from "../nat64/index.ts";
import { encodeStun, encodeUint32, findAttribute, parseStun } from "../stun/index.ts";
import type { Instant } from "../time.ts";
import { TURN_ATTRIBUTE, TURN_METHOD } from "../turn/index.ts";

describe("before anybody talks", () => {
  it("the NATs are examined once, and nothing is sent after that", () => {
    const bench = new Bench();
    bench.start([relay(1)]);
    expect(bench.candidates("server-reflexive")).toMatchObject([{ address: MAPPED, linkId: 1 }]);
    expect(bench.gatherer.snapshot().nats).toHaveLength(1);
    const before = bench.sent.length;
    bench.run(3_600_000);
    expect(bench.sent.length).toBe(before);
    expect(bench.gatherer.pollTimeout()).toBeUndefined();
    expect(bench.requests(TURN_METHOD.allocate)).toEqual([]);
  });

  it("candidates of the host are handed on even without servers", () => {
    const bench = new Bench();
    bench.act((gatherer, now) => gatherer.handleHostCandidates([host("192.168.1.2"), host("127.0.0.1")], now));
    expect(bench.events).toMatchObject([{ kind: "candidates", candidates: [host("192.168.1.2")] }]);
  });

  it("a host whose only IPv4 is behind a NAT64 or a translator of its own offers what that shows, and no more", () => {
    const bench = new Bench();
    const own = [host("2001:db8::7"), host(CONTINUITY_ADDRESS)];
    bench.start([], own);
    expect(bench.candidates("host")).toEqual([host("2001:db8::7")]);
    expect(bench.candidates("server-reflexive")).toMatchObject([{ address: MAPPED, linkId: 1 }]);
    expect(bench.gatherer.snapshot().nats).toMatchObject([{ family: 4, udp: true }]);
  });

  it("an address that is the host's own is no second candidate", () => {
    const bench = new Bench();
    bench.servers.mapped = { address: "203.0.113.7", port: 41_641 };
    bench.start([], [host("203.0.113.7")]);
    expect(bench.gatherer.candidates).toEqual([host("203.0.113.7")]);
  });
});

describe("while somebody talks without a direct path", () => {
  it("what STUN told is asked for again every 25 s, and no more a minute afterwards", () => {
    const bench = new Bench();
    bench.start([]);
    bench.run(20_000);
    const before = bench.requests(1).length;
    bench.run(100_000, "needed");
    expect(bench.requests(1).length - before).toBe(4);
    bench.servers.mapped = { address: "203.0.113.7", port: 4_001 };
    bench.run(30_000, "needed");
    expect(bench.candidates("server-reflexive")).toMatchObject([{ address: { port: 4_001 } }]);
    bench.run(120_000);
    const after = bench.sent.length;
    bench.run(600_000);
    expect(bench.sent.length).toBe(after);
  });

  it("there is an allocation within two round trips, kept for five minutes, and given back", () => {
    const bench = new Bench();
    bench.start([relay(1)]);
    bench.act((gatherer, now) => gatherer.handleNeed(now));
    bench.run(41);
    expect(bench.candidates("relayed")).toMatchObject([{ address: { port: 50_000 }, relay: relay(1).udp[0] }]);
    bench.run(295_000);
    expect(bench.candidates("relayed")).toHaveLength(1);
    bench.run(10_000);
    expect(bench.candidates("relayed")).toEqual([]);
    const last = bench.requests(TURN_METHOD.refresh).at(-1);
    expect(findAttribute(last!.message, TURN_ATTRIBUTE.lifetime)).toEqual(encodeUint32(0));
    const before = bench.sent.length;
    bench.run(3_600_000);
    expect(bench.sent.length).toBe(before);
    expect(bench.gatherer.pollTimeout()).toBeUndefined();
  });

  it("the nearest relay is used, on every link, and left for a nearer one only", () => {
    const bench = new Bench();
    bench.servers.rttMs.set("198.51.100.1", 50).set("198.51.100.2", 20);
    bench.start([relay(1), relay(2)], [host("192.168.1.2"), host("10.0.0.2", 2)]);
    bench.run(3_000, "needed");
    expect(bench.candidates("relayed").map(({ linkId, relay: at }) => [linkId, at?.address])).toEqual([
      [1, "198.51.100.2"],
      [2, "198.51.100.2"],
    ]);
    bench.servers.rttMs.set("198.51.100.1", 15);
    const preferred = (): string | undefined =>
      bench.gatherer.snapshot().relays.find(({ isPreferred }) => isPreferred)?.addresses[0]?.address;
    bench.run(60_000, "needed");
    expect(preferred()).toBe("198.51.100.2");
    bench.servers.rttMs.set("198.51.100.1", 5);
    bench.run(35_000, "needed");
    expect(preferred()).toBe("198.51.100.1");
  });

  it("who goes on needing a relay has a second one ready, the nearest of the others", () => {
    const bench = new Bench();
    for (const number of [1, 2, 3]) bench.servers.rttMs.set(`198.51.100.${number}`, 10 * number);
    bench.start([relay(3), relay(1), relay(2)]);
    const places = (): (string | undefined)[] =>
      bench
        .candidates("relayed")
        .flatMap(({ relay: at }) => at?.address ?? [])
        .sort();
    bench.run(2_500, "needed");
    expect(places()).toEqual(["198.51.100.1"]);
    bench.run(90_000, "needed");
    expect(places()).toEqual(["198.51.100.1", "198.51.100.2"]);
    bench.run(310_000);
    expect(places()).toEqual([]);
  });

  it("a silent relay is left for another", () => {
    const bench = new Bench();
    for (const number of [1, 2, 3]) bench.servers.rttMs.set(`198.51.100.${number}`, 10 * number);
    bench.start([relay(1), relay(2), relay(3)]);
    bench.servers.rttMs.set("198.51.100.1", null);
    bench.run(30_000, "needed");
    const places = bench.candidates("relayed").map(({ relay: at }) => at?.address);
    expect(new Set(places)).toEqual(new Set(["198.51.100.2", "198.51.100.3"]));
  });

  it("relays that the network no longer has are left at once", () => {
    const bench = new Bench();
    bench.start([relay(1)]);
    bench.run(2_000, "needed");
    bench.act((gatherer, now) => gatherer.handleServers([relay(2)], [STUN], now));
    expect(bench.candidates("relayed")).toEqual([]);
    bench.run(2_000, "needed");
    expect(bench.candidates("relayed")).toMatchObject([{ relay: { address: "198.51.100.2" } }]);
  });
});

describe("channels", () => {
  const peer = { address: "203.0.113.50", port: 1_000 };
  const place = { linkId: 1, relay: relay(1).udp[0]!, peer };

  function allocated(): Bench {
    const bench = new Bench();
    bench.start([relay(1)]);
    bench.run(1_000, "needed");
    return bench;
  }

  it("are bound once for all who want them, and given up with the last one", () => {
    const bench = allocated();
    for (const owner of ["b", "c"]) bench.act((gatherer, now) => gatherer.wantChannel(owner, place, now));
    bench.run(100);
    const bound = bench.events.filter((event) => event.kind === "channel-bound");
    expect(bound).toMatchObject([
      { owner: "b", channel: 0x4000, ...place },
      { owner: "c", channel: 0x4000 },
    ]);
    expect(bench.requests(TURN_METHOD.channelBind)).toHaveLength(1);
    bench.act((gatherer, now) => gatherer.wantChannel("d", place, now));
    expect(bench.events.at(-1)).toMatchObject({ kind: "channel-bound", owner: "d", channel: 0x4000 });
    bench.act((gatherer, now) => gatherer.releaseChannel("b", place, now));
    for (const owner of ["c", "d"]) bench.act((gatherer, now) => gatherer.releaseAll(owner, now));
    expect(bench.gatherer.snapshot().relays[0]?.allocations[0]?.peers).toEqual([]);
  });

  it("are lost, and the candidate with them, when the relay falls silent", () => {
    const bench = allocated();
    bench.act((gatherer, now) => gatherer.wantChannel("b", place, now));
    bench.run(100);
    bench.servers.rttMs.set("198.51.100.1", null);
    bench.act((gatherer, now) => gatherer.handleRelayDoubt(1, place.relay, now));
    bench.run(30_000, "needed");
    expect(bench.events.filter(({ kind }) => kind === "channel-lost")).toMatchObject([{ owner: "b", ...place }]);
    expect(bench.candidates("relayed")).toEqual([]);
  });

  it("at places where there is no allocation are nobody's", () => {
    const bench = allocated();
    bench.act((gatherer, now) => gatherer.wantChannel("b", { ...place, linkId: 7 }, now));
    bench.act((gatherer, now) => gatherer.wantChannel("b", { ...place, relay: STUN }, now));
    bench.run(100);
    expect(bench.requests(TURN_METHOD.channelBind)).toEqual([]);
  });
});

describe("another network", () => {
  it("with other addresses has its NATs examined and its allocation asked about at once", () => {
    const bench = new Bench();
    bench.start([relay(1)]);
    bench.run(1_000, "needed");
    const before = bench.requests(TURN_METHOD.refresh).length;
    bench.servers.mapped = { address: "203.0.113.88", port: 9 };
    bench.act((gatherer, now) => gatherer.handleHostCandidates([host("10.1.1.1")], now));
    expect(bench.candidates("server-reflexive")).toEqual([]);
    bench.run(50);
    expect(bench.candidates("server-reflexive")).toMatchObject([{ address: { address: "203.0.113.88" } }]);
    expect(bench.requests(TURN_METHOD.refresh).length).toBeGreaterThan(before);
  });

  it("without the link takes its allocation away", () => {
    const bench = new Bench();
    bench.start([relay(1)], [host("192.168.1.2"), host("10.0.0.2", 2)]);
    bench.run(1_000, "needed");
    expect(bench.candidates("relayed")).toHaveLength(2);
    bench.act((gatherer, now) => gatherer.handleHostCandidates([host("10.0.0.2", 2)], now));
    expect(bench.candidates("relayed").map(({ linkId }) => linkId)).toEqual([2]);
  });
});

describe("a link that goes", () => {
  const both = [host("192.168.1.2"), host("10.0.0.2", 2)];

  it("has its allocation given back while it can still send, once", () => {
    const bench = new Bench();
    bench.start([relay(1)], both);
    bench.run(1_000, "needed");
    expect(bench.candidates("relayed").map(({ linkId }) => linkId)).toEqual([1, 2]);
    bench.servers.rttMs.set("198.51.100.1", null);
    bench.act((gatherer, now) => gatherer.handleHostCandidates([host("192.168.1.2")], now));
    const last = bench.sent.filter(({ to }) => to.linkId === 2).at(-1);
    expect([last?.at, last?.message.method]).toEqual([bench.now, TURN_METHOD.refresh]);
    expect(findAttribute(last!.message, TURN_ATTRIBUTE.lifetime)).toEqual(encodeUint32(0));
    bench.run(60_000);
    expect(bench.sent.filter(({ to }) => to.linkId === 2).at(-1)).toBe(last);
  });

  it("is no model for further sockets that ask how its NAT gives out ports", () => {
    const bench = new Bench();
    let port = 4_000;
    Object.defineProperty(bench.servers, "mapped", { get: () => ({ ...MAPPED, port: port++ }) });
    bench.act((gatherer, now) => gatherer.handleHostCandidates(both, now));
    bench.act((gatherer, now) => gatherer.handleServers([relay(1), relay(2)], [STUN], now));
    const wanted = (): number => {
      return bench.events.filter((event) => event.kind === "socket-wanted" && event.like === 2).length;
    };
    for (let atMs = 0; wanted() === 0 && atMs < 10_000; atMs++) bench.run(1);
    expect(wanted()).toBeGreaterThan(0);
    bench.act((gatherer, now) => gatherer.handleHostCandidates([host("192.168.1.2")], now));
    const before = wanted();
    bench.run(5_000);
    expect(wanted()).toBe(before);
  });
});

describe("port mappings", () => {
  const external = { address: "203.0.113.7", port: 5_000 };
  const mapping = { linkId: 1, protocol: "pcp", external, expiresAt: 8_200_000 as Instant, problem: null } as const;

  it("are offered, and rank above what STUN tells, even at the same address", () => {
    const bench = new Bench();
    bench.start([]);
    bench.act((gatherer, now) => gatherer.handlePortMapping(mapping, now));
    expect(bench.candidates("port-mapped")).toMatchObject([{ address: external, linkId: 1 }]);
    const [mapped] = bench.candidates("port-mapped");
    const [reflexive] = bench.candidates("server-reflexive");
    expect(mapped?.priority).toBeGreaterThan(reflexive?.priority ?? 0);
    bench.act((gatherer, now) => gatherer.handlePortMapping({ ...mapping, external: MAPPED }, now));
    expect(bench.candidates("port-mapped")).toMatchObject([{ address: MAPPED }]);
    expect(bench.candidates("server-reflexive")).toEqual([]);
  });

  it("with a problem are reported, not offered", () => {
    const bench = new Bench();
    bench.start([]);
    const problem = { code: "behind-nat", text: "" } as const;
    const doubtful = { ...mapping, external: { address: "100.64.0.9", port: 5_000 }, problem };
    bench.act((gatherer, now) => gatherer.handlePortMapping(doubtful, now));
    expect(bench.candidates("port-mapped")).toEqual([]);
    expect(bench.gatherer.snapshot().portMappings).toEqual([doubtful]);
  });

  it("go with their link, and when the router takes them back", () => {
    const bench = new Bench();
    bench.start([]);
    bench.act((gatherer, now) => gatherer.handlePortMapping(mapping, now));
    bench.act((gatherer, now) => gatherer.handlePortMapping({ ...mapping, external: null, expiresAt: null }, now));
    expect(bench.candidates("port-mapped")).toEqual([]);
    bench.act((gatherer, now) => gatherer.handlePortMapping(mapping, now));
    bench.act((gatherer, now) => gatherer.handleHostCandidates([host("192.168.1.2", 2)], now));
    expect(bench.candidates("port-mapped")).toEqual([]);
    expect(bench.gatherer.snapshot().portMappings).toEqual([]);
  });
});

describe("hostile input", () => {
  it("any message from anywhere changes no candidate and does not throw", () => {
    const bench = new Bench();
    bench.start([relay(1)]);
    bench.run(1_000, "needed");
    const before = JSON.stringify(bench.gatherer.candidates);
    const anyFrom = fc.record({
      linkId: fc.integer({ min: 0, max: 3 }),
      remote: fc.record({
        address: fc.constantFrom("198.51.100.1", STUN.address, "192.0.2.1"),
        port: fc.constantFrom(3_478, 1),
      }),
      channel: fc.constantFrom(null, 0x4000),
    });
    const anyMessage = fc.record({
      class: fc.constantFrom("request" as const, "indication" as const, "success" as const, "error" as const),
      method: fc.integer({ min: 0, max: 15 }),
      transactionId: fc.uint8Array({ minLength: 12, maxLength: 12 }),
      attributes: fc.array(
        fc.record({
          type: fc.constantFrom(0x1, 0x9, 0xc, 0xd, 0x12, 0x13, 0x14, 0x15, 0x16, 0x20, 0x8023),
          value: fc.uint8Array({ maxLength: 24 }),
        }),
        { maxLength: 4 },
      ),
    });
    fc.assert(
      fc.property(anyMessage, anyFrom, (toEncode, from) => {
        const parsed = parseStun(encodeStun(toEncode));
        if (parsed.ok) bench.act((gatherer, now) => gatherer.handleMessage(parsed.message, from, now));
        expect(JSON.stringify(bench.gatherer.candidates)).toBe(before);
      }),
    );
  });
});
