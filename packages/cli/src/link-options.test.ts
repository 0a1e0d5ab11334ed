import { expect, test } from "vitest";
import { parseCap, parseCost, parseLinks } from "./link-options.ts";

test("links are words that stand alone, or names", () => {
  expect(parseLinks("auto")).toBe("auto");
  expect(parseLinks("any")).toBe("any");
  expect(parseLinks("eth0, 2001:db8::1,eth0")).toEqual(["eth0", "2001:db8::1"]);
  for (const text of ["", "eth0,,eth1", "eth 0", "1,2,3,4,5,6,7,8,9"]) expect(() => parseLinks(text)).toThrow();
});

test("costs and limits name their link", () => {
  expect(parseCost("wwan0=10")).toEqual({ wwan0: 10 });
  expect(parseCost("2001:db8::1=0")).toEqual({ "2001:db8::1": 0 });
  for (const text of ["wwan0", "=5", "wwan0=-1", "wwan0=1001", "wwan0=x", "wwan0="])
    expect(() => parseCost(text)).toThrow();
  expect(parseCap("wwan0=10mbit")).toEqual({ wwan0: 10_000_000 });
  expect(parseCap("wwan0=2.5Gbit/s")).toEqual({ wwan0: 2_500_000_000 });
  expect(parseCap("wwan0=500kbit")).toEqual({ wwan0: 500_000 });
  expect(parseCap("wwan0=none")).toEqual({ wwan0: 0 });
  for (const text of ["wwan0=10", "wwan0=10mbyte", "wwan0=0mbit", "10mbit"]) expect(() => parseCap(text)).toThrow();
});
