import { type Nat64Prefix, parseNat64Prefix } from "@asterism/core/nat64";
import pino from "pino";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { Nat64 } from "./nat64.ts";
import { RouteTable } from "./route-table.linux.ts";

const HEADING = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT";
const IPV4_DEFAULT = "eth0\t00000000\t0100A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0";
/** 10.9.0.0/24. */
const IPV4_LAN = "eth1\t0000090A\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0";
const ZEROS = "0".repeat(32);
const IPV6_DEFAULT = `${ZEROS} 00 ${ZEROS} 00 20010db8000000000000000000000001 00000400 00000001 00000000 00000003     eth0`;

const PREFIX = parseNat64Prefix("2001:db8:64::/96")!;
const SERVER = { address: "203.0.113.5", port: 3478 };

function host(ipv4: readonly string[], ipv6: readonly string[]) {
  const facts = { ipv4, ipv6, answers: [] as Nat64Prefix[], questions: 0, changes: 0 };
  const sources = {
    readRoutes: () => RouteTable.parse([HEADING, ...facts.ipv4], facts.ipv6),
    discover: () => {
      facts.questions += 1;
      return Promise.resolve(facts.answers);
    },
  };
  const nat64 = new Nat64(pino({ level: "silent" }), () => facts.changes++, sources);
  const refresh = async (): Promise<void> => {
    nat64.refresh();
    await vi.advanceTimersByTimeAsync(0);
  };
  return { facts, nat64, refresh };
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe("a host without an IPv4 default route", () => {
  test("reaches IPv4 by the prefix that its resolver tells, and knows the answers again", async () => {
    const { facts, nat64, refresh } = host([IPV4_LAN], [IPV6_DEFAULT]);
    facts.answers = [PREFIX];
    await refresh();
    expect(facts.changes).toBe(1);
    const translated = { address: "2001:db8:64::cb00:7105", port: 3478 };
    expect(nat64.outward(SERVER)).toEqual(translated);
    expect(nat64.inward(translated)).toEqual(SERVER);
    expect(nat64.withOwn([]).map(({ address }) => address)).toEqual(["192.0.0.2"]);
    // What has a route, what is private, and what is IPv6 already stays as it is.
    for (const address of ["10.9.0.7", "192.168.1.1", "2001:db8::1"]) {
      expect(nat64.outward({ address, port: 1 })).toEqual({ address, port: 1 });
      expect(nat64.inward({ address, port: 1 })).toEqual({ address, port: 1 });
    }
    await refresh();
    expect(facts.changes).toBe(1);
  });

  test("uses the well-known prefix while the resolver knows none, and asks again for a while", async () => {
    const { facts, nat64, refresh } = host([], [IPV6_DEFAULT]);
    await refresh();
    expect(nat64.outward(SERVER).address).toBe("64:ff9b::cb00:7105");
    facts.answers = [PREFIX];
    await vi.advanceTimersByTimeAsync(2_000);
    expect(nat64.outward(SERVER).address).toBe("2001:db8:64::cb00:7105");
    expect([facts.questions, facts.changes]).toEqual([2, 2]);
    facts.answers = [];
    await refresh();
    await vi.advanceTimersByTimeAsync(3_600_000);
    expect(facts.questions).toBe(2 + 7);
  });

  test("that gets one uses no NAT64 any more, whatever a late answer says", async () => {
    const { facts, nat64, refresh } = host([], [IPV6_DEFAULT]);
    facts.answers = [PREFIX];
    nat64.refresh();
    facts.ipv4 = [IPV4_DEFAULT];
    await refresh();
    expect(nat64.outward(SERVER)).toEqual(SERVER);
    expect([facts.changes, nat64.withOwn([])]).toEqual([0, []]);
  });
});

test.each([
  ["both families", [IPV4_DEFAULT], [IPV6_DEFAULT]],
  ["IPv4 alone", [IPV4_DEFAULT], []],
  ["no way out", [IPV4_LAN], []],
])("a host with %s asks for no prefix", async (_, ipv4, ipv6) => {
  const { facts, nat64, refresh } = host(ipv4, ipv6);
  facts.answers = [PREFIX];
  await refresh();
  expect(facts.questions).toBe(0);
  expect(nat64.outward(SERVER)).toEqual(SERVER);
});
