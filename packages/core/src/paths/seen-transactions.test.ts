import { describe, expect, it } from "vitest";
import { SeenTransactions } from "./seen-transactions.ts";

function idOf(number: number): Uint8Array {
  const id = new Uint8Array(12);
  new DataView(id.buffer).setUint32(8, number);
  return id;
}

describe("transactions that were seen", () => {
  it("are the last 512", () => {
    const seen = new SeenTransactions();
    expect(seen.has(idOf(0))).toBe(false);
    for (let number = 0; number < 2_000; number++) {
      expect(seen.has(idOf(number))).toBe(false);
      seen.add(idOf(number));
      expect(seen.has(idOf(Math.max(0, number - 511)))).toBe(true);
      if (number >= 512) expect(seen.has(idOf(number - 512))).toBe(false);
    }
  });
});
