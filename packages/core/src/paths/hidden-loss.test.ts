import { describe, expect, it } from "vitest";
import { HiddenLoss } from "./hidden-loss.ts";

/** Checks that are lost where the pattern has an `x`. */
function feed(loss: HiddenLoss, pattern: string, times = 1): HiddenLoss {
  for (const letter of pattern.repeat(times)) loss.add(letter !== "x");
  return loss;
}

function leftOut(): HiddenLoss {
  const loss = feed(feed(new HiddenLoss(), "xxx.", 7), "xx");
  expect(loss.isTooMuch).toBe(true);
  return loss;
}

describe("a path that takes part", () => {
  it.each(["....x", "..........x.x"])("stays, however long, with losses that can be hidden: %s", (pattern) => {
    expect(feed(new HiddenLoss(), pattern, 1_000).isTooMuch).toBe(false);
  });

  it("is left out when it loses more in the long run", () => {
    const loss = feed(new HiddenLoss(), "..x", 50);
    expect([loss.isTooMuch, loss.isInQuestion]).toEqual([false, true]);
    expect(feed(loss, "..x", 50).isTooMuch).toBe(true);
    expect(loss.isInQuestion).toBe(false);
  });

  it("is left out after some thirty checks that are mostly lost", () => {
    expect(feed(new HiddenLoss(), "xxx.", 9).isTooMuch).toBe(true);
  });

  it("does not mind an outage, but several that follow each other", () => {
    expect(feed(new HiddenLoss(), `${"x".repeat(100)}${".".repeat(20)}`, 10).isTooMuch).toBe(false);
    expect(feed(new HiddenLoss(), `${"x".repeat(100)}..`, 5).isTooMuch).toBe(true);
  });
});

describe("a path that is left out", () => {
  it("stays out with losses with which another one stays in", () => {
    expect(feed(leftOut(), "....x", 1_000).isTooMuch).toBe(true);
  });

  it("takes part again after a row of answers, or more with a loss among them", () => {
    const loss = feed(leftOut(), ".", 39);
    expect(loss.isTooMuch).toBe(true);
    expect(feed(loss, ".").isTooMuch).toBe(false);
    expect(feed(leftOut(), ".........x", 8).isTooMuch).toBe(true);
    expect(feed(leftOut(), ".........x", 13).isTooMuch).toBe(false);
  });

  it("is like new when the way has changed", () => {
    const loss = leftOut();
    loss.forget();
    expect([loss.isTooMuch, loss.isInQuestion]).toEqual([false, false]);
  });
});
