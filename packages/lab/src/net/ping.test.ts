import { describe, expect, test } from "vitest";
import { median, parsePing, pingArguments, quantile } from "./ping.ts";

const OUTPUT = `10.0.0.2 : [0], 64 bytes, 0.045 ms (0.045 avg, 0% loss)
10.0.0.2 : [1], timed out (0.045 avg, 50% loss)
10.0.0.2 : [2], 64 bytes, 12.3 ms (6.17 avg, 33% loss)

10.0.0.2 : xmt/rcv/%loss = 3/2/33%, min/avg/max = 0.045/6.17/12.3
`;

describe("ping", () => {
  test("round trips and losses are read from its output", () => {
    expect(parsePing(OUTPUT)).toEqual({ sent: 3, received: 2, rttsMs: [0.045, 12.3] });
  });

  test("output without a summary counts as nothing sent", () => {
    expect(parsePing("fping: can't create socket\n")).toEqual({ sent: 0, received: 0, rttsMs: [] });
  });

  test("options become those of fping", () => {
    const options = { count: 5, intervalMs: 2, timeoutMs: 300, sizeBytes: 9, dontFragment: true };
    expect(pingArguments("::1", options)).toEqual([
      "fping",
      "-c",
      "5",
      "-p",
      "2",
      "-i",
      "1",
      "-t",
      "300",
      "-b",
      "9",
      "-M",
      "::1",
    ]);
  });

  test("quantile and median", () => {
    const values = Array.from({ length: 100 }, (_, index) => 100 - index);
    expect(quantile(values, 0.5)).toBe(50);
    expect(quantile(values, 0.99)).toBe(99);
    expect(quantile([], 0.5)).toBeNaN();
    expect(median([3, 1, 2])).toBe(2);
    expect(median([4, 1, 2, 3])).toBe(2.5);
  });
});
