import { expect, it } from "vitest";
import { addMs, type Instant } from "../time.ts";
import { NO_TRAFFIC, type TrafficFacts } from "../wireguard/index.ts";
import { TrafficLooks } from "./traffic-looks.ts";

const START = 1_000_000 as Instant;

/** Looks every 100 ms, and says at which of the looks (ms) the counters were read and told of. */
function looks(
  durationMs: number,
  factsAt: (atMs: number) => Partial<TrafficFacts>,
): { read: number[]; told: number[] } {
  const watch = new TrafficLooks();
  const [read, told]: [number[], number[]] = [[], []];
  for (let atMs = 0; atMs < durationMs; atMs += 100) {
    const facts = (): TrafficFacts => {
      read.push(atMs);
      return { ...NO_TRAFFIC, ...factsAt(atMs) };
    };
    if (watch.look("b", facts, addMs(START, atMs)) !== undefined) told.push(atMs);
  }
  return { read, told };
}

it("counters of a peer that nothing is sent to are read every second", () => {
  const { read, told } = looks(3_000, () => ({ lastDataReceivedAt: START }));
  expect(read).toEqual([0, 1_000, 2_000]);
  expect(told).toEqual(read);
});

it("those of one that data go to are read every time, and told every second while it answers", () => {
  const { read, told } = looks(3_000, (atMs) => ({ lastDataSentAt: addMs(START, atMs) }));
  expect(read).toHaveLength(30);
  expect(told).toEqual([0, 1_000, 2_000]);
});

it("that it answers no more, or again, is told at once", () => {
  const { told } = looks(4_000, (atMs) => ({
    lastDataSentAt: addMs(START, atMs),
    firstUnansweredSentAt: atMs >= 250 && atMs < 3_400 ? addMs(START, 250) : (0 as Instant),
  }));
  expect(told).toEqual([0, 400, 500, 600, 700, 800, 900, 1_000, 1_100, 1_200, 2_000, 3_000, 3_400]);
});
