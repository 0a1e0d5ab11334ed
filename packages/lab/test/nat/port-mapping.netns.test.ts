import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { createParser } from "@asterism/core/control";
import { unwrap } from "@asterism/core/errors";
import { type LinksAnswer, NetcheckAnswer, type NetworkCheck } from "@asterism/core/local-api";
import { describe, test, vi } from "vitest";
import type { Host } from "../../src/net/host.ts";
import type { RouterOptions } from "../../src/net/router.ts";
import type { AgentProcess } from "../../src/product/agent-process.ts";
import { World } from "../e2e/world.ts";

const parseNetcheck = createParser("netcheck", NetcheckAnswer);
/** Public for miniupnpd, which does not map ports of documentation addresses. */
const EXTERNAL = "11.0.0.7";
const SLOW = { timeout: 20_000, interval: 200 };

/** A router that has only ever heard of NAT-PMP. */
const ONLY_NAT_PMP = `table inet old_router {
  chain input { type filter hook input priority filter - 1; udp dport 5351 @th,64,8 2 drop; }
}`;

/** A home behind a symmetric NAT with a router that maps ports. */
function homeRouter(portMapping: NonNullable<RouterOptions["portMapping"]>): RouterOptions {
  return { nat: "symmetric", ipv6: false, uplink: { ipv4: EXTERNAL }, portMapping };
}

async function member(world: World, host: Host, args: readonly string[] = []): Promise<AgentProcess> {
  const agent = await world.agent(host, { args });
  await agent.join(await world.server.createKey());
  return agent;
}

/** Of the whole agent, with everything it has started. */
async function residentBytes(agent: AgentProcess): Promise<number> {
  const { stdout } = await agent.host.shell(`ps -o rss= --ppid ${agent.process.pid} -p ${agent.process.pid}`);
  const sizes = stdout.trim().split("\n").map(Number);
  return sizes.reduce((sum, kibibytes) => sum + kibibytes * 1_024, 0);
}

async function netcheck(agent: AgentProcess): Promise<NetworkCheck> {
  const { stdout } = await agent.command(["netcheck", "--json"]);
  return unwrap(parseNetcheck(JSON.parse(stdout))).networks[0]!;
}

/** These wait for most of a minute, and so begin before the others. */
describe.concurrent("the mapping", () => {
  test("of a router that grants half a minute is renewed before its time is up", async ({ expect, onTestFailed }) => {
    await using world = await World.create("short", [], { onTestFailed });
    const options = homeRouter({ upnp: false, maxLifetimeSeconds: 32 });
    const home = await world.lab.router("home", world.internet, options);
    await member(world, await home.host("laptop"));
    const isMapped = async (): Promise<void> => expect(await home.portMapping!.mappings()).toHaveLength(1);
    await vi.waitFor(isMapped, SLOW);
    for (let second = 0; second < 45; second++) {
      await delay(1_000);
      await isMapped();
    }
  });

  test("of a router that tells of its restart by its epoch only is renewed within a minute or so", async ({
    expect,
    onTestFailed,
  }) => {
    await using world = await World.create("epoch", [], { onTestFailed });
    const homes = await Promise.all(
      [
        ["pcp", "11.0.0.7", ""],
        ["natpmp", "11.0.0.8", ONLY_NAT_PMP],
      ].map(async ([name, ipv4, rules]) => {
        const options = { ...homeRouter({ upnp: false }), uplink: { ipv4: ipv4! } };
        const home = await world.lab.router(`home-${name}`, world.internet, options);
        if (rules !== "") await home.machine.nft(rules!);
        await member(world, await home.host(name!));
        return home.portMapping!;
      }),
    );
    await vi.waitFor(async () => {
      for (const router of homes) expect(await router.mappings()).toHaveLength(1);
    }, SLOW);
    // The epoch of a router that has just booted is that of one that boots again: RFC 6887 §8.5 allows 2 s and 1/16.
    await delay(10_000);
    await Promise.all(
      homes.map(async (router) => {
        await router.kill();
        await router.startAgain();
        expect(await router.mappings()).toEqual([]);
        await vi.waitFor(async () => expect(await router.mappings()).toHaveLength(1), {
          timeout: 90_000,
          interval: 500,
        });
      }),
    );
  });
});

