import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { NAT_BEHAVIOURS, type NatBehaviour, NatTable } from "./nat-table.ts";
import type { PortAllocation } from "./port-allocator.ts";
import { SeededRandom } from "./seeded-random.ts";

const INSIDE = { address: "192.168.1.2", port: 5_000 };
const REMOTE = { address: "192.0.2.1", port: 80 };
const OTHER_PORT = { ...REMOTE, port: 81 };
const OTHER_ADDRESS = { ...REMOTE, address: "192.0.2.2" };

function table(mapping: NatBehaviour, filtering: NatBehaviour, ports: PortAllocation = { kind: "random" }): NatTable {
  return new NatTable({ mapping, filtering, ports, mappingTimeoutMs: 30_000 }, new SeededRandom(1));
}

describe("mapping (RFC 4787 §4.1)", () => {
  it.each([
    ["endpoint-independent", true, true],
    ["address-dependent", true, false],
    ["address-and-port-dependent", false, false],
  ] as const)("%s: same port for another port %s, for another address %s", (mapping, samePort, sameAddress) => {
    const nat = table(mapping, "endpoint-independent");
    const port = nat.outbound(INSIDE, REMOTE, 0);
    expect(nat.outbound(INSIDE, REMOTE, 1)).toBe(port);
    expect(nat.outbound(INSIDE, OTHER_PORT, 1) === port).toBe(samePort);
    expect(nat.outbound(INSIDE, OTHER_ADDRESS, 1) === port).toBe(sameAddress);
    expect(nat.outbound({ ...INSIDE, port: 5_001 }, REMOTE, 1)).not.toBe(port);
  });
});

describe("filtering (RFC 4787 §5)", () => {
  it.each([
    ["endpoint-independent", true, true],
    ["address-dependent", true, false],
    ["address-and-port-dependent", false, false],
  ] as const)("%s: lets in another port %s, another address %s", (filtering, otherPort, otherAddress) => {
    const nat = table("endpoint-independent", filtering);
    const port = nat.outbound(INSIDE, REMOTE, 0) ?? 0;
    expect(nat.inbound(port, REMOTE, 1)).toEqual(INSIDE);
    expect(typeof nat.inbound(port, OTHER_PORT, 1) === "object").toBe(otherPort);
    expect(typeof nat.inbound(port, OTHER_ADDRESS, 1) === "object").toBe(otherAddress);
  });

  it("knows nothing of ports that nobody uses", () => {
    expect(table("endpoint-independent", "endpoint-independent").inbound(7_000, REMOTE, 0)).toBe("no NAT mapping");
  });
});

describe("mappings", () => {
  it.each(NAT_BEHAVIOURS)("time out when nothing goes out, not when something comes in (%s)", (behaviour) => {
    const nat = table(behaviour, behaviour);
    const port = nat.outbound(INSIDE, REMOTE, 0) ?? 0;
    nat.outbound(INSIDE, REMOTE, 20_000);
    expect(nat.inbound(port, REMOTE, 49_999)).toEqual(INSIDE);
    expect(nat.inbound(port, REMOTE, 50_000)).toBe("no NAT mapping");
    expect(nat.outbound(INSIDE, REMOTE, 60_000)).not.toBe(port);
  });

  it("are kept by what comes in where the NAT says so", () => {
    const options = { mapping: NAT_BEHAVIOURS[0]!, filtering: NAT_BEHAVIOURS[2]!, mappingTimeoutMs: 30_000 };
    const nat = new NatTable({ ...options, refreshedBy: "both" }, new SeededRandom(1));
    const port = nat.outbound(INSIDE, REMOTE, 0) ?? 0;
    expect(nat.inbound(port, REMOTE, 25_000)).toEqual(INSIDE);
    expect(nat.inbound(port, OTHER_PORT, 40_000)).toBe("filtered by the NAT");
    expect(nat.inbound(port, REMOTE, 54_000)).toEqual(INSIDE);
    expect(nat.inbound(port, REMOTE, 84_000)).toBe("no NAT mapping");
  });

  it("are gone after a reboot, forwards are not", () => {
    const nat = table("endpoint-independent", "endpoint-independent");
    const port = nat.outbound({ ...INSIDE, port: 6_000 }, REMOTE, 0) ?? 0;
    nat.forward(41_641, INSIDE);
    nat.clear();
    expect(nat.inbound(port, REMOTE, 1)).toBe("no NAT mapping");
    expect(nat.inbound(41_641, OTHER_ADDRESS, 1)).toEqual(INSIDE);
    expect(nat.outbound(INSIDE, REMOTE, 1)).toBe(41_641);
  });
});

describe("port allocation", () => {
  function take(ports: PortAllocation, count: number): number[] {
    const nat = table("address-and-port-dependent", "endpoint-independent", ports);
    return Array.from({ length: count }, (_, index) => nat.outbound(INSIDE, { ...REMOTE, port: index + 1 }, 0) ?? 0);
  }

  it("preserving keeps the inside port while it is free", () => {
    expect(take({ kind: "preserving" }, 3)).toEqual([5_000, 5_001, 5_002]);
  });

  it("sequential counts up by its step", () => {
    const [first = 0, second, third] = take({ kind: "sequential", step: 3 }, 3);
    expect([second, third]).toEqual([first + 3, first + 6]);
  });

  it("sequential counts down, round the end, and past the ports that other hosts take", () => {
    const options = { mapping: NAT_BEHAVIOURS[2]!, filtering: NAT_BEHAVIOURS[2]!, mappingTimeoutMs: 30_000 };
    const nat = new NatTable(
      { ...options, ports: { kind: "sequential", step: -2, othersPerSecond: 50 } },
      new SeededRandom(3),
    );
    const ports = Array.from({ length: 41 }, (_, second) => nat.outbound(INSIDE, REMOTE, second * 60_000) ?? 0);
    const taken = ports.slice(1).map((port, index) => ((ports[index]! - port + 64_512) % 64_512) / 2 - 1);
    const mean = taken.reduce((sum, count) => sum + count, 0) / taken.length;
    expect(mean).toBeGreaterThan(2_900);
    expect(mean).toBeLessThan(3_100);
    expect(Math.min(...ports)).toBeGreaterThanOrEqual(1_024);
    expect(new Set(taken).size).toBeGreaterThan(10);
  });

  it("random spreads over the whole range", () => {
    const ports = take({ kind: "random" }, 200);
    expect(Math.max(...ports) - Math.min(...ports)).toBeGreaterThan(50_000);
  });

  it("port-block stays in its block and ends when it is used up", () => {
    const ports = take({ kind: "port-block", sizePorts: 64 }, 65);
    const used = ports.slice(0, 64);
    expect(Math.max(...used) - Math.min(...used)).toBe(63);
    expect(ports[64]).toBe(0);
  });

  it("never gives one port to two flows", () => {
    const anyPorts = fc.constantFrom<PortAllocation>(
      { kind: "preserving" },
      { kind: "random" },
      { kind: "sequential" },
      { kind: "port-block", sizePorts: 256 },
    );
    fc.assert(
      fc.property(anyPorts, fc.integer({ min: 1, max: 200 }), (ports, count) => {
        const taken = take(ports, count);
        expect(new Set(taken).size).toBe(count);
      }),
    );
  });
});
