import { setTimeout as delay } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { usageOf } from "../../src/bench/process-usage.ts";
import { measureTcp, measureUdp } from "../../src/index.ts";
import { firstAnswerMs, ipv4Of, ipv6Of, reportFigure, World } from "./world.ts";

describe("two machines, one key, a tunnel", () => {
  test("on one LAN: from join to the first ping", async () => {
    await using world = await World.create("lan");
    const home = await world.lab.router("home", world.internet, { nat: "masquerade" });
    const [hostA, hostB] = await Promise.all([home.host("a"), home.host("b")]);
    const [a] = await world.members(hostA);
    const b = await world.agent(hostB);
    const key = await world.server.createKey();
    const address = await ipv4Of(a!);
    const startedAt = performance.now();
    await b.join(key);
    const joinMs = performance.now() - startedAt;
    const totalMs = joinMs + (await firstAnswerMs(hostB, address));
    reportFigure("join on one LAN", joinMs, "ms", "with the first ping < 1500 ms");
    reportFigure("join to first ping on one LAN", totalMs, "ms", "< 1500 ms");
    expect(totalMs).toBeLessThan(4_500);
    const path = (await b.peer("a")).path;
    expect(path.kind).toBe("direct");
    expect([hostA.ipv4, `[${hostA.ipv6}]`]).toContain(path.remote?.replace(/:\d+$/, ""));
  });

  test("between public hosts, by IPv4 and IPv6 inside, both ways", async () => {
    await using world = await World.create("pub");
    const [a, b] = await world.publicMembers("a", "b");
    for (const [from, to] of [
      [a!, b!],
      [b!, a!],
    ] as const) {
      for (const address of [await ipv4Of(to), await ipv6Of(to)]) {
        await firstAnswerMs(from.host, address);
        const { sent, received } = await from.host.ping(address, { count: 10, intervalMs: 10 });
        expect(received).toBe(sent);
      }
    }
    expect((await a!.ping("b", ["-c", "2"])).received).toBe(2);
    expect((await a!.peer("b")).path.kind).toBe("direct");
  });

  test("hosts with nothing but IPv6 outside", async () => {
    await using world = await World.create("six");
    const server6 = world.serverHost.ipv6;
    const [hostA, hostB] = await Promise.all(["a", "b"].map((name) => world.internet.host(name, { ipv4: false })));
    const { ServerProcess } = await import("../../src/product/server-process.ts");
    const server = await ServerProcess.start(world.serverHost, {
      name: "server6",
      port: 8443,
      address: server6,
      args: ["--relay", "none"],
    });
    const key = await server.createKey({ reusable: true });
    const agents = await Promise.all([hostA!, hostB!].map((host) => world.agent(host)));
    for (const agent of agents) await agent.join(key);
    const target = await ipv4Of(agents[1]!);
    await firstAnswerMs(hostA!, target);
    expect((await agents[0]!.peer("b")).path.remote).toContain(hostB!.ipv6);
  });

  test("one side public, the other behind a masquerading router", async () => {
    await using world = await World.create("nat");
    const home = await world.lab.router("home", world.internet, { nat: "masquerade", ipv6: false });
    const inside = await home.host("inside");
    const outside = await world.internet.host("outside");
    const [a, b] = await world.members(inside, outside);
    await firstAnswerMs(outside, await ipv4Of(a!));
    await firstAnswerMs(inside, await ipv4Of(b!));
    const path = (await b!.peer("inside")).path;
    expect(path.kind).toBe("direct");
    expect(path.remote).toContain(home.machine.ipv4);
  });

  test("iperf3 through the tunnel: TCP both ways, several flows, UDP", async () => {
    await using world = await World.create("iperf");
    const [a, b] = await world.publicMembers("a", "b");
    const address = await ipv4Of(b!);
    await firstAnswerMs(a!.host, address);
    for (const options of [{}, { reverse: true }, { flows: 4 }]) {
      const { bitsPerSecond } = await measureTcp(b!.host, a!.host, { address, seconds: 1, ...options });
      expect(bitsPerSecond / 1e6).toBeGreaterThan(100);
    }
    const udp = await measureUdp(b!.host, a!.host, { address, seconds: 1, payloadBytes: 1_200, rateMbit: 50 });
    expect(udp.lossRatio).toBeLessThan(0.02);
    const six = await measureTcp(b!.host, a!.host, { address: await ipv6Of(b!), seconds: 1 });
    expect(six.bitsPerSecond / 1e6).toBeGreaterThan(100);
    const peer = await a!.peer("b");
    expect(peer.txBytes).toBeGreaterThan(10_000_000);
    expect(peer.rxPackets).toBeGreaterThan(1_000);
  });

  test("a lossy, slow, jittery link", async () => {
    await using world = await World.create("lossy");
    const link = { rateMbit: 50, delayMs: 10, jitterMs: 3, lossRatio: 0.02, reorderRatio: 0.01, corruptRatio: 0.01 };
    const hostA = await world.internet.host("a", { link });
    const hostB = await world.internet.host("b");
    const [, b] = await world.members(hostA, hostB);
    const address = await ipv4Of(b!);
    await firstAnswerMs(hostA, address);
    const { sent, received } = await hostA.ping(address, { count: 300, intervalMs: 5, timeoutMs: 1_000 });
    expect(received / sent).toBeGreaterThan(0.85);
    const { bitsPerSecond } = await measureTcp(b!.host, hostA, { address, seconds: 2 });
    expect(bitsPerSecond / 1e6).toBeGreaterThan(0.5);
  });

  test("an idle agent stays small and quiet", async () => {
    await using world = await World.create("idle");
    const [a, b] = await world.publicMembers("a", "b");
    await firstAnswerMs(a!.host, await ipv4Of(b!));
    const peakMb = usageOf([a!.process.pid]).peakMemoryBytes / 1e6;
    const idleMb = (await residentBytes(a!.process.pid)) / 1e6;
    reportFigure("memory of an idle agent", idleMb, `MB (peak ${peakMb.toFixed(0)})`, "< 120 MB");
    expect(idleMb).toBeLessThan(120);
    const cpuBefore = usageOf([a!.process.pid]).cpuSeconds;
    const idleSeconds = 5;
    await delay(idleSeconds * 1e3);
    const cpuPercent = ((usageOf([a!.process.pid]).cpuSeconds - cpuBefore) / idleSeconds) * 100;
    reportFigure("CPU of an idle agent", cpuPercent, "% of a core", "< 1 %");
    expect(cpuPercent).toBeLessThan(5);
  });
});

async function residentBytes(pid: number): Promise<number> {
  const { readFile } = await import("node:fs/promises");
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(await readFile(`/proc/${pid}/status`, "utf8"))?.[1]) * 1_024;
}