describe.concurrent("two sites that can't punch through, one with a router that maps ports", () => {
  test.for(["port-restricted", "symmetric"] as const)(
    "a peer behind a %s NAT comes in directly",
    async (nat, { expect, onTestFailed }) => {
      await using world = await World.create("mapped", [], { onTestFailed });
      const home = await world.lab.router("home", world.internet, homeRouter({}));
      const office = await world.lab.router("office", world.internet, { nat, ipv6: false });
      const [laptop, desk] = [await home.host("laptop"), await office.host("desk")];
      const [a, b] = [await member(world, laptop), await member(world, desk)];
      await vi.waitFor(async () => {
        expect(await home.portMapping!.mappings()).toEqual([`41641 -> ${laptop.ipv4}:41641`]);
      }, SLOW);
      const report = await b.ping("laptop", ["--until-direct", "--timeout", "20"]);
      expect(report.direct).toBe(true);
      expect((await b.peer("laptop")).path).toMatchObject({ kind: "direct", remote: `${EXTERNAL}:41641` });
      const { ipv4 } = (await b.peer("laptop")) as { ipv4: string };
      expect((await desk.ping(ipv4, { count: 5 })).received).toBe(5);
      expect((await a.peer("desk")).path.kind).toBe("direct");
    },
  );

  test("with two such routers each link has a mapping of its own, and the peer comes in by both", async ({
    expect,
    onTestFailed,
  }) => {
    await using world = await World.create("twice", [], { onTestFailed });
    const homes = await Promise.all(
      [EXTERNAL, "11.0.0.8"].map((ipv4, index) =>
        world.lab.router(`home${index}`, world.internet, { ...homeRouter({}), uplink: { ipv4 } }),
      ),
    );
    const office = await world.lab.router("office", world.internet, { nat: "symmetric", ipv6: false });
    const laptop = await homes[0]!.host("laptop");
    await homes[1]!.lan.attach(laptop);
    const [a] = await world.membersWith(["--links", "eth0,eth1"], laptop);
    const b = await member(world, await office.host("desk"));
    const linksOf = async () =>
      (JSON.parse((await a!.command(["links", "--json"])).stdout) as LinksAnswer).networks[0]!.links;
    const ports = (await linksOf()).map(({ port }) => port);
    await vi.waitFor(async () => {
      const mappings = await Promise.all(homes.map((home) => home.portMapping!.mappings()));
      expect(mappings).toEqual(
        homes.map((_, index) => [`${ports[index]} -> ${laptop.attachments[index]!.ipv4}:${ports[index]}`]),
      );
    }, SLOW);
    const mapped = [`${EXTERNAL}:${ports[0]}`, `11.0.0.8:${ports[1]}`];
    await vi.waitFor(async () => {
      const links = await linksOf();
      for (const [index, { publicAddresses }] of links.entries()) expect(publicAddresses).toContain(mapped[index]);
    }, SLOW);
    await b.ping("laptop", ["--until-direct", "--timeout", "20"]);
    await vi.waitFor(async () => {
      const { paths } = await b.peer("laptop");
      const working = paths.filter(
        ({ kind, state }) => kind === "direct" && (state === "active" || state === "standby"),
      );
      expect(working.map(({ remote }) => remote)).toEqual(expect.arrayContaining(mapped));
    }, SLOW);
    await a!.stop();
    for (const home of homes) expect(await home.portMapping!.mappings()).toEqual([]);
  });

  test("without the mapping the same pair has no direct path", async ({ expect, onTestFailed }) => {
    await using world = await World.create("unmapped", [], { onTestFailed });
    const home = await world.lab.router("home", world.internet, homeRouter({}));
    const office = await world.lab.router("office", world.internet, { nat: "symmetric", ipv6: false });
    const a = await member(world, await home.host("laptop"), ["--no-port-mapping"]);
    const b = await member(world, await office.host("desk"));
    const report = await b.ping("laptop", ["--until-direct", "--timeout", "5"], { timeoutMs: 30_000 });
    expect(report.direct).toBe(false);
    expect(await home.portMapping!.mappings()).toEqual([]);
    expect((await netcheck(a)).portMapping).toBeNull();
  });
});

