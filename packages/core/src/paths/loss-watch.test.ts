import { describe, expect, it } from "vitest";
import type { Instant } from "../time.ts";
import { LossWatch } from "./loss-watch.ts";

/** Checks as a path makes them: every `gapMs`, lost where the pattern has an `x`. */
class Line {
  readonly watch = new LossWatch();
  nowMs = 1_000;

  feed(pattern: string, gapMs: number, times = 1): void {
    for (const letter of pattern.repeat(times)) {
      this.nowMs += gapMs;
      this.watch.add(letter !== "x", this.nowMs as Instant);
    }
  }
}

function lossyLine(): Line {
  const line = new Line();
  line.feed("x.x", 400);
  line.feed("..x", 400, 7);
  expect(line.watch.isLossy).toBe(true);
  return line;
}

describe("loss", () => {
  it("of one check makes nothing of it; a second one soon asks for more checks", () => {
    const line = new Line();
    line.feed(".....x....", 3_000);
    expect([line.watch.isOnTrial, line.watch.isLossy]).toEqual([false, false]);
    line.feed("x", 3_000);
    expect([line.watch.isOnTrial, line.watch.isLossy]).toEqual([true, false]);
  });

  it("that is an outage is none", () => {
    const line = new Line();
    line.feed(".".repeat(10), 3_000);
    line.feed("x", 400, 15);
    line.feed(".", 3_000, 20);
    expect([line.watch.isOnTrial, line.watch.isLossy]).toEqual([false, false]);
  });

  it("long ago counts no more", () => {
    const line = new Line();
    line.feed("x", 3_000);
    line.feed(".", 3_000, 20);
    line.feed("x", 3_000);
    expect(line.watch.isOnTrial).toBe(false);
  });

  it("of a fifth of the checks of a trial makes the path lossy, and not before", () => {
    const line = new Line();
    line.feed("x.x", 400);
    expect(line.watch.isOnTrial).toBe(true);
    line.feed("...x", 400, 6);
    expect([line.watch.isOnTrial, line.watch.isLossy]).toEqual([true, false]);
    line.feed("...x", 400);
    expect([line.watch.isOnTrial, line.watch.isLossy, line.watch.isProven(true)]).toEqual([false, true, false]);
  });

  it("of a tenth is looked into, and left alone for a while", () => {
    const line = new Line();
    line.feed("x.x", 400);
    line.feed(".........x", 400, 4);
    expect([line.watch.isOnTrial, line.watch.isLossy]).toEqual([false, false]);
    line.feed("..x", 3_000, 2);
    expect(line.watch.isOnTrial).toBe(false);
    line.feed("..x", 3_000, 3);
    expect(line.watch.isOnTrial).toBe(true);
  });

  it("ends when the path has been good for 30 s", () => {
    const line = lossyLine();
    line.feed(".", 1_000, 29);
    expect(line.watch.isLossy).toBe(true);
    line.feed(".", 1_000, 2);
    expect([line.watch.isLossy, line.watch.isProven(false)]).toEqual([false, true]);
  });

  it("does not end while one check in twelve is lost, nor with few checks", () => {
    const line = lossyLine();
    line.feed("...........x", 1_000, 20);
    expect(line.watch.isLossy).toBe(true);
    line.feed(".", 10_000, 15);
    expect(line.watch.isLossy).toBe(true);
  });

  it("that comes back soon has to stay away twice as long, up to ten minutes", () => {
    const line = lossyLine();
    const durations = Array.from({ length: 7 }, () => {
      const startMs = line.nowMs;
      while (line.watch.isLossy) line.feed(".", 1_000);
      const tookMs = line.nowMs - startMs;
      line.feed("x.", 400, 12);
      return Math.round(tookMs / 10_000) * 10;
    });
    expect(durations).toEqual([30, 60, 120, 240, 480, 600, 600]);
  });

  it("is forgotten with the way", () => {
    const line = lossyLine();
    line.watch.forget();
    expect([line.watch.isLossy, line.watch.isOnTrial, line.watch.ratio]).toEqual([false, false, 0]);
  });

  it("a stream is proven by five good checks, a path over UDP by twenty", () => {
    const line = new Line();
    line.feed("....", 400);
    expect(line.watch.isProven(true)).toBe(false);
    line.feed(".", 400);
    expect([line.watch.isProven(true), line.watch.isProven(false)]).toEqual([true, false]);
    line.feed(".", 400, 15);
    expect(line.watch.isProven(false)).toBe(true);
  });
});
