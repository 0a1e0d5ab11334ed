import { describe, expect, it } from "vitest";
import { LinkPlaces } from "./link-places.ts";

function placesOf(...wanted: readonly (readonly string[])[]): number[] {
  const places = new LinkPlaces();
  for (const names of wanted) places.want(names);
  return (wanted.at(-1) ?? []).map((name) => places.of(name));
}

describe("the places of links", () => {
  it("follow the order of preference", () => {
    expect(placesOf(["eth0", "wlan0", "wwan0"])).toEqual([0, 1, 2]);
    expect(placesOf(["eth0", "wlan0"], ["wlan0", "eth0"])).toEqual([0, 1]);
    expect(placesOf(["eth0", "wlan0"], ["wwan0", "eth0"])).toEqual([0, 1]);
  });

  it("stay when one vanishes, comes back, or another one is added", () => {
    expect(placesOf(["eth0", "wlan0"], ["wlan0"])).toEqual([1]);
    expect(placesOf(["eth0", "wlan0"], ["wlan0"], ["eth0", "wlan0"])).toEqual([0, 1]);
    expect(placesOf(["eth0", "wlan0"], ["wlan0", "wwan0"])).toEqual([1, 2]);
  });

  it("begin anew where links come and go for ever", () => {
    const places = new LinkPlaces();
    for (let count = 0; count < 1_000; count++) places.want([`usb${count}`]);
    places.want(["eth0"]);
    expect(places.of("eth0")).toBeLessThan(16);
  });
});
