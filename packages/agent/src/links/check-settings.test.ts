import type { LinkSettings } from "@asterism/core/local-api";
import { describe, expect, it } from "vitest";
import { changeLinkSettings } from "./check-settings.ts";

const OWN = new Set(["ast0"]);
const TWO: LinkSettings = { use: ["eth0", "192.0.2.7"] };

describe("a change of a network's links", () => {
  it("has addresses in their usual form, each once", () => {
    const change = { use: ["2001:DB8:0::1", "2001:db8::1", "eth0"], costs: { "2001:DB8:0::1": 3 } };
    expect(changeLinkSettings({}, change, OWN)).toMatchObject({
      use: ["2001:db8::1", "eth0"],
      costs: { "2001:db8::1": 3 },
    });
  });

  it.each([
    ["the network's own interface", "ast0", /ast0 is the interface of a network/],
    ["the loopback interface", "lo", /by which nothing leaves this machine.*ip -brief address/],
    ["a loopback address", "127.0.0.1", /127\.0\.0\.1 is a loopback address.*ip -brief address/],
    ["one of IPv6", "0:0::1", /::1 is a loopback address/],
    ["all addresses", "0.0.0.0", /--links any/],
    ["all addresses of IPv6", "::", /--links any/],
    ["a group", "ff02::1", /multicast/],
    ["an address of one wire", "fe80::1", /Name its interface/],
    ["an address with an interface", "fe80::1%eth0", /neither an interface nor an IP address/],
    ["what is no address, but looks like one", "300.1.1.1", /neither an interface nor an IP address/],
    ["what is too long", "a-very-long-interface-name", /neither an interface nor an IP address/],
    ["a word that stands alone", "auto", /stand alone/],
  ])("refuses %s", (_what, name, message) => {
    expect(() => changeLinkSettings({}, { use: ["eth0", name] }, OWN)).toThrow(message);
  });

  it("refuses a limit below what the engine knows, and takes one taken back", () => {
    const limited = (cap: number): LinkSettings => changeLinkSettings(TWO, { capsBitsPerSecond: { eth0: cap } }, OWN);
    expect(() => limited(63_999)).toThrow("64kbit");
    expect(limited(64_000).capsBitsPerSecond).toEqual({ eth0: 64_000 });
    expect(limited(0).capsBitsPerSecond).toEqual({});
  });

  it.each<[string, LinkSettings, LinkSettings, RegExp]>([
    [
      "no link of that name",
      TWO,
      { costs: { eth7: 5 } },
      /eth7 is none of the links of this network \(eth0, 192\.0\.2\.7\)/,
    ],
    [
      "a link that goes",
      TWO,
      { use: ["eth1"], capsBitsPerSecond: { eth0: 5e6 } },
      /eth0 is none of the links.*\(eth1\)/,
    ],
    ["one link only", {}, { costs: { eth0: 5 } }, /one link that is bound to nothing.*--links auto/],
    [
      "interfaces only",
      { use: "auto" },
      { costs: { "192.0.2.7": 5 } },
      /none of the links of this network \(interfaces\)/,
    ],
  ])("refuses what would have no effect: %s", (_what, before, change, message) => {
    expect(() => changeLinkSettings(before, change, OWN)).toThrow(message);
  });

  it("takes what has an effect, may have one later, or takes something back", () => {
    const costs = { "192.0.2.7": 5 };
    const before = changeLinkSettings(TWO, { costs }, OWN);
    expect(before.costs).toEqual(costs);
    expect(changeLinkSettings({ use: "auto" }, { costs: { wwan0: 5 } }, OWN).costs).toEqual({ wwan0: 5 });
    // What was set stays for when the link is back.
    const without = changeLinkSettings(before, { use: ["eth0"] }, OWN);
    expect(without.costs).toEqual(costs);
    expect(changeLinkSettings(without, { costs: { "192.0.2.7": 0 } }, OWN).costs).toEqual({});
  });
});
