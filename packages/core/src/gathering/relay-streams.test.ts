import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { endpoint, GatheringBench, host, relay, type StreamFate } from "../../test/gathering-bench.ts";
import { TURN_METHOD } from "../turn/index.ts";

const BOTH = relay(1, { streams: [endpoint("tls"), endpoint("tcp")] });
const PEER = { address: "203.0.113.50", port: 1_000 };

/** UDP is blocked, and the examination of the NATs has found so. */
function blocked(fate?: (transport: "tcp" | "tls") => StreamFate): GatheringBench {
  const bench = new GatheringBench();
  bench.isUdpBlocked = true;
  if (fate !== undefined) bench.streamFate = ({ transport }) => fate(transport);
  bench.start([BOTH]);
  return bench;
}

function transports(bench: GatheringBench): string[] {
  return bench.opened.map(({ endpoint: { transport } }) => transport);
}

function streamAllocation(bench: GatheringBench) {
  return bench.gatherer.snapshot().relays[0]?.allocations.find(({ transport }) => transport !== "udp");
}

describe("a relay that answers nothing over UDP", () => {
  it("is reached by a stream at once where UDP is known to be blocked", () => {
    const bench = blocked();
    bench.run(150, "needed");
    expect(transports(bench)).toEqual(["tls"]);
    expect(bench.candidates("relayed")).toMatchObject([
      { address: { port: 50_000 }, linkId: 101, relay: endpoint("tls").address },
    ]);
    expect(streamAllocation(bench)).toMatchObject({ transport: "tls", linkId: 101, state: "allocated" });
  });

  it("is reached by a stream after a second where UDP worked before", () => {
    const bench = new GatheringBench();
    bench.start([BOTH]);
    bench.isUdpBlocked = true;
    const from = bench.now;
    bench.run(950, "needed");
    expect(bench.opened).toEqual([]);
    bench.run(200, "needed");
    expect(bench.opened).toMatchObject([{ at: from + 1_000 }]);
  });

  it("is tried in all ways, the next one while the former is silent, and at once when it is refused", () => {
    const silent = blocked((transport) => (transport === "tls" ? "silent" : { opensAfterMs: 40 }));
    silent.run(1_000, "needed");
    expect(transports(silent)).toEqual(["tls", "tcp"]);
    expect((silent.opened[1]?.at ?? 0) - (silent.opened[0]?.at ?? 0)).toBe(250);
    expect([...silent.streams.values()]).toMatchObject([{ transport: "tcp" }]);
    const refused = blocked((transport) => (transport === "tls" ? "refused" : { opensAfterMs: 40 }));
    refused.run(1_000, "needed");
    expect((refused.opened[1]?.at ?? 0) - (refused.opened[0]?.at ?? 0)).toBe(1);
    expect(refused.candidates("relayed")).toHaveLength(1);
  });

  it("is tried again with back-off when nothing opens, and not without end", () => {
    const bench = blocked(() => "refused");
    bench.run(600_000, "needed");
    expect(bench.candidates("relayed")).toEqual([]);
    expect(bench.streams.size).toBe(0);
    expect(bench.opened.length).toBeGreaterThan(15);
    expect(bench.opened.length).toBeLessThan(2 * (7 + 600 / 30));
  });

  it("is asked over UDP further on, once a minute at least", () => {
    const bench = blocked();
    bench.run(60_000, "needed");
    const before = bench.requests(TURN_METHOD.allocate).filter(({ to }) => to.linkId === 1).length;
    bench.run(130_000, "needed");
    const after = bench.requests(TURN_METHOD.allocate).filter(({ to }) => to.linkId === 1).length;
    expect(after - before).toBeGreaterThanOrEqual(2);
  });

  it("carries channels by its stream, ranked behind those over UDP", () => {
    const bench = blocked();
    bench.run(1_000, "needed");
    const [candidate] = bench.candidates("relayed");
    const place = { linkId: candidate?.linkId ?? 0, relay: endpoint("tls").address, peer: PEER };
    bench.act((gatherer, now) => gatherer.wantChannel("b", place, now));
    bench.run(100);
    expect(bench.events.filter(({ kind }) => kind === "channel-bound")).toMatchObject([{ owner: "b", ...place }]);
    bench.isUdpBlocked = false;
    bench.run(30_000, "needed");
    const [best, second] = bench.candidates("relayed");
    expect([best?.linkId, second?.linkId].filter((linkId) => linkId !== undefined)[0]).toBe(1);
    expect(best?.priority).toBeGreaterThan(candidate?.priority ?? 0);
  });
});

