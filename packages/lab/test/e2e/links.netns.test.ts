/** Two agents with two uplinks each, through two networks: each uplink is a link of its own. */
import { setTimeout as sleep } from "node:timers/promises";
import type { LinkStatus, LinksAnswer } from "@asterism/core/local-api";
import { describe, type ExpectStatic, test } from "vitest";
import type { Attachment } from "../../src/net/attachment.ts";
import type { Host } from "../../src/net/host.ts";
import type { AgentProcess } from "../../src/product/agent-process.ts";
import { Pulse } from "./pulse.ts";
import { ipv4Of, reportFigure, startTransfer, World } from "./world.ts";

const IPV4 = { ipv6: false } as const;
const LIMIT_MS = 20_000;
const SOON = { timeout: LIMIT_MS, interval: 200 };
const METRICS = "127.0.0.1:9465";

async function linksOf(agent: AgentProcess): Promise<readonly LinkStatus[]> {
  const { stdout } = await agent.command(["links", "--json"]);
  return (JSON.parse(stdout) as LinksAnswer).networks[0]!.links;
}

/** Names of the links over which direct paths to the peer work, the one in use first. */
async function workingLinks(agent: AgentProcess, peer: string): Promise<string[]> {
  const { paths } = await agent.peer(peer);
  const working = paths.filter(({ kind, state }) => kind === "direct" && (state === "active" || state === "standby"));
  return [...new Set(working.map(({ link }) => link ?? "?"))];
}

async function bothWork(
  expect: ExpectStatic,
  agent: AgentProcess,
  peer: string,
  links: readonly string[] = ["eth0", "eth1"],
): Promise<void> {
  const sorted = async (): Promise<string[]> => (await workingLinks(agent, peer)).sort();
  await expect.poll(sorted, SOON).toEqual(links.toSorted());
}

/** What comes from this address leaves by this interface: without it only the first default route is used. */
async function routeBySource(host: Host, address: string, name: string): Promise<void> {
  const { stdout } = await host.exec(["ip", "-4", "route", "show", "default", "dev", name]);
  const gateway = / via (\S+)/.exec(` ${stdout}`)?.[1] ?? "";
  await host.exec(["ip", "route", "add", "default", "via", gateway, "dev", name, "table", "100"]);
  await host.exec(["ip", "rule", "add", "from", address, "lookup", "100"]);
}

/** Names of the links that packets for the peer go by. */
async function carryingLinks(agent: AgentProcess, peer: string): Promise<string[]> {
  const { paths } = await agent.peer(peer);
  return [...new Set(paths.flatMap(({ link, weight }) => (weight > 0 ? [link ?? "?"] : [])))].sort();
}

/** Addresses of the peer that packets for it go to. */
async function remotesInUse(agent: AgentProcess, peer: string): Promise<string[]> {
  const { paths } = await agent.peer(peer);
  return paths.flatMap(({ remote, weight }) => (weight > 0 ? [remote] : []));
}

/** What was seen, again and again, until something was over. */
async function seenMeanwhile<T>(event: Promise<unknown>, look: () => Promise<T>): Promise<T[]> {
  const seen: T[] = [];
  let isOver = false;
  const over = event.finally(() => {
    isOver = true;
  });
  while (!isOver) {
    seen.push(await look());
    await sleep(200);
  }
  await over;
  return seen;
}

/** A link for each uplink. */
async function joinAuto(world: World, ...hosts: readonly [Host, Host]): Promise<[AgentProcess, AgentProcess]> {
  const [a, b] = await world.membersWith(["--links", "auto"], ...hosts);
  return [a!, b!];
}

async function uses(expect: ExpectStatic, agent: AgentProcess, peer: string, link: string): Promise<void> {
  const active = async (): Promise<string | null> => (await agent.peer(peer)).path.link;
  await expect.poll(active, { timeout: LIMIT_MS, interval: 100 }).toBe(link);
}

