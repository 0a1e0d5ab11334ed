import { describe, expect, test } from "vitest";
import { median, parsePing, pingArguments, quantile } from "./ping.ts";

const OUTPUT = `PING 10.0.0.2 (10.0.0.2) 56(84) bytes of data.
64 bytes from 10.0.0.2: icmp_seq=1 ttl=64 time=0.045 ms
64 bytes from 10.0.0.2: icmp_seq=1 ttl=64 time=0.051 ms (DUP!)
64 bytes from 10.0.0.2: icmp_seq=3 ttl=64 time=12.3 ms

--- 10.0.0.2 ping statistics ---
3 packets transmitted, 2 received, +1 duplicates, 33.3333% packet loss, time 2045ms
rtt min/avg/max/mdev = 0.045/4.132/12.300/5.775 ms
`;

describe("ping", () => {
  test("round trips, duplicates and losses are read from its output", () => {
    expect(parsePing(OUTPUT)).toEqual({ sent: 3, received: 2, rttsMs: [0.045, 0.051, 12.3], duplicates: 1 });
  });

  test("output without a summary counts as nothing sent", () => {
    expect(parsePing("ping: connect: Network is unreachable\n")).toEqual({
      sent: 0,
      received: 0,
      rttsMs: [],
      duplicates: 0,
    });
  });

  test("milliseconds become the seconds that ping takes", () => {
    expect(pingArguments("::1", { count: 5, intervalMs: 2, timeoutMs: 300, sizeBytes: 9, dontFragment: true })).toEqual(
      ["ping", "-n", "-c", "5", "-i", "0.002", "-W", "0.3", "-s", "9", "-M", "do", "::1"],
    );
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
