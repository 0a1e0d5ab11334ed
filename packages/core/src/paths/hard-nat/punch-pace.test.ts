import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { addMs, type Instant } from "../../time.ts";
import { HEADER_BYTES, MAX_ATTEMPT_BYTES, MAX_PACKETS_PER_SECOND } from "./punch-limits.ts";
import { PunchPace } from "./punch-pace.ts";

const START = 5_000 as Instant;
const CHECK_BYTES = 92;

/** Sends whatever is allowed, looking at these times (distances in ms); when each packet left. */
function send(pace: PunchPace, distancesMs: Iterable<number>): number[] {
  const sentAt: number[] = [];
  let now = START;
  for (const distanceMs of distancesMs) {
    now = addMs(now, distanceMs);
    for (let due = pace.due(now); due > 0; due--) if (pace.take(CHECK_BYTES)) sentAt.push(now);
  }
  return sentAt;
}

describe("the pace of an attempt", () => {
  it("keeps to the limits in every second, however late its timer is", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 90 }), { minLength: 50, maxLength: 400 }), (distances) => {
        const sentAt = send(new PunchPace(START), distances);
        for (const [index, at] of sentAt.entries()) {
          const inThisSecond = sentAt.slice(index).filter((later) => later - at < 1_000).length;
          expect(inThisSecond).toBeLessThanOrEqual(MAX_PACKETS_PER_SECOND);
        }
      }),
    );
  });

  it("makes up for a timer that is a little late: 180 packets a second and more", () => {
    const sentAt = send(new PunchPace(START), Array(40).fill(25));
    expect(sentAt.filter((at) => at - START <= 1_000).length).toBeGreaterThan(180);
  });

  it("ends with the bytes of an attempt, headers and all", () => {
    const pace = new PunchPace(START);
    send(pace, Array(1_000).fill(21));
    expect(pace.packets).toBe(Math.floor(MAX_ATTEMPT_BYTES / (CHECK_BYTES + HEADER_BYTES)));
    expect(pace.bytes).toBe(pace.packets * (CHECK_BYTES + HEADER_BYTES));
    expect(pace.bytes).toBeLessThanOrEqual(MAX_ATTEMPT_BYTES);
  });

  it("says when the next packets may leave, and not later", () => {
    const pace = new PunchPace(START);
    send(pace, [0]);
    expect(pace.due(addMs(pace.readyAt(), -1))).toBe(0);
    expect(pace.due(pace.readyAt())).toBeGreaterThan(0);
  });
});
