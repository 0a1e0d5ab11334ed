import { describe, expect, test } from "vitest";
import { type Host, measureTcp } from "../../src/index.ts";
import { firstAnswerMs, ipv4Of, ipv6Of, reportFigure, World } from "./world.ts";

/** Fragments vanish, and nobody says a word about packets that are too large. */
const BLACK_HOLE = `
table inet lab_black_hole {
  chain in {
    type filter hook prerouting priority -450;
    iifname != "ast*" ip frag-off & 0x3fff != 0 counter drop
    iifname != "ast*" exthdr frag exists counter drop
  }
  chain out {
    type filter hook output priority filter;
    icmp type destination-unreachable drop
    icmpv6 type packet-too-big drop
  }
}
`;

/** Two members; the packets to and from the second one may have 1280 bytes. Without `ipv6` there is none underneath. */
async function members(world: World, outer: 4 | "both") {
  const addresses = outer === 4 ? { ipv6: false as const } : {};
  const [hostA, hostB] = await Promise.all([
    world.internet.host("a", addresses),
    world.internet.host("b", { ...addresses, link: { mtuBytes: 1_280 } }),
  ]);
  return { hostA, hostB };
}

async function vanish(...hosts: readonly Host[]): Promise<void> {
  await Promise.all(hosts.map(async (host) => host.nft(BLACK_HOLE)));
}

describe.each([
  [4, "IPv4"],
  ["both", "IPv6"],
] as const)("an underlay of 1280 bytes where larger packets and fragments vanish, over %s", (outer, name) => {
  test("carries TCP at once, and packets of every size and family", async () => {
    await using world = await World.create("hole");
    const { hostA, hostB } = await members(world, outer);
    await vanish(world.internet.router, hostB);
    const [, b] = await world.members(hostA, hostB);
    const [ipv4, ipv6] = await Promise.all([ipv4Of(b!), ipv6Of(b!)]);
    await firstAnswerMs(hostA, ipv4);
    const startedAt = performance.now();
    for (const [address, reverse] of [
      [ipv4, false],
      [ipv6, false],
      [ipv4, true],
      [ipv6, true],
    ] as const) {
      const { bitsPerSecond } = await measureTcp(hostB, hostA, { address, seconds: 2, reverse });
      const after = `${((performance.now() - startedAt) / 1e3).toFixed(1)} s after the first ping`;
      reportFigure(
        `TCP to ${address} ${reverse ? "back" : ""} over ${name}, ${after}`,
        bitsPerSecond / 1e6,
        "Mbit/s",
        "20",
      );
      expect(bitsPerSecond / 1e6).toBeGreaterThan(20);
    }
    for (const address of [ipv4, ipv6]) {
      for (const sizeBytes of [1_180, 1_232, 1_300, 2_500]) {
        // The first one may bring a report of its size.
        const { received } = await hostA.ping(address, { count: 4, intervalMs: 100, sizeBytes });
        expect(received, `${sizeBytes} bytes to ${address}`).toBeGreaterThanOrEqual(3);
      }
    }
  });
});
