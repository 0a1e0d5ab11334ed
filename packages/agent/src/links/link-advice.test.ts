import { describe, expect, it } from "vitest";
import { linkAdvice } from "./link-advice.ts";
import { type LinkScene, wantedLinks } from "./wanted-links.ts";

const SCENE: LinkScene = {
  addresses: [
    { interfaceName: "eth0", address: "192.168.1.7", family: "IPv4" },
    { interfaceName: "eth1", address: "192.168.2.7", family: "IPv4" },
    { interfaceName: "eth2", address: "10.0.0.7", family: "IPv4" },
    { interfaceName: "eth3", address: "2001:db8:3::7", family: "IPv6" },
  ],
  defaultInterfaces: ["eth0", "eth3"],
  serverInterfaces: new Set(["eth2"]),
};

/** Advice on the last of these links. */
function advice(use: readonly string[] | "any", isSilent = false): string | null {
  const all = wantedLinks({ use: use === "any" ? use : [...use] }, SCENE);
  return linkAdvice({ wanted: all.at(-1)!, all, scene: SCENE, isSilent });
}

describe("advice on a link that is up", () => {
  it.each([
    ["any", "any" as const, true],
    ["a default route", ["eth0"], false],
    ["one of IPv6", ["eth3"], false],
    ["a route to servers", ["eth0", "eth2"], false],
    ["an address that leads out", ["eth0", "192.168.2.7"], false],
    ["no address", ["eth9"], true],
  ])("is not given where there is nothing wrong, or why is known: %s", (_what, use, isSilent) => {
    expect(advice(use, isSilent)).toBeNull();
  });

  it.each([
    ["no route", ["eth0", "eth1"], true, /no default route leads over eth1, .*metric/],
    ["the same line twice", ["eth0", "192.168.1.7"], false, /^eth0, whose address this is, is a link as well/],
    ["an address without rules", ["eth0", "192.168.2.7"], true, /from 192\.168\.2\.7 by another line.*ip rule/],
    ["silence", ["eth0"], true, /UDP is blocked there.*rp_filter/],
  ])("says what to do: %s", (_what, use, isSilent, text) => {
    expect(advice(use, isSilent)).toMatch(text);
  });
});
