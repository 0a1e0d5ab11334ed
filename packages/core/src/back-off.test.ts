import fc from "fast-check";
import { expect, test } from "vitest";
import { backOffDelayMs } from "./back-off.ts";

const backOff = { firstMs: 500, capMs: 30_000 };

test("the delay doubles, stays in the upper half of its step and never passes the cap", () => {
  fc.assert(
    fc.property(fc.nat(1000), fc.uint8Array({ minLength: 4, maxLength: 4 }), (attempt, bytes) => {
      const delayMs = backOffDelayMs(backOff, attempt, () => bytes);
      const ceilingMs = Math.min(30_000, 500 * 2 ** Math.min(attempt, 30));
      expect(delayMs).toBeGreaterThanOrEqual(ceilingMs / 2);
      expect(delayMs).toBeLessThanOrEqual(ceilingMs);
    }),
  );
});
