import type { Instant } from "@asterism/core/time";
import { expect, test } from "vitest";
import { alarmDelay } from "./alarm-delay.ts";

function delay(at: number, dealtWith: number | undefined, now: number): number {
  return alarmDelay(at as Instant, dealtWith as Instant | undefined, now as Instant).delayMs;
}

test("an alarm comes when its deadline is due, not before, and at once if it is past", () => {
  expect([delay(1_000.5, undefined, 990), delay(1_000, 990, 1_000), delay(900, undefined, 1_000)]).toEqual([11, 0, 0]);
  expect(delay(1e12, undefined, 0)).toBe(2 ** 31 - 1);
});

test("a timer that was early is set again for the rest", () => {
  expect(delay(1_000.5, 1_000.5, 1_000)).toBe(1);
});

test("a deadline that nobody takes away does not keep the agent busy", () => {
  expect(alarmDelay(1_000 as Instant, 1_000 as Instant, 1_001 as Instant)).toEqual({ delayMs: 100, isStuck: true });
  expect(delay(1_000.1, 1_000, 1_001)).toBe(0);
});