describe("the stream", () => {
  it("that is closed loses its channels, and is opened again", () => {
    const bench = blocked();
    bench.run(1_000, "needed");
    const place = { linkId: 101, relay: endpoint("tls").address, peer: PEER };
    bench.act((gatherer, now) => gatherer.wantChannel("b", place, now));
    bench.run(100);
    bench.closeStreams();
    const kinds = bench.events.slice(-4).map(({ kind }) => kind);
    expect(kinds.indexOf("channel-lost")).toBeLessThan(kinds.indexOf("close-stream"));
    expect(bench.events.at(-1)).toEqual({ kind: "close-stream", streamId: 1, linkId: 101 });
    expect(bench.candidates("relayed")).toEqual([]);
    bench.run(3_000, "needed");
    expect(bench.candidates("relayed")).toMatchObject([{ linkId: 102 }]);
  });

  it("is given up when UDP has worked for ten seconds, not before, and its allocation is given back", () => {
    const bench = blocked();
    bench.run(5_000, "needed");
    bench.isUdpBlocked = false;
    const limit = bench.now + 60_000;
    while (bench.candidates("relayed").every(({ linkId }) => linkId !== 1) && bench.now < limit)
      bench.run(500, "needed");
    expect(bench.candidates("relayed").map(({ linkId }) => linkId)).toEqual([1, 101]);
    bench.run(9_000, "needed");
    expect(bench.streams.size).toBe(1);
    bench.run(2_000, "needed");
    expect(bench.streams.size).toBe(0);
    expect(bench.candidates("relayed").map(({ linkId }) => linkId)).toEqual([1]);
    const last = bench.sent.filter(({ to }) => to.linkId === 101).at(-1);
    expect(last?.message.method).toBe(TURN_METHOD.refresh);
  });

  it("is kept the longer, the more often UDP comes and goes", () => {
    const bench = blocked();
    for (let round = 0; round < 500; round++) {
      bench.isUdpBlocked = round % 2 === 0;
      bench.run(7_000, "needed");
    }
    expect(bench.opened.length).toBeLessThan(20);
  });

  it("is opened anew when this host has other addresses", () => {
    const bench = blocked();
    bench.run(1_000, "needed");
    bench.act((gatherer, now) => gatherer.handleHostCandidates([host("10.9.9.9")], now));
    bench.run(1_000, "needed");
    expect(bench.candidates("relayed")).toMatchObject([{ linkId: 102 }]);
    expect(bench.streams.size).toBe(1);
  });

  it("whose relay has fallen silent is opened anew when peers are in doubt", () => {
    const bench = blocked();
    bench.run(1_000, "needed");
    bench.servers.rttMs.set("198.51.100.1", null);
    for (let second = 0; second < 8; second++) {
      bench.act((gatherer, now) => gatherer.handleRelayDoubt(101, endpoint("tls").address, now));
      bench.run(1_000, "needed");
    }
    expect(bench.opened.length).toBeGreaterThan(1);
  });

  it("is closed with the allocation when nobody needs it any more", () => {
    const bench = blocked();
    bench.run(1_000, "needed");
    bench.run(400_000);
    expect(bench.streams.size).toBe(0);
    expect(bench.gatherer.pollTimeout()).toBeUndefined();
  });

  it("is all there is for a relay without UDP", () => {
    const bench = new GatheringBench();
    bench.start([relay(1, { udp: [], streams: [endpoint("tcp")] })]);
    bench.run(200, "needed");
    expect(bench.candidates("relayed")).toMatchObject([{ linkId: 101, relay: endpoint("tcp").address }]);
  });

  it("to a relay is preferred to a relay that has none, where UDP is blocked", () => {
    const bench = new GatheringBench();
    bench.isUdpBlocked = true;
    bench.start([relay(1), relay(2, { streams: [endpoint("tls", 2)] })]);
    bench.run(1_000, "needed");
    expect(bench.candidates("relayed")).toMatchObject([{ relay: endpoint("tls", 2).address }]);
  });
});

describe("whatever the streams and UDP do", () => {
  it("what was opened is closed once, never sent to afterwards, and there is one at a time", () => {
    const anyFate = fc.oneof(
      fc.constant("refused" as const),
      fc.constant("silent" as const),
      fc.record({ opensAfterMs: fc.integer({ min: 0, max: 3_000 }) }),
    );
    const anyStep = fc.record({
      isUdpBlocked: fc.boolean(),
      fate: anyFate,
      cut: fc.boolean(),
      ms: fc.integer({ min: 1, max: 20_000 }),
      isNeeded: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(anyStep, { minLength: 1, maxLength: 12 }), (steps) => {
        const bench = blocked();
        for (const { isUdpBlocked, fate, cut, ms, isNeeded } of steps) {
          bench.isUdpBlocked = isUdpBlocked;
          bench.streamFate = () => fate;
          if (cut) bench.closeStreams();
          bench.run(ms, isNeeded ? "needed" : "idle");
          expect(bench.streams.size).toBeLessThanOrEqual(2);
          expect(bench.candidates("relayed").filter(({ linkId }) => linkId > 100).length).toBeLessThanOrEqual(1);
        }
        const count = (kind: string): number => bench.events.filter((event) => event.kind === kind).length;
        expect(count("open-stream") - count("close-stream")).toBe(bench.streams.size);
      }),
      { numRuns: 60 },
    );
  });
});
