import { describe, expect, test, vi } from "vitest";
import type { Host } from "../../src/net/host.ts";
import type { Router } from "../../src/net/router.ts";
import type { AgentProcess } from "../../src/product/agent-process.ts";
import { ipv4Of, World } from "../e2e/world.ts";

const AGENT_PORT = 41_641;
const SLOW = { timeout: 20_000, interval: 200 };
/** The range that most home routers come with. */
const HOME_LAN = { ipv4Prefix: "192.168.1" };

describe("two agents behind one NAT without hairpin", () => {
  test("connect over their LAN", async () => {
    await using world = await World.create("samelan");
    const home = await world.lab.router("home", world.internet, { nat: "port-restricted", ipv6: false });
    const [a, b] = await world.members(await home.host("a"), await home.host("b"));
    expect((await a!.ping("b", ["--until-direct", "--timeout", "20"])).direct).toBe(true);
    await vi.waitFor(async () => {
      expect((await a!.peer("b")).path).toMatchObject({ kind: "direct", remote: `${b!.host.ipv4}:${AGENT_PORT}` });
      expect((await b!.peer("a")).path).toMatchObject({ kind: "direct", remote: `${a!.host.ipv4}:${AGENT_PORT}` });
    }, SLOW);
    expect((await a!.host.ping(await ipv4Of(b!), { count: 5 })).received).toBe(5);
  });
});

/** Two homes of one provider, whose NAT they share, with the same private addresses. */
interface Neighbours {
  readonly world: World;
  readonly provider: Router;
  readonly left: AgentProcess;
  readonly right: AgentProcess;
  /** In the left home, at the address that `right` has in the right home: an agent of the same network. */
  readonly twinOfRight: AgentProcess;
  /** In the right home, at the address that `left` has in the left home: sends back whatever comes to the agent's port. */
  readonly echoAtLeft: Host;
}

async function neighbours(tag: string, hairpin: boolean): Promise<Neighbours> {
  const world = await World.create(tag);
  try {
    const carrier = { nat: "port-restricted", hairpin, ipv6: false, lan: { ipv4Prefix: "100.64.7" } } as const;
    const provider = await world.lab.router("provider", world.internet, carrier);
    const home = { nat: "port-restricted", ipv6: false, lan: HOME_LAN } as const;
    const leftHome = await world.lab.router("leftHome", provider.lan, home);
    const rightHome = await world.lab.router("rightHome", provider.lan, home);
    const leftHost = await leftHome.host("left", { ipv4: "192.168.1.10" });
    const twinHost = await leftHome.host("twin", { ipv4: "192.168.1.20" });
    const rightHost = await rightHome.host("right", { ipv4: "192.168.1.20" });
    const echoAtLeft = await rightHome.host("echo", { ipv4: "192.168.1.10" });
    echoAtLeft.spawn(["turnutils_peer", "-L", "192.168.1.10", "-p", String(AGENT_PORT)]);
    await Promise.all([twinHost, echoAtLeft].map((host) => host.nft(COUNT_CHECKS)));
    const [left, right, twinOfRight] = await world.members(leftHost, rightHost, twinHost);
    return { world, provider, left: left!, right: right!, twinOfRight: twinOfRight!, echoAtLeft };
  } catch (error: unknown) {
    await world[Symbol.asyncDispose]();
    throw error;
  }
}

const COUNT_CHECKS = `table inet seen {
  counter checks { }
  chain input { type filter hook input priority filter; ip saddr ${HOME_LAN.ipv4Prefix}.0/24 udp dport ${AGENT_PORT} counter name "checks"; }
}`;

async function checksSeen(host: Host): Promise<number> {
  const { stdout } = await host.exec(["nft", "list", "counter", "inet", "seen", "checks"]);
  return Number(/packets (\d+)/.exec(stdout)?.[1]);
}

/** Both ways by the same kind of path, with the right peer at its end. */
async function expectPaths({ left, right }: Neighbours, expected: Record<string, unknown>): Promise<void> {
  await vi.waitFor(async () => {
    expect((await left.peer("right")).path).toMatchObject(expected);
    expect((await right.peer("left")).path).toMatchObject(expected);
  }, SLOW);
  expect((await left.host.ping(await ipv4Of(right), { count: 5 })).received).toBe(5);
  expect((await right.host.ping(await ipv4Of(left), { count: 5 })).received).toBe(5);
  for (const path of [...(await left.peer("right")).paths, ...(await right.peer("left")).paths]) {
    if (path.remote?.startsWith(HOME_LAN.ipv4Prefix)) expect(["checking", "failed"]).toContain(path.state);
  }
}

/** Machines with the peer's private address were asked, and were not taken for the peer. */
async function expectTwinsAsked({ left, right, twinOfRight, echoAtLeft }: Neighbours): Promise<void> {
  expect(await checksSeen(twinOfRight.host)).toBeGreaterThan(0);
  expect(await checksSeen(echoAtLeft)).toBeGreaterThan(0);
  expect((await left.ping("twin", ["--until-direct", "--timeout", "20"])).direct).toBe(true);
  // The hairpin may have been the first that answered; the nearer address takes over while there is traffic.
  await vi.waitFor(async () => {
    await left.ping("twin", ["--count", "2"]);
    expect((await left.peer("twin")).path.remote).toBe(`192.168.1.20:${AGENT_PORT}`);
  }, SLOW);
  expect((await left.peer("right")).path.remote).not.toContain(HOME_LAN.ipv4Prefix);
  expect((await right.peer("left")).path.remote).not.toContain(HOME_LAN.ipv4Prefix);
}

describe("two homes behind one carrier-grade NAT, with the same private addresses", () => {
  test("connect by its hairpin, and never to the machine next door that has the peer's address", async () => {
    const all = await neighbours("hairpin", true);
    await using _ = all.world;
    expect((await all.left.ping("right", ["--until-direct", "--timeout", "20"])).direct).toBe(true);
    await expectPaths(all, {
      kind: "direct",
      remote: expect.stringContaining(`${all.provider.machine.ipv4}:`) as unknown,
    });
    await expectTwinsAsked(all);
  });

  test("connect by the relay where there is no hairpin", async () => {
    const all = await neighbours("nohairpin", false);
    await using _ = all.world;
    const report = await all.left.ping("right", ["--until-direct", "--timeout", "6"], { timeoutMs: 30_000 });
    expect(report.received).toBeGreaterThan(0);
    expect(report.direct).toBe(false);
    await expectPaths(all, { kind: "relayed" });
    await expectTwinsAsked(all);
  });
});
