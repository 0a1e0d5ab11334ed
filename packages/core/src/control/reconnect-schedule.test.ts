import { describe, expect, test } from "vitest";
import { seededRandom } from "../../test/seeded-random.ts";
import { ReconnectSchedule } from "./reconnect-schedule.ts";

const AGENTS = 1_000;
const random = seededRandom(1);

/** When each of the agents gets through to a server that dies at 0 and is back after `deadMs`; in virtual time. */
function returnsMs(deadMs: number): number[] {
  return Array.from({ length: AGENTS }, () => {
    const schedule = new ReconnectSchedule(random);
    schedule.handleConnected(-3_600_000);
    let atMs = schedule.nextDelayMs(0);
    while (atMs < deadMs) atMs += schedule.nextDelayMs(atMs);
    return atMs - deadMs;
  }).sort((a, b) => a - b);
}

function busiestSecond(sortedMs: readonly number[]): number {
  let most = 0;
  let first = 0;
  for (const [last, atMs] of sortedMs.entries()) {
    while (atMs - (sortedMs[first] ?? 0) >= 1_000) first += 1;
    most = Math.max(most, last - first + 1);
  }
  return most;
}

describe("a thousand agents that lose their server at the same moment", () => {
  test.each([
    ["2 s", 2_000, 700, 8_000],
    ["10 s", 10_000, 350, 8_000],
    ["a minute", 60_000, 350, 8_000],
    ["ten minutes", 600_000, 350, 8_000],
  ])("are back spread out when it was dead for %s", (what, deadMs, atMost, withinMs) => {
    const back = returnsMs(deadMs);
    const busiest = busiestSecond(back);
    const [median, last] = [back[AGENTS / 2] ?? 0, back.at(-1) ?? 0];
    process.stdout.write(
      `  figure: ${AGENTS} agents, server dead for ${what}: ${busiest} in the busiest second, half after ` +
        `${(median / 1000).toFixed(1)} s, all after ${(last / 1000).toFixed(1)} s\n`,
    );
    expect(busiest).toBeLessThan(atMost);
    expect(last).toBeLessThan(withinMs);
  });
});

describe("ReconnectSchedule", () => {
  const always = (unit: number) => new ReconnectSchedule(() => Uint8Array.of(unit, unit, unit, unit));

  test("waits longer with each failure, 8 s at most", () => {
    const schedule = always(255);
    const delays = Array.from({ length: 8 }, () => Math.round(schedule.nextDelayMs(0)));
    expect(delays).toEqual([500, 1_000, 2_000, 4_000, 8_000, 8_000, 8_000, 8_000]);
  });

  test("begins anew after a connection that lasted, not after one that did not", () => {
    const schedule = always(255);
    for (let failure = 0; failure < 4; failure++) schedule.nextDelayMs(0);
    schedule.handleConnected(100_000);
    expect(Math.round(schedule.nextDelayMs(101_000))).toBe(8_000);
    schedule.handleConnected(200_000);
    expect(Math.round(schedule.nextDelayMs(210_000))).toBe(500);
  });

  test("does not come back before the server wants it to", () => {
    expect(always(0).nextDelayMs(0, 5_000)).toBe(5_000);
    expect(always(255).nextDelayMs(0, 5_000)).toBeGreaterThan(5_000);
  });
});