describe.concurrent("several links", () => {
  test("of both ends are used, one that dies is left, one that comes back is used again", async ({
    expect,
    onTestFailed,
  }) => {
    await using world = await World.create("links", [], { onTestFailed });
    const home = await world.lab.router("home", world.internet, { nat: "port-restricted", ipv6: false });
    const [hostA, hostB] = [await world.internet.host("a", IPV4), await world.internet.host("b", IPV4)];
    const [second] = await Promise.all([home.lan.attach(hostA, IPV4), world.internet.attach(hostB, IPV4)]);
    const key = await world.server.createKey({ reusable: true });
    const a = await world.agent(hostA, { args: ["--metrics", METRICS] });
    const b = await world.agent(hostB);
    await a.join(key, { args: ["--links", "eth0,eth1,eth9,198.51.100.250", "--link-cost", "eth1=10"] });
    await b.join(key, { args: ["--links", "auto"] });
    const pulse = await Pulse.start(hostA, await ipv4Of(b));
    await Promise.all([bothWork(expect, a, "b"), bothWork(expect, b, "a")]);

    const [first, missing, foreign, metered] = await linksOf(a);
    expect(metered).toMatchObject({ name: "eth1", state: "up", cost: 10, addresses: [second!.ipv4] });
    expect(first).toMatchObject({ name: "eth0", state: "up", publicAddresses: [], nat: "none" });
    expect(missing).toMatchObject({ name: "eth9", state: "down", port: null });
    expect(missing!.problem).toContain("there is no interface eth9");
    expect(foreign!.problem).toContain("198.51.100.250 is no address of this machine");
    expect(new Set((await linksOf(b)).map(({ port }) => port)).size).toBe(2);
    await uses(expect, a, "b", "eth0");
    const [inUse, , spared] = await linksOf(a);
    expect(inUse!.paths).toMatchObject([{ peer: "b", pathsInUse: 1, kind: "direct", share: 1 }]);
    expect(spared!.paths).toEqual([]);
    const metrics = (await hostA.exec(["curl", "-s", `http://${METRICS}/metrics`])).stdout;
    expect(metrics).toContain('asterism_agent_link_up{network="default",link="eth9"} 0');
    expect(metrics).toContain('asterism_agent_link_paths{network="default",link="eth0",state="alive"} 1');
    expect(metrics).toMatch(/asterism_agent_link_bytes_total\{network="default",link="eth0",direction="out"\} [1-9]/);
    expect(metrics).toMatch(/asterism_agent_link_rtt_seconds\{network="default",link="eth0"\} 0\.\d/);

    const recovery = async (what: string, event: () => Promise<unknown>): Promise<void> => {
      const startedAt = Date.now();
      await event();
      const gapMs = await pulse.recovery(startedAt, LIMIT_MS);
      reportFigure(`${what}: answers again after`, gapMs, "ms", "< 1000 ms");
    };
    await recovery("the link in use loses its carrier", () => hostA.uplink.cut());
    expect((await a.peer("b")).path.link).toBe("eth1");
    expect((await linksOf(a)).find(({ name }) => name === "eth0")!.state).toBe("down");
    const mendedAt = Date.now();
    await hostA.uplink.mend();
    await uses(expect, a, "b", "eth0");
    reportFigure("a cheaper link that is back is used after", Date.now() - mendedAt, "ms", "seconds");
    await recovery("the link in use swallows what comes, without a sign", () =>
      hostA.exec([
        "nft",
        "add table ip hole; add chain ip hole in { type filter hook prerouting priority raw; }; add rule ip hole in iifname eth0 meta l4proto udp drop",
      ]),
    );
    await uses(expect, a, "b", "eth1");
    await hostA.exec(["nft", "delete table ip hole"]);
    await uses(expect, a, "b", "eth0");
    await recovery("the other end's link in use is deleted", async () => {
      const { link } = (await b.peer("a")).path;
      await hostB.exec(["ip", "link", "set", link!, "down"]);
    });
    const { interface: overlay } = await a.network();
    for (const own of [overlay!, await ipv4Of(a)]) {
      const refused = await a.command(["links", "set", "--links", own], { allowFailure: true });
      expect(refused).toMatchObject({ code: 2, stderr: expect.stringContaining("its packets can't travel inside it") });
    }
    await a.command(["links", "set", "--links", "any"]);
    expect((await linksOf(a)).map(({ name, state }) => [name, state])).toEqual([["any", "up"]]);
    await recovery("the settings change", () =>
      a.command(["links", "set", "--links", "eth1,eth0", "--link-cost", "eth1=0"]),
    );
    await bothWork(expect, a, "b");
    const addresses = [hostA.uplink.ipv4!, second!.ipv4!];
    await routeBySource(hostA, second!.ipv4!, "eth1");
    await recovery("addresses take the place of interfaces", () =>
      a.command(["links", "set", "--links", addresses.join(",")]),
    );
    await bothWork(expect, a, "b", addresses);
    pulse.stop();
  });

  test("one that gets another address leaves the other alone and is used again", async ({ expect, onTestFailed }) => {
    await using world = await World.create("roams", [], { onTestFailed });
    const nat = { nat: "port-restricted", ipv6: false } as const;
    const [west, east] = await Promise.all(["west", "east"].map((name) => world.lab.router(name, world.internet, nat)));
    const hostA = await west!.host("a", { link: { rateMbit: 8 } });
    const moving = await east!.lan.attach(hostA, { link: { rateMbit: 8, delayMs: 10 } });
    const hostB = await world.internet.host("b", IPV4);
    await world.internet.attach(hostB, IPV4);
    const [a, b] = await joinAuto(world, hostA, hostB);
    await a.command(["mode", "b", "auto"]);
    const pulse = await Pulse.start(hostA, await ipv4Of(b));
    await Promise.all([bothWork(expect, a, "b"), bothWork(expect, b, "a")]);
    // Too much for one of the lines.
    const tcp = await startTransfer(a, b, ["-b", "12M", "-n", "18M"]);
    await expect.poll(() => carryingLinks(a, "b"), SOON).toEqual(["eth0", "eth1"]);
    const untouched = (await linksOf(a))[0]!;
    const ofUntouched = untouched.publicAddresses[0]!;

    const roam = async (what: string, event: () => Promise<void>, isUsed: () => Promise<boolean>): Promise<void> => {
      const pings = hostA.ping(await ipv4Of(b), { count: 80, intervalMs: 50 });
      const story = async (): Promise<void> => {
        const startedAt = Date.now();
        await event();
        await expect.poll(isUsed, SOON).toBe(true);
        reportFigure(`${what}: used again after`, Date.now() - startedAt, "ms", "seconds");
        await pings;
      };
      const isInUse = async (): Promise<boolean> =>
        (await carryingLinks(a, "b")).includes("eth0") && (await remotesInUse(b, "a")).includes(ofUntouched);
      expect(await seenMeanwhile(story(), isInUse)).not.toContain(false);
      const { sent, received } = await pings;
      reportFigure(`${what}: pings lost of ${sent}`, sent - received, "", "0");
      expect(received).toBeGreaterThan(sent - 3);
      const { port, addresses, publicAddresses } = untouched;
      expect((await linksOf(a))[0]).toMatchObject({ state: "up", port, addresses, publicAddresses });
    };
    await roam(
      "the router of a link gets another address",
      () => east!.reboot({ ipv4: "198.51.100.61" }),
      async () => (await remotesInUse(b, "a")).some((remote) => remote.startsWith("198.51.100.61:")),
    );
    const lease = `${east!.lan.ipv4Prefix}.77`;
    await roam(
      "a link gets another address",
      () => moving.renumber({ ipv4: lease }),
      async () => (await linksOf(a))[1]!.addresses.includes(lease) && (await carryingLinks(a, "b")).includes("eth1"),
    );
    expect((await tcp.exited).code).toBe(0);
    pulse.stop();
  });

  test("one for IPv4 and one for IPv6 carry together, and each without the other", async ({ expect, onTestFailed }) => {
    await using world = await World.create("families", [], { onTestFailed });
    const [hostA, hostB] = [await world.internet.host("a", IPV4), await world.internet.host("b", IPV4)];
    const [second] = await Promise.all([hostA, hostB].map((host) => world.internet.attach(host, { ipv4: false })));
    const [a, b] = await joinAuto(world, hostA, hostB);
    await a.command(["mode", "b", "aggregate"]);
    const pulse = await Pulse.start(hostA, await ipv4Of(b));
    const carry = (agent: AgentProcess, peer: string, links: readonly string[]) =>
      expect.poll(() => carryingLinks(agent, peer), SOON).toEqual(links);
    const bothCarry = () => Promise.all([carry(a, "b", ["eth0", "eth1"]), carry(b, "a", ["eth0", "eth1"])]);
    await bothCarry();
    const [four, six] = await linksOf(a);
    expect(four).toMatchObject({ name: "eth0", state: "up", addresses: [hostA.ipv4] });
    expect(four!.paths).toMatchObject([{ peer: "b", remote: expect.stringContaining(`${hostB.ipv4}:`) }]);
    expect(six).toMatchObject({ name: "eth1", state: "up", addresses: [hostA.ipv6] });
    expect(six!.paths).toMatchObject([{ peer: "b", remote: expect.stringContaining(`[${hostB.ipv6}]:`) }]);

    const tcp = await startTransfer(a, b, ["-b", "2M", "-n", "4M"]);
    const without = async (what: string, uplink: Attachment, rest: string): Promise<void> => {
      const startedAt = Date.now();
      await uplink.cut();
      const gapMs = await pulse.recovery(startedAt, LIMIT_MS);
      reportFigure(`${what} is cut: answers again after`, gapMs, "ms", "< 1000 ms");
      await Promise.all([carry(a, "b", [rest]), carry(b, "a", [rest])]);
      await uplink.mend();
      await bothCarry();
    };
    await without("the link for IPv4", hostA.uplink, "eth1");
    await without("the link for IPv6", second!, "eth0");
    const another = "2001:db8:0:77::2";
    await second!.renumber({ ipv6: another });
    await expect.poll(() => remotesInUse(b, "a"), SOON).toContainEqual(expect.stringContaining(`[${another}]:`));
    expect(await carryingLinks(a, "b")).toEqual(["eth0", "eth1"]);
    expect((await tcp.exited).code).toBe(0);
    pulse.stop();
  });
});
