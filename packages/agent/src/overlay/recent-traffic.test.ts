import type { Instant } from "@asterism/core/time";
import type { PathCounters } from "@asterism/engine";
import { expect, test } from "vitest";
import { RecentTraffic } from "./recent-traffic.ts";

function counters(linkId: number, txBytes: number, lostPackets = 0): PathCounters {
  const remote = { address: "192.0.2.1", port: 1 };
  const estimate = { rateBytesPerSecond: 1, rttMs: 1, queueingMs: 0, resentPackets: 0, dead: false };
  return {
    linkId,
    remote,
    channel: null,
    txPackets: txBytes,
    txBytes,
    rxPackets: 0,
    rxBytes: 0,
    lastReceivedAt: 0 as Instant,
    spread: { ...estimate, lostPackets },
  };
}

function recent(traffic: RecentTraffic, what: "share" | "lossRatio"): number[] {
  return [...(traffic.of("b")?.values() ?? [])].map((use) => use[what]);
}

test("shares follow what was sent lately, and stay while nothing is sent", () => {
  const traffic = new RecentTraffic();
  expect(traffic.of("b")).toBeUndefined();
  traffic.update("b", [counters(1, 0), counters(2, 0)]);
  expect(traffic.of("b")).toBeUndefined();
  traffic.update("b", [counters(1, 300), counters(2, 100)]);
  expect(recent(traffic, "share")).toEqual([0.75, 0.25]);
  for (let second = 1; second <= 20; second++) traffic.update("b", [counters(1, 300), counters(2, 100 + 100 * second)]);
  expect(recent(traffic, "share")[0]).toBeLessThan(0.01);
  const before = recent(traffic, "share");
  for (let second = 1; second <= 20; second++) traffic.update("b", [counters(1, 300), counters(2, 2_100)]);
  expect(recent(traffic, "share")).toEqual(before);
});

test("what was sent before anybody looked does not count", () => {
  const traffic = new RecentTraffic();
  traffic.update("b", [counters(1, 10_000_000, 900), counters(2, 0)]);
  expect(traffic.of("b")).toBeUndefined();
  traffic.update("b", [counters(1, 10_000_100, 901), counters(2, 300)]);
  expect(recent(traffic, "share")).toEqual([0.25, 0.75]);
  expect(recent(traffic, "lossRatio")).toEqual([0.01, 0]);
});

test("losses that are counted anew are none less", () => {
  const traffic = new RecentTraffic();
  traffic.update("b", [counters(1, 0)]);
  traffic.update("b", [counters(1, 1_000, 100)]);
  traffic.update("b", [counters(1, 2_000, 0)]);
  expect(recent(traffic, "lossRatio")[0]).toBeCloseTo(90 / 1_900);
});

test("a path that is counted anew does not count twice", () => {
  const traffic = new RecentTraffic();
  traffic.update("b", [counters(1, 0), counters(2, 0)]);
  traffic.update("b", [counters(1, 1_000), counters(2, 1_000)]);
  traffic.update("b", [counters(1, 1_700)]);
  traffic.update("b", [counters(1, 1_700), counters(2, 500)]);
  const [first = 0, second = 0] = recent(traffic, "share");
  expect(first + second).toBeCloseTo(1);
  expect(second).toBeLessThan(0.5);
  traffic.forget("b");
  expect(traffic.of("b")).toBeUndefined();
});

test("losses count by what was sent on the path, and are forgotten when it loses no more", () => {
  const traffic = new RecentTraffic();
  for (let second = 1; second <= 5; second++) {
    traffic.update("b", [counters(1, 1_000 * second, 20 * second), counters(2, 500 * second)]);
  }
  const [lossy = 0, sound] = recent(traffic, "lossRatio");
  expect(lossy).toBeCloseTo(0.02);
  expect(sound).toBe(0);
  for (let second = 6; second <= 60; second++) {
    traffic.update("b", [counters(1, 1_000 * second, 100), counters(2, 500 * second)]);
  }
  expect(recent(traffic, "lossRatio")[0]).toBeLessThan(0.001);
  // A path that starts anew loses again from 0.
  traffic.update("b", [counters(1, 100, 50), counters(2, 30_000)]);
  expect(recent(traffic, "lossRatio")[0]).toBeGreaterThan(0);
});
