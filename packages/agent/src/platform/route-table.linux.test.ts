import { describe, expect, test } from "vitest";
import { RouteTable } from "./route-table.linux.ts";

const IPV4 = [
  "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT",
  "eth0\t00000000\t0100A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0",
  "eth0\t0000A8C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0",
  "wlan0\t0000A8C0\t00000000\t0001\t0\t0\t600\t00FFFFFF\t0\t0\t0",
  "ast0\t00004064\t00000000\t0001\t0\t0\t10007\t0000C0FF\t0\t0\t0",
];
const IPV6 = [
  "20010db8000000000000000000000000 20 00000000000000000000000000000000 00 00000000000000000000000000000000 00000100 00000001 00000000 00000001     eth0",
  "00000000000000000000000000000000 00 00000000000000000000000000000000 00 20010db8000000000000000000000001 00000400 00000001 00000000 00000003     wlan0",
  "00000000000000000000000000000000 00 00000000000000000000000000000000 00 00000000000000000000000000000000 ffffffff 00000001 00000000 00200200       lo",
];

describe("RouteTable", () => {
  const table = RouteTable.parse(IPV4, IPV6);

  test.each([
    ["192.168.0.7", "eth0"],
    ["100.64.0.9", "ast0"],
    ["100.127.255.255", "ast0"],
    ["100.128.0.1", "eth0"],
    ["203.0.113.5", "eth0"],
    ["2001:db8::5", "eth0"],
    ["2606::1", "wlan0"],
  ])("%s leaves by %s", (address, interfaceName) => {
    expect(table.interfaceFor(address)).toBe(interfaceName);
  });

  test("without an IPv4 route, IPv4 leaves where IPv6 does, through a NAT64", () => {
    const ipv6Only = RouteTable.parse([IPV4[0] ?? ""], IPV6);
    expect(ipv6Only.interfaceFor("203.0.113.5")).toBe("wlan0");
    expect(ipv6Only.leadsTo("203.0.113.5")).toBe(false);
    expect([ipv6Only.hasDefault(4), ipv6Only.hasDefault(6)]).toEqual([false, true]);
    expect([table.hasDefault(4), table.leadsTo("203.0.113.5")]).toEqual([true, true]);
    expect(RouteTable.parse(IPV4, [IPV6[2] ?? ""]).hasDefault(6)).toBe(false);
  });

  test("the default gateway is that of the best default route, not that of an overlay", () => {
    const worse = "wlan0\t00000000\t0102A8C0\t0003\t0\t0\t600\t00000000\t0\t0\t0";
    const overlay = "ast0\t00000000\t01004064\t0003\t0\t0\t1\t00000000\t0\t0\t0";
    const many = RouteTable.parse([...IPV4, worse, overlay], []);
    expect(many.defaultGateway(new Set(["ast0"]))).toMatchObject({ gateway: "192.168.0.1", interfaceName: "eth0" });
    expect(many.defaultGateway(new Set(["ast0", "eth0"]))).toMatchObject({ gateway: "192.168.2.1" });
    expect(RouteTable.parse([IPV4[0] ?? "", IPV4[2] ?? ""], []).defaultGateway(new Set())).toBeUndefined();
  });

  test("nothing leads anywhere in an empty table, nor to what is no address", () => {
    expect(RouteTable.parse([], []).interfaceFor("203.0.113.5")).toBeUndefined();
    expect(table.interfaceFor("example")).toBeUndefined();
  });
});
