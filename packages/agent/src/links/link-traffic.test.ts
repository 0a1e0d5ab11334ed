import type { Instant } from "@asterism/core/time";
import type { PathCounters } from "@asterism/engine";
import { expect, test } from "vitest";
import { LinkTraffic } from "./link-traffic.ts";

const NAMES: Readonly<Record<number, string>> = { 1: "eth0", 2: "eth1", 3: "eth0" };

function counters(linkId: number, packets: number, lostPackets?: number): PathCounters {
  const estimate = { rateBytesPerSecond: 1, rttMs: 1, queueingMs: 0, resentPackets: 1, dead: false };
  return {
    linkId,
    remote: { address: "192.0.2.1", port: 1 },
    channel: null,
    txPackets: packets,
    txBytes: 100 * packets,
    rxPackets: 2 * packets,
    rxBytes: 200 * packets,
    lastReceivedAt: 0 as Instant,
    ...(lostPackets === undefined ? {} : { spread: { ...estimate, lostPackets } }),
  };
}

test("adds up by the name of the link, also what paths carried that have left their tables", () => {
  const traffic = new LinkTraffic((linkId) => NAMES[linkId]);
  traffic.handleTableChange([counters(1, 10, 3), counters(2, 5)], [counters(2, 5)]);
  // Another socket of the same link, and one that is no link's.
  const totals = traffic.totals([counters(2, 7), counters(3, 1, 2), counters(9, 100)]);
  expect(Object.fromEntries(totals)).toEqual({
    eth0: { txBytes: 1_100, rxBytes: 2_200, txPackets: 11, rxPackets: 22, lostPackets: 5, resentPackets: 2 },
    eth1: { txBytes: 700, rxBytes: 1_400, txPackets: 7, rxPackets: 14, lostPackets: 0, resentPackets: 0 },
  });
});
