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
        const { sent, received } = await hostA.ping(address, { count: 6, intervalMs: 100, sizeBytes });
        // The first one may bring a report of its size instead of an answer; and ping sends the fewer for each report.
        expect(received, `${sizeBytes} bytes to ${address}`).toBeGreaterThanOrEqual(Math.max(3, sent - 1));
      }
    }
  });
});

/** What the engine tells hosts of packets that are too large, and what a router tells the host behind it. */
const DEAF = `
table inet lab_deaf {
  chain in {
    type filter hook input priority filter;
    icmp type destination-unreachable counter drop
    icmpv6 type packet-too-big counter drop
  }
}
`;

test("new TCP connections pass hosts that drop ICMP, on PPPoE, on 1280 bytes, and from behind a member", async () => {
  await using world = await World.create("deaf");
  const [hostA, hostP, hostB] = await Promise.all([
    world.internet.host("a", { ipv6: false }),
    world.internet.host("p", { ipv6: false, link: { mtuBytes: 1_492 } }),
    world.internet.host("b", { ipv6: false, link: { mtuBytes: 1_280 } }),
  ]);
  const behind = await world.lab.host("behind");
  await world.lab.wire(behind, hostA);
  await behind.ip(["addr add 10.9.0.2/24 dev eth0", "route add default via 10.9.0.1"]);
  await hostA.ip(["addr add 10.9.0.1/24 dev eth1"]);
  await hostA.shell("echo 1 > /proc/sys/net/ipv4/ip_forward");
  await hostA.nft(
    `table ip lab_share { chain out { type nat hook postrouting priority srcnat; oifname "ast*" masquerade; }; }`,
  );
  await vanish(world.internet.router, hostP, hostB);
  const [a, p, b] = await world.members(hostA, hostP, hostB);
  await Promise.all([hostA, hostP, hostB, behind].map(async (host) => host.nft(DEAF)));
  const addresses = await Promise.all([ipv4Of(p!), ipv6Of(p!), ipv4Of(b!), ipv6Of(b!)]);
  const [ipv4OfP, , ipv4OfB] = addresses as [string, string, string, string];
  for (const address of [ipv4OfP, ipv4OfB]) await firstAnswerMs(hostA, address);
  const mtuOf = async () => (await a!.peer("b")).paths.find(({ state }) => state === "active")?.mtuBytes;
  await expect.poll(mtuOf, { timeout: 10_000 }).toBe(1_252);
  for (const address of addresses) {
    const far = address === addresses[0] || address === addresses[1] ? hostP : hostB;
    for (const reverse of [false, true]) {
      const { bitsPerSecond } = await measureTcp(far, hostA, { address, seconds: 1, reverse });
      expect(bitsPerSecond / 1e6, `${address} ${reverse ? "back" : ""}`).toBeGreaterThan(20);
    }
  }
  for (const reverse of [false, true]) {
    const { bitsPerSecond } = await measureTcp(hostB, behind, { address: ipv4OfB, seconds: 1, reverse });
    reportFigure(`TCP from behind a member${reverse ? ", back" : ""}`, bitsPerSecond / 1e6, "Mbit/s", "20");
    expect(bitsPerSecond / 1e6).toBeGreaterThan(20);
  }
});
