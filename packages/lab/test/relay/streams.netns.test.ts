import type { PeerStatus } from "@asterism/core/local-api";
import { describe, expect, test } from "vitest";
import { measureTcp } from "../../src/index.ts";
import type { FirewallKind } from "../../src/net/firewall.ts";
import type { Router } from "../../src/net/router.ts";
import type { AgentProcess } from "../../src/product/agent-process.ts";
import { ASTERISM_COMMAND } from "../../src/product/asterism-command.ts";
import { firstAnswerMs, ipv4Of, reportFigure, World } from "../e2e/world.ts";
import { SECRET, selfSigned } from "./relay-world.ts";
import { startCoturn } from "./relayed-world.ts";

/** The figure is shown; a busy machine may need longer. */
const LIMIT_MS = 20_000;

interface FirewalledPair {
  readonly a: AgentProcess;
  readonly b: AgentProcess;
  readonly routers: readonly [Router, Router];
}

/** A relay that is reached over UDP and TCP at 3478 and over TLS at 443. */
async function addRelay(world: World): Promise<void> {
  const host = await world.internet.host("relay");
  const tls = await selfSigned(host);
  const relay = host.spawn([ASTERISM_COMMAND, "relay", "--secret", SECRET, "--tls-listen", "[::]:443", ...tls]);
  await relay.waitForOutput(/^ready: /m, { timeoutMs: 20_000 });
  await world.server.admin(["relay", "add", host.ipv4, "--secret", SECRET, "--tls-port", "443"]);
}

/** Two members, each behind a router with a firewall. */
async function pairBehind(world: World, kindA: FirewallKind, kindB: FirewallKind): Promise<FirewalledPair> {
  const [routerA, routerB] = await Promise.all([
    world.lab.router("ra", world.internet, { nat: "port-restricted", firewall: kindA, ipv6: false }),
    world.lab.router("rb", world.internet, { nat: "port-restricted", firewall: kindB, ipv6: false }),
  ]);
  const [a, b] = await world.members(await routerA.host("a"), await routerB.host("b"));
  if (a === undefined || b === undefined) throw new Error("two members were asked for");
  return { a, b, routers: [routerA, routerB] };
}

async function untilPath(
  agent: AgentProcess,
  isRight: (path: PeerStatus["path"]) => boolean,
  what: string,
): Promise<void> {
  await expect
    .poll(async () => isRight((await agent.peer("b")).path), { timeout: 90_000, interval: 500, message: what })
    .toBe(true);
}

describe("with UDP blocked", () => {
  test.each<readonly [FirewallKind, FirewallKind]>([
    ["block-udp", "block-udp"],
    ["https-only", "https-only"],
    ["block-udp", "stateful"],
  ])("members reach each other through a relay's streams (%s, %s)", async (kindA, kindB) => {
    await using world = await World.create("stream", ["--relay", "none"]);
    await addRelay(world);
    const { a, b } = await pairBehind(world, kindA, kindB);
    const address = await ipv4Of(b);
    reportFigure(`first answer, ${kindA} and ${kindB}`, await firstAnswerMs(a.host, address, LIMIT_MS), "ms", "< 3000");
    expect((await a.peer("b")).path).toMatchObject({ kind: "relayed" });
    // That UDP is blocked is known for sure when all requests over UDP have timed out, which is after the first answer.
    await expect
      .poll(async () => (await a.network()).self.nat.udp, { timeout: LIMIT_MS, message: "whether UDP passes" })
      .toBe(false);
    const { sent, received } = await a.host.ping(address, { count: 50, intervalMs: 20, sizeBytes: 1_300 });
    expect(received).toBe(sent);
    for (const reverse of [false, true]) {
      const { bitsPerSecond } = await measureTcp(b.host, a.host, { address, seconds: 2, reverse });
      reportFigure(`TCP through streams${reverse ? ", back" : ""}`, bitsPerSecond / 1e6, "Mbit/s", "> 20");
      expect(bitsPerSecond / 1e6).toBeGreaterThan(5);
    }
    expect((await a.peer("b")).path.kind).toBe("relayed");
  });

  test("coturn is reached over TCP", async () => {
    await using world = await World.create("coturntcp", ["--relay", "none"]);
    const host = await world.internet.host("coturn");
    await startCoturn(host, SECRET);
    await world.server.admin(["relay", "add", host.ipv4, "--secret", SECRET]);
    const { a, b } = await pairBehind(world, "block-udp", "stateful");
    reportFigure(
      "first answer by coturn over TCP",
      await firstAnswerMs(a.host, await ipv4Of(b), LIMIT_MS),
      "ms",
      "< 3000",
    );
    expect((await a.peer("b")).path).toMatchObject({ kind: "relayed", relay: host.ipv4 });
  });

  test("the server's own relay is reached on its HTTPS port", async () => {
    await using world = await World.create("alpn");
    const { a, b } = await pairBehind(world, "https-only", "https-only");
    reportFigure("first answer by port 443", await firstAnswerMs(a.host, await ipv4Of(b), LIMIT_MS), "ms", "< 3000");
    expect((await a.peer("b")).path).toMatchObject({ kind: "relayed", relay: world.serverHost.ipv4 });
  });

  test("a pair goes direct when the firewalls are opened, and back to the relay's streams when they close", async () => {
    await using world = await World.create("unblock", ["--relay", "none"]);
    await addRelay(world);
    const { a, b, routers } = await pairBehind(world, "block-udp", "block-udp");
    const address = await ipv4Of(b);
    await firstAnswerMs(a.host, address, LIMIT_MS);
    const traffic = a.host.spawn(["ping", "-n", "-i", "0.2", address]);
    for (const { machine } of routers) await machine.nft("delete table inet lab_firewall");
    await untilPath(a, ({ kind }) => kind === "direct", "direct after the firewalls were opened");
    const rule = "type filter hook forward priority filter\n meta l4proto udp drop";
    const block = `table inet lab_block {\n chain forward {\n ${rule}\n }\n}\n`;
    const gap = a.host.spawn(["ping", "-n", "-i", "0.05", "-c", "300", address]);
    await gap.waitForOutput(/icmp_seq=20 /);
    for (const { machine } of routers) await machine.nft(block);
    await untilPath(a, ({ kind }) => kind === "relayed", "relayed after the firewalls were closed");
    await gap.exited;
    const answered = [...gap.stdout.matchAll(/icmp_seq=(\d+) /g)].map(([, sequence]) => Number(sequence));
    const missed = answered.slice(1).map((sequence, index) => sequence - (answered[index] ?? 0) - 1);
    reportFigure("without an answer when UDP was blocked in mid-life", 50 * Math.max(...missed), "ms", "< 3000");
    const { received } = await a.host.ping(address, { count: 20, intervalMs: 100 });
    expect(received).toBeGreaterThan(15);
    traffic.kill("SIGKILL");
  });
});
