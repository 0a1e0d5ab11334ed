import { expect, it } from "vitest";
import type { NatFacts } from "../nat/index.ts";
import { addMs, type Instant } from "../time.ts";
import { type PairObservation, PairTimings } from "./pair-timings.ts";

const START = 1_000_000 as Instant;
const NEVER = 0 as Instant;

function nat(type: string, more: Partial<NatFacts> = {}): NatFacts {
  return { family: 4, type, mapping: "unknown", filtering: "unknown", udp: true, ...more };
}

function seen(more: Partial<PairObservation> = {}): PairObservation {
  return { path: "none", lastReceivedAt: NEVER, nats: [nat("symmetric")], peerNats: [nat("full cone")], ...more };
}

it("a pair is reported once, a moment after it is direct and answers", () => {
  const timings = new PairTimings();
  timings.handleWanted("b", START);
  timings.handleWanted("b", addMs(START, 50));
  expect(timings.observe("b", seen({ path: "relayed" }), addMs(START, 60))).toBeUndefined();
  const answered = seen({ path: "relayed", lastReceivedAt: addMs(START, 80) });
  expect(timings.observe("b", answered, addMs(START, 85))).toBeUndefined();
  const direct = seen({ path: "direct", lastReceivedAt: addMs(START, 400) });
  expect(timings.observe("b", direct, addMs(START, 450))).toBeUndefined();
  expect(timings.observe("b", direct, addMs(START, 3_449))).toBeUndefined();
  expect(timings.observe("b", direct, addMs(START, 3_450))).toEqual({
    peer: "b",
    kind: "direct",
    firstPingMs: 80,
    directMs: 450,
    natA: "symmetric",
    natB: "full cone",
  });
  expect(timings.pending).toEqual([]);
  timings.handleWanted("b", addMs(START, 60_000));
  expect(timings.pending).toEqual([]);
  timings.forget("b");
  timings.handleWanted("b", addMs(START, 60_000));
  expect(timings.pending).toEqual(["b"]);
});

it("a pair that stays relayed, or never answers, is reported after 30 s; one without a path is not", () => {
  const timings = new PairTimings();
  for (const nodeId of ["relayed", "silent", "gone"]) timings.handleWanted(nodeId, START);
  const end = addMs(START, 30_000);
  const relayed = seen({ path: "relayed", lastReceivedAt: addMs(START, 90), peerNats: null });
  timings.observe("relayed", relayed, addMs(START, 100));
  expect(timings.observe("relayed", relayed, addMs(end, -1))).toBeUndefined();
  expect(timings.observe("relayed", relayed, end)).toMatchObject({
    kind: "relayed",
    firstPingMs: 90,
    directMs: null,
    natB: "unknown",
  });
  expect(timings.observe("silent", seen({ path: "direct" }), end)).toMatchObject({ firstPingMs: null });
  expect(timings.observe("gone", seen(), end)).toBeUndefined();
  expect(timings.pending).toEqual([]);
});

it("what was received before this node wanted anything is no answer", () => {
  const timings = new PairTimings();
  timings.handleWanted("b", START);
  const direct = seen({ path: "direct", lastReceivedAt: addMs(START, -1) });
  timings.observe("b", direct, addMs(START, 10));
  expect(timings.observe("b", direct, addMs(START, 30_000))).toMatchObject({ firstPingMs: null, directMs: 10 });
});

it("looks often for the first answer only, and not at all without pairs", () => {
  const timings = new PairTimings();
  expect(timings.pollTimeout(START)).toBeUndefined();
  timings.handleWanted("b", START);
  expect(timings.pollTimeout(START)).toBe(addMs(START, 10));
  expect(timings.pollTimeout(addMs(START, 3_000))).toBe(addMs(START, 3_500));
  for (let index = 0; index < 200; index++) timings.handleWanted(`peer-${index}`, START);
  expect(timings.pending).toHaveLength(64);
});

it("names the NAT of IPv4 where UDP passes", () => {
  const timings = new PairTimings();
  timings.handleWanted("b", START);
  const nats = [nat("udp blocked", { udp: false }), nat("none", { family: 6 })];
  const observation = seen({ path: "relayed", nats, peerNats: [nat("none", { family: 6 }), nat("symmetric")] });
  expect(timings.observe("b", observation, addMs(START, 30_000))).toMatchObject({ natA: "none", natB: "symmetric" });
});
