import type { NetcheckAnswer, NetworkCheck, PeerExplanation } from "@asterism/core/local-api";
import { describe, type ExpectStatic, test } from "vitest";
import { HttpProxy } from "../../src/net/http-proxy.ts";
import type { AgentProcess } from "../../src/product/agent-process.ts";
import { firstAnswerMs, ipv4Of, reportFigure, World } from "./world.ts";

const LOGIN = { user: "us", password: "pass" };

async function netcheck(agent: AgentProcess): Promise<NetworkCheck> {
  const { stdout } = await agent.command(["netcheck", "--json"]);
  return (JSON.parse(stdout) as NetcheckAnswer).networks[0]!;
}

async function untilCheck(expect: ExpectStatic, agent: AgentProcess, expected: object): Promise<void> {
  await expect.poll(() => netcheck(agent), { timeout: 60_000, interval: 500 }).toMatchObject(expected);
}

describe.concurrent("an HTTP proxy", () => {
  test("leads out of a network that nothing else leaves: join, control stream, relay", async ({
    expect,
    onTestFailed,
  }) => {
    await using world = await World.create("proxied", [], { onTestFailed });
    const office = await world.lab.router("office", world.internet, {
      nat: "masquerade",
      firewall: "closed",
      ipv6: false,
    });
    const proxy = await HttpProxy.start(office.machine, office.lan.gatewayIpv4, LOGIN);
    const [authority, login] = [proxy.url.slice("http://".length), `${LOGIN.user}:${LOGIN.password}`];
    const inside = await world.agent(await office.host("inside"));
    const key = await world.server.createKey({ reusable: true });
    const refused = await inside.join(key, { args: ["--proxy", `http://us:wrong@${authority}`], allowFailure: true });
    expect(refused.code).toBe(1);
    expect(refused.stderr).toMatch(/can't be reached: .*proxy http:\S+ refuses \(401|407/);
    expect(refused.stderr).not.toContain("wrong");
    await inside.join(key, { args: ["--proxy", `http://${login}@${authority}`] });
    const [outside] = await world.publicMembers("outside");
    const address = await ipv4Of(outside!);
    reportFigure("first answer through a proxy", await firstAnswerMs(inside.host, address), "ms", "< 3000");
    expect((await inside.peer("outside")).path).toMatchObject({ kind: "relayed", relay: world.serverHost.ipv4 });
    expect(new Set(proxy.asked)).toContain(`${world.serverHost.ipv4}:443`);
    // Packets may get lost while a better relay takes over.
    const lost = async (): Promise<number> => {
      const { sent, received } = await inside.host.ping(address, { count: 20, intervalMs: 20, sizeBytes: 1_300 });
      return sent - received;
    };
    await expect.poll(lost, { timeout: 20_000 }).toBe(0);
    // The membership remembers the proxy.
    await inside.stop();
    await inside.startAgain();
    await expect.poll(async () => (await inside.status()).server?.connected, { timeout: 20_000 }).toBe(true);
    await firstAnswerMs(inside.host, address);
    const explained = JSON.parse((await inside.command(["explain", "outside", "--json"])).stdout) as PeerExplanation;
    expect(explained.proxy).toEqual({ url: proxy.url, problem: null });
    expect(explained.advice).toMatchObject({ case: "relayed-udp-blocked-here" });
    expect(explained.advice.text).toContain(`over TLS, through the proxy ${proxy.url}`);
    await proxy.kill();
    await untilCheck(expect, inside, { server: { connected: false }, advice: { case: "proxy-fails" } });
  });

  test("that hangs or is dead does not cut off an agent that does not need it", async ({ expect, onTestFailed }) => {
    await using world = await World.create("wrongproxy", [], { onTestFailed });
    const host = await world.internet.host("member");
    const proxyHost = await world.internet.host("proxy");
    const proxy = await HttpProxy.start(proxyHost, proxyHost.ipv4);
    proxy.hang();
    const agent = await world.agent(host, { env: { HTTPS_PROXY: proxy.url } });
    await agent.join(await world.server.createKey());
    await untilCheck(expect, agent, {
      server: { connected: true },
      proxy: { url: proxy.url, problem: "does not answer in time" },
      advice: { case: "public" },
    });
    await proxy.kill();
    await agent.stop();
    await agent.startAgain();
    await untilCheck(expect, agent, { server: { connected: true }, proxy: { problem: "is not running there" } });
  });
});
