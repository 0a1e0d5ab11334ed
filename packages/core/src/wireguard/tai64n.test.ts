import fc from "fast-check";
import { expect, test } from "vitest";
import { encodeHex } from "../bytes/index.ts";
import type { WallTime } from "../time.ts";
import { isLater, tai64n, tai64nAfter } from "./tai64n.ts";

const wall = (ms: number) => ms as WallTime;
const anyWall = fc.integer({ min: 0, max: 4_000_000_000_000 }).map(wall);

test("the epoch and a time of day", () => {
  expect(encodeHex(tai64n(wall(0)))).toBe("400000000000000a00000000");
  // 500 ms is 500,000,000 ns = 0x1dcd6500, rounded down to 2^24.
  expect(encodeHex(tai64n(wall(1_500)))).toBe("400000000000000b1d000000");
  expect(encodeHex(tai64n(wall(-5)))).toBe("400000000000000a00000000");
});

test("labels sort by time", () => {
  fc.assert(
    fc.property(anyWall, anyWall, (a, b) => {
      if (a - b >= 17) expect(isLater(tai64n(a), tai64n(b))).toBe(true);
      if (a <= b) expect(isLater(tai64n(a), tai64n(b))).toBe(false);
    }),
  );
});

test("each label is later than the one before, whatever the clock does", () => {
  fc.assert(
    fc.property(fc.array(anyWall, { minLength: 2, maxLength: 20 }), (walls) => {
      let previous: Uint8Array | undefined;
      for (const now of walls) {
        const label = tai64nAfter(previous, now);
        if (previous !== undefined) expect(isLater(label, previous)).toBe(true);
        previous = label;
      }
    }),
  );
});

test("a clock that stands still carries into the next byte", () => {
  let label = tai64nAfter(undefined, wall(1_000));
  for (let count = 0; count < 300; count++) label = tai64nAfter(label, wall(1_000));
  expect(encodeHex(label)).toBe("400000000000000b0000012c");
});
