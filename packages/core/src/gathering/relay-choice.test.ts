import { describe, expect, it } from "vitest";
import { chooseRelay, type RelayOption } from "./relay-choice.ts";

function relay(id: string, rttMs: number | null, isFailing = false): RelayOption {
  return { id, rttMs, isFailing };
}

describe("the choice of a relay", () => {
  it("is the nearest", () => {
    expect(chooseRelay([relay("a", 40), relay("b", 12), relay("c", null)], undefined, false)).toBe("b");
  });

  it.each([
    ["10 ms and 20 % nearer", 40, 30, "b"],
    ["9 ms nearer only", 30, 21, "a"],
    ["19 % nearer only", 100, 81, "a"],
    ["farther", 10, 50, "a"],
  ])("keeps or leaves the one in use for another that is %s", (_what, current, other, chosen) => {
    expect(chooseRelay([relay("a", current), relay("b", other)], "a", false)).toBe(chosen);
  });

  it("waits a moment for the first answer of several, not of one", () => {
    const several = [relay("a", null), relay("b", null)];
    expect(chooseRelay(several, undefined, true)).toBeUndefined();
    expect(chooseRelay(several, undefined, false)).toBe("a");
    expect(chooseRelay([relay("a", null)], undefined, true)).toBe("a");
  });

  it("avoids those that fail, unless all do", () => {
    expect(chooseRelay([relay("a", 5, true), relay("b", 80)], "a", false)).toBe("b");
    expect(chooseRelay([relay("a", 5, true), relay("b", 80, true)], "b", false)).toBe("a");
    expect(chooseRelay([], undefined, false)).toBeUndefined();
  });
});
