import { describe, expect, test } from "vitest";
import { type Host, Lab, type LinkOptions, measureTcp, measureUdp, median } from "../../src/index.ts";

/** Two machines on a LAN, the first one behind the link. */
async function pair(lab: Lab, link: LinkOptions): Promise<{ a: Host; b: Host }> {
  const lan = await lab.lan("lan");
  const [a, b] = await Promise.all([lan.host("a", { link }), lan.host("b")]);
  // Address resolution would otherwise be part of the first round trip.
  await a.ping(b.ipv4);
  return { a, b };
}

describe("links with faults", () => {
  test.each([
    ["veth with tbf", { rateMbit: 50 }],
    ["link box", { rateMbit: 50, kind: "box" }],
  ] as const)("rate of a %s", async (_, link) => {
    await using lab = Lab.create("rate");
    const { a, b } = await pair(lab, link);
    for (const reverse of [false, true]) {
      const { bitsPerSecond } = await measureTcp(b, a, { address: b.ipv4, seconds: 2, reverse });
      expect(bitsPerSecond / 1e6).toBeGreaterThan(40);
      expect(bitsPerSecond / 1e6).toBeLessThan(53);
    }
  });

  test("directions may differ, and change while running", async () => {
    await using lab = Lab.create("asym");
    const { a, b } = await pair(lab, { kind: "box", up: { rateMbit: 20 }, down: { rateMbit: 60 } });
    const rateMbit = async (reverse: boolean): Promise<number> =>
      (await measureTcp(b, a, { address: b.ipv4, seconds: 2, reverse })).bitsPerSecond / 1e6;
    expect(await rateMbit(false)).toBeLessThan(22);
    const down = await rateMbit(true);
    expect(down).toBeGreaterThan(45);
    expect(down).toBeLessThan(64);
    await a.uplink.link.change({ up: { rateMbit: 80 } });
    expect(await rateMbit(false)).toBeGreaterThan(55);
  });

  test("delay is exact to a millisecond, and jitter keeps the order", async () => {
    await using lab = Lab.create("delay");
    const { a, b } = await pair(lab, { delayMs: 15 });
    const plain = await a.ping(b.ipv4, { count: 20, intervalMs: 5 });
    expect(median(plain.rttsMs)).toBeGreaterThan(29.9);
    expect(median(plain.rttsMs)).toBeLessThan(32);
    await a.uplink.link.change({ delayMs: 5, jitterMs: 10 });
    const { rttsMs } = await a.ping(b.ipv4, { count: 100, intervalMs: 2 });
    expect(Math.min(...rttsMs)).toBeGreaterThan(10);
    expect(Math.max(...rttsMs) - Math.min(...rttsMs)).toBeGreaterThan(5);
    const udp = await measureUdp(b, a, { address: b.ipv4, payloadBytes: 200, rateMbit: 5, seconds: 1 });
    expect(udp.reordered).toBe(0);
  });

  test("loss, independent and in bursts", async () => {
    await using lab = Lab.create("loss");
    const { a, b } = await pair(lab, { up: { lossRatio: 0.1 } });
    const independent = await a.ping(b.ipv4, { count: 2_000, intervalMs: 1, timeoutMs: 500 });
    expect(1 - independent.received / independent.sent).toBeGreaterThan(0.07);
    expect(1 - independent.received / independent.sent).toBeLessThan(0.13);
    await a.uplink.link.change({ up: { lossRatio: 0.1, lossBurstPackets: 5 } });
    const bursts = await a.ping(b.ipv4, { count: 2_000, intervalMs: 1, timeoutMs: 500 });
    expect(1 - bursts.received / bursts.sent).toBeGreaterThan(0.04);
    expect(1 - bursts.received / bursts.sent).toBeLessThan(0.18);
    await a.uplink.link.change({ up: { lossRatio: 1 } });
    expect((await a.ping(b.ipv4, { timeoutMs: 300 })).received).toBe(0);
  });

  test("the same seed loses the same packets, another seed others", async () => {
    const lostBy = async (seed: number): Promise<number> => {
      await using lab = Lab.create("seed");
      const { a, b } = await pair(lab, { up: { lossRatio: 0.3 }, seed });
      await a.ping(b.ipv4, { count: 300, intervalMs: 1, timeoutMs: 300 });
      return (await a.uplink.link.counters()).up.lost;
    };
    const [first, again, other] = [await lostBy(7), await lostBy(7), await lostBy(8)];
    // A stray multicast packet of the hosts' kernels may shift a draw or two.
    expect(Math.abs(first - again)).toBeLessThanOrEqual(4);
    expect(first).toBeGreaterThan(50);
    expect(other).toBeGreaterThan(50);
  });

  test("duplicates, damage and reordering", async () => {
    await using lab = Lab.create("damage");
    const { a, b } = await pair(lab, { up: { duplicateRatio: 0.2 } });
    const { stdout } = await a.exec(["ping", "-n", "-c", "300", "-i", "0.001", b.ipv4]);
    const twice = stdout.split("(DUP!)").length - 1;
    expect(twice).toBeGreaterThan(30);
    expect(twice).toBeLessThan(95);
    await a.uplink.link.change({ up: { corruptRatio: 0.3 } });
    await a.ping(b.ipv4, { count: 300, intervalMs: 1, timeoutMs: 500 });
    expect((await a.uplink.link.counters()).up.corrupted).toBeGreaterThan(50);
    await a.uplink.link.change({ up: { reorderRatio: 0.1 }, delayMs: 1 });
    const udp = await measureUdp(b, a, { address: b.ipv4, payloadBytes: 200, rateMbit: 5, seconds: 1 });
    expect(udp.reordered).toBeGreaterThan(50);
  });

  test("the link box carries several hundred Mbit/s", async () => {
    await using lab = Lab.create("speed");
    const { a, b } = await pair(lab, { delayMs: 2, queueMs: 100 });
    const { bitsPerSecond } = await measureTcp(b, a, { address: b.ipv4, seconds: 2 });
    expect(bitsPerSecond / 1e6).toBeGreaterThan(300);
  });

  test("UDP segmentation of a link can be switched off", async () => {
    await using lab = Lab.create("offload");
    const { a } = await pair(lab, { offloads: { udpSegmentation: false } });
    const { stdout } = await a.exec(["ethtool", "-k", "eth0"]);
    expect(stdout).toMatch(/tx-udp-segmentation: off/);
  });
});
