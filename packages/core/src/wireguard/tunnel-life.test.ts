import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { fuzzRuns } from "../../test/fuzz-runs.ts";
import { type SideReport, simulateTunnel } from "../../test/tunnel-simulation.ts";

const HOUR_MS = 3_600_000;

/** What holds in every run, however bad the network. */
function expectSound(...sides: readonly SideReport[]): void {
  for (const side of sides) {
    expect(side.maxSessions).toBeLessThanOrEqual(3);
    expect(side.failures.filter((reason) => reason !== "no-answer")).toEqual([]);
  }
}

describe("an hour of two peers with 5 % loss and reordering", () => {
  test.each([1, 2, 3])("data both ways always finds a session (seed %i)", (seed) => {
    const { a, b } = simulateTunnel({
      seed,
      durationMs: HOUR_MS + 200_000,
      dataUntilMs: HOUR_MS,
      lossAt: () => 0.05,
      delayMs: [10, 150],
      dataEveryMs: [400, 700],
    });
    expectSound(a, b);
    for (const side of [a, b]) {
      expect(side.unsent.filter((at) => at > 12_000)).toEqual([]);
      expect(side.dataUnopened).toBe(0);
      expect(side.failures).toEqual([]);
      // Keys are gone once the traffic has ended.
      expect(side.live.size).toBe(0);
    }
    expect(a.dataOpened / b.dataSent).toBeGreaterThan(0.9);
    expect(b.dataOpened / a.dataSent).toBeGreaterThan(0.9);
    // One handshake each two minutes: 30, and a few more where both began at once or a message was lost.
    expect(a.sessionsInitiated + b.sessionsInitiated).toBeGreaterThanOrEqual(29);
    expect(a.sessionsInitiated + b.sessionsInitiated).toBeLessThanOrEqual(36);
    expect(a.initiationsSent + b.initiationsSent).toBeLessThanOrEqual(46);
  });

  test("data one way is answered by keepalives, and the session stays", () => {
    const { a, b } = simulateTunnel({
      seed: 4,
      durationMs: HOUR_MS,
      lossAt: () => 0.05,
      delayMs: [10, 150],
      dataEveryMs: [300, undefined],
    });
    expectSound(a, b);
    expect(a.unsent.filter((at) => at > 12_000)).toEqual([]);
    expect(b.dataOpened / a.dataSent).toBeGreaterThan(0.9);
    expect(b.dataSent).toBe(0);
    // Every 10 s, that is 360, less the ones that a new session brought.
    expect(b.keepalivesSent).toBeGreaterThan(250);
    expect(b.keepalivesSent).toBeLessThan(400);
    // A lost keepalive may look like a peer that went away: some handshakes more than 30.
    expect(a.initiationsSent + b.initiationsSent).toBeLessThan(75);
  });

  test("a word each five minutes costs one handshake each, and no key outlives its session", () => {
    const { a, b } = simulateTunnel({
      seed: 5,
      durationMs: HOUR_MS + 200_000,
      dataUntilMs: HOUR_MS,
      lossAt: () => 0.05,
      delayMs: [10, 150],
      dataEveryMs: [300_000, undefined],
    });
    expectSound(a, b);
    expect(a.initiationsSent + b.initiationsSent).toBeLessThan(40);
    expect(a.live.size + b.live.size).toBe(0);
  });

  test("nothing to say: not one message", () => {
    const { a, b } = simulateTunnel({
      seed: 6,
      durationMs: HOUR_MS,
      lossAt: () => 0,
      delayMs: [10, 20],
      dataEveryMs: [undefined, undefined],
    });
    expect([a.initiationsSent, b.initiationsSent, a.keepalivesSent, b.keepalivesSent]).toEqual([0, 0, 0, 0]);
  });
});

describe("a network that fails", () => {
  test("for five minutes is given up on, and data flows again within 7 s of its return", () => {
    const { a, b } = simulateTunnel({
      seed: 7,
      durationMs: 1_200_000,
      lossAt: (now) => (now > 300_000 && now < 600_000 ? 1 : 0),
      delayMs: [10, 50],
      dataEveryMs: [300, 300],
    });
    expectSound(a, b);
    expect(a.failures.length + b.failures.length).toBeGreaterThanOrEqual(2);
    for (const side of [a, b]) expect(side.unsent.filter((at) => at > 607_000)).toEqual([]);
    // While it is gone: two sides, one initiation each 5 s.
    expect(a.initiationsSent + b.initiationsSent).toBeLessThan(2 * 60 + 20);
  });

  test("whatever it does, sessions stay bounded, deadlines move on, and a good minute is enough to recover", () => {
    const network = fc.record({
      seed: fc.nat(1_000_000),
      loss: fc.double({ min: 0, max: 0.6, noNaN: true }),
      fromMs: fc.nat(50),
      spreadMs: fc.nat(4_000),
      everyMs: fc.tuple(
        fc.option(fc.integer({ min: 100, max: 20_000 }), { nil: undefined }),
        fc.integer({ min: 100, max: 20_000 }),
      ),
    });
    fc.assert(
      fc.property(network, ({ seed, loss, fromMs, spreadMs, everyMs }) => {
        const { a, b } = simulateTunnel({
          seed,
          durationMs: 600_000,
          lossAt: (now) => (now < 500_000 ? loss : 0),
          delayMs: [fromMs, fromMs + spreadMs],
          dataEveryMs: everyMs,
        });
        expectSound(a, b);
        for (const side of [a, b]) expect(side.unsent.filter((at) => at > 560_000)).toEqual([]);
        expect(a.initiationsSent + b.initiationsSent).toBeLessThan(2 * 120 + 10);
      }),
      fuzzRuns(25),
    );
  });
});
