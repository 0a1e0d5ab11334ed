import { describe, expect, it, test } from "vitest";
import type { HostAddress } from "../platform/host-addresses.ts";
import { addressesOf, type LinkScene, mergeSettings, wantedLinks } from "./wanted-links.ts";

function address(interfaceName: string, text: string): HostAddress {
  return { interfaceName, address: text, family: text.includes(":") ? "IPv6" : "IPv4" };
}

const SCENE: LinkScene = {
  addresses: [
    address("eth0", "192.168.1.7"),
    address("eth0", "2001:db8:1::7"),
    address("wlan0", "10.0.0.7"),
    address("docker0", "172.17.0.1"),
    address("eth5", "198.51.100.7"),
    address("eth6", "10.6.0.7"),
  ],
  defaultInterfaces: ["wlan0", "eth0", "wwan0"],
  serverInterfaces: new Set(["eth0", "eth5", "eth6"]),
};
const NOTHING: LinkScene = { addresses: [], defaultInterfaces: [], serverInterfaces: new Set() };

describe("the links that a network should have", () => {
  const names = (...args: Parameters<typeof wantedLinks>): string[] => wantedLinks(...args).map(({ name }) => name);

  it("is one that is bound to nothing, unless something is said", () => {
    const unbound = [{ name: "any", boundTo: null, traits: { cost: 0 } }];
    expect(wantedLinks({}, SCENE)).toEqual(unbound);
    expect(wantedLinks({ use: "any", costs: { eth0: 3 } }, SCENE)).toEqual(unbound);
  });

  it("auto takes interfaces with a default route and an address, and public ones with a route to servers", () => {
    expect(names({ use: "auto" }, SCENE)).toEqual(["wlan0", "eth0", "eth5"]);
    expect(names({ use: "auto" }, NOTHING)).toEqual(["any"]);
    const many = Array.from({ length: 12 }, (_, index) => `eth${index}`);
    const crowded = { ...NOTHING, addresses: many.map((name, index) => address(name, `10.0.0.${index}`)) };
    expect(names({ use: "auto" }, { ...crowded, defaultInterfaces: many })).toEqual(many.slice(0, 8));
  });

  it("takes what is named whether it is there or not, in this order, the cheap ones first", () => {
    const use = ["eth9", "wlan0", "192.168.1.7", "2001:db8:1::7"];
    expect(names({ use }, NOTHING)).toEqual(use);
    const bound = wantedLinks({ use, costs: { wlan0: 5 }, capsBitsPerSecond: { eth9: 10_000_001 } }, SCENE);
    expect(bound).toEqual([
      { name: "eth9", boundTo: "interface", traits: { cost: 0, capBytesPerSecond: 1_250_001 } },
      { name: "192.168.1.7", boundTo: "address", traits: { cost: 0 } },
      { name: "2001:db8:1::7", boundTo: "address", traits: { cost: 0 } },
      { name: "wlan0", boundTo: "interface", traits: { cost: 5 } },
    ]);
  });

  test("a link offers its own addresses only; without IPv4 also what stands for the IPv4 behind a NAT64", () => {
    const of = (name: string, addresses = SCENE.addresses): string[] => {
      const [link] = wantedLinks({ use: name === "any" ? "any" : [name] }, SCENE);
      return addressesOf(link!, addresses).map((own) => own.address);
    };
    expect(of("eth0")).toEqual(["192.168.1.7", "2001:db8:1::7"]);
    expect(of("2001:db8:1::7")).toEqual(["2001:db8:1::7"]);
    expect(of("any")).toHaveLength(SCENE.addresses.length);
    const behindNat64 = [address("", "192.0.0.1"), address("eth0", "2001:db8:1::7"), address("eth5", "198.51.100.7")];
    expect(of("eth0", behindNat64)).toEqual(["2001:db8:1::7", "192.0.0.1"]);
    expect(of("eth5", behindNat64)).toEqual(["198.51.100.7"]);
    expect(of("eth9", behindNat64)).toEqual([]);
  });
});

describe("settings of links", () => {
  it("keep what a change does not mention, and forget what is set to nothing", () => {
    const before = mergeSettings({}, { use: "auto", costs: { eth0: 5, eth1: 7 }, capsBitsPerSecond: { eth0: 8 } });
    expect(mergeSettings(before, { costs: { eth0: 0, eth2: 1 } })).toEqual({
      use: "auto",
      costs: { eth1: 7, eth2: 1 },
      capsBitsPerSecond: { eth0: 8 },
    });
    expect(mergeSettings(before, { use: ["eth0"], capsBitsPerSecond: { eth0: 0 } })).toMatchObject({
      use: ["eth0"],
      capsBitsPerSecond: {},
    });
  });

  it("are refused where they describe more links than can be kept", () => {
    const costs = (from: number): Record<string, number> =>
      Object.fromEntries(Array.from({ length: 20 }, (_, index) => [`tether${from + index}`, 1]));
    const before = mergeSettings({}, { costs: costs(0) });
    expect(() => mergeSettings(before, { costs: costs(20) })).toThrow(
      /40 links would have a cost, and 32 can have one/,
    );
    expect(() => mergeSettings({}, { capsBitsPerSecond: { ...costs(0), ...costs(20) } })).toThrow(/limit.*--link-cap/);
    expect(Object.keys(mergeSettings(before, { costs: { ...costs(12), tether0: 0 } }).costs ?? {})).toHaveLength(31);
  });
});
