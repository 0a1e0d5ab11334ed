import type { Instant } from "@asterism/core/time";
import type { PathCounters } from "@asterism/engine";
import { expect, test } from "vitest";
import { PathShares } from "./path-shares.ts";

function counters(linkId: number, txBytes: number): PathCounters {
  const remote = { address: "192.0.2.1", port: 1 };
  return {
    linkId,
    remote,
    channel: null,
    txPackets: 1,
    txBytes,
    rxPackets: 0,
    rxBytes: 0,
    lastReceivedAt: 0 as Instant,
  };
}

function shares(paths: PathShares): number[] {
  return [...(paths.shares("b") ?? new Map<string, number>()).values()];
}

test("shares follow what was sent lately, and stay while nothing is sent", () => {
  const paths = new PathShares();
  expect(paths.shares("b")).toBeUndefined();
  paths.update("b", [counters(1, 300), counters(2, 100)]);
  expect(shares(paths)).toEqual([0.75, 0.25]);
  for (let second = 1; second <= 20; second++) paths.update("b", [counters(1, 300), counters(2, 100 + 100 * second)]);
  expect(shares(paths)[0]).toBeLessThan(0.01);
  const before = shares(paths);
  for (let second = 1; second <= 20; second++) paths.update("b", [counters(1, 300), counters(2, 2_100)]);
  expect(shares(paths)).toEqual(before);
});

test("a path that is counted anew does not count twice", () => {
  const paths = new PathShares();
  paths.update("b", [counters(1, 1_000), counters(2, 1_000)]);
  paths.update("b", [counters(1, 1_700)]);
  paths.update("b", [counters(1, 1_700), counters(2, 500)]);
  const [first = 0, second = 0] = shares(paths);
  expect(first + second).toBeCloseTo(1);
  expect(second).toBeLessThan(0.5);
  paths.forget("b");
  expect(paths.shares("b")).toBeUndefined();
});