describe.concurrent("a router that is no help", () => {
  test("itself behind a NAT, it is reported and nothing is offered", async ({ expect, onTestFailed }) => {
    await using world = await World.create("double", [], { onTestFailed });
    const carrier = { nat: "port-restricted", ipv6: false, lan: { ipv4Prefix: "100.64.7" } } as const;
    const provider = await world.lab.router("provider", world.internet, carrier);
    const home = await world.lab.router("home", provider.lan, { nat: "port-restricted", ipv6: false, portMapping: {} });
    const agent = await member(world, await home.host("laptop"));
    await vi.waitFor(async () => {
      expect(await netcheck(agent)).toMatchObject({
        portMappings: [],
        portMapping: { external: null, problem: { case: "not-connected" } },
      });
    }, SLOW);
  });

  test.for(["garbage", "endless", "elsewhere", "deep"])(
    "hostile (%s), it does the agent no harm",
    async (kind, { expect, onTestFailed }) => {
      await using world = await World.create(kind, [], { onTestFailed });
      const home = await world.lab.router("home", world.internet, { nat: "port-restricted", ipv6: false });
      const script = fileURLToPath(new URL("../fixtures/hostile-router.ts", import.meta.url));
      const router = home.machine.spawn([process.execPath, script, home.lan.gatewayIpv4, kind, home.machine.ipv4]);
      await router.waitForOutput(/ready/);
      const agent = await member(world, await home.host("laptop"));
      await vi.waitFor(async () => expect((await netcheck(agent)).portMapping).not.toBeNull(), SLOW);
      expect(router.stdout).toContain("asked by UPnP");
      expect(router.stdout).not.toContain("led elsewhere");
      expect(await netcheck(agent)).toMatchObject({
        portMappings: [],
        portMapping: { external: null, problem: { case: "refused" } },
      });
      expect(await residentBytes(agent)).toBeLessThan(400 << 20);
      expect((await agent.network()).state).toBe("running");
    },
  );
});

describe.concurrent("a mapping", () => {
  test.for([
    ["pcp", { upnp: false }, ""],
    ["nat-pmp", { upnp: false }, ONLY_NAT_PMP],
    ["upnp", { natPmp: false }, ""],
  ] as const)(
    "by %s is made, renewed after the router's restart and deleted at the end",
    async ([protocol, options, rules], { expect, onTestFailed }) => {
      await using world = await World.create(protocol.replace("-", ""), [], { onTestFailed });
      const home = await world.lab.router("home", world.internet, homeRouter(options));
      if (rules !== "") await home.machine.nft(rules);
      const laptop = await home.host("laptop");
      const agent = await member(world, laptop);
      const mappings = () => home.portMapping!.mappings();
      const mapping = [`41641 -> ${laptop.ipv4}:41641`];
      const isMapped = async (): Promise<void> => expect(await mappings()).toEqual(mapping);
      await vi.waitFor(isMapped, SLOW);
      expect(await netcheck(agent)).toMatchObject({
        portMappings: [`${EXTERNAL}:41641`],
        portMapping: { protocol, external: `${EXTERNAL}:41641`, problem: null },
      });

      await laptop.uplink.cut();
      await home.portMapping!.kill();
      expect(await mappings()).toEqual([]);
      await home.portMapping!.startAgain();
      await laptop.uplink.mend();
      await vi.waitFor(isMapped, SLOW);

      await agent.kill();
      expect(await mappings()).toEqual(mapping);
      await agent.startAgain();
      await vi.waitFor(async () => expect((await netcheck(agent)).portMapping?.protocol).toBe(protocol), SLOW);
      expect(await mappings()).toEqual(mapping);

      await agent.stop();
      expect(await mappings()).toEqual([]);
    },
  );
});
