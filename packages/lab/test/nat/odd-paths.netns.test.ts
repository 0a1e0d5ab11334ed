/** Networks where what goes out and what comes back differ, or where a neighbour can't be reached as one. */
import { describe, test, vi } from "vitest";
import type { AgentProcess } from "../../src/product/agent-process.ts";
import { ipv4Of, World } from "../e2e/world.ts";

const UNTIL_DIRECT = ["--until-direct", "--timeout", "20"];
const SLOW = { timeout: 40_000, interval: 500 };

async function adviceOf(agent: AgentProcess, peer: string): Promise<string> {
  const { stdout } = await agent.command(["explain", peer, "--json"]);
  return (JSON.parse(stdout) as { readonly advice: { readonly case: string } }).advice.case;
}

describe.concurrent("two machines with the same address in homes of the same range", () => {
  test("connect by the homes' public addresses, and don't take themselves for the other", async ({
    expect,
    onTestFailed,
  }) => {
    await using world = await World.create("twins", [], { onTestFailed });
    const lan = { ipv4Prefix: "192.168.1" };
    const [left, right] = await Promise.all(
      ["left", "right"].map((name) =>
        world.lab.router(name, world.internet, { nat: "port-restricted", ipv6: false, lan }),
      ),
    );
    const hosts = await Promise.all([
      left!.host("a", { ipv4: "192.168.1.10" }),
      right!.host("b", { ipv4: "192.168.1.10" }),
    ]);
    const [a, b] = await world.members(...hosts);
    expect((await a!.ping("b", UNTIL_DIRECT)).direct).toBe(true);
    expect((await b!.ping("a", UNTIL_DIRECT)).direct).toBe(true);
    expect((await a!.peer("b")).path.remote).toContain(`${right!.machine.ipv4}:`);
    expect((await b!.peer("a")).path.remote).toContain(`${left!.machine.ipv4}:`);
    expect((await hosts[0]!.ping(await ipv4Of(b!), { count: 3 })).received).toBe(3);
  });
});

describe.concurrent("a LAN that keeps its machines apart", () => {
  test.for([
    ["the router's hairpin", true, "direct"],
    ["the relay where there is none", false, "relayed"],
  ] as const)("connects them by %s", async ([, hairpin, kind], { expect, onTestFailed }) => {
    await using world = await World.create("isolated", [], { onTestFailed });
    const options = { nat: "port-restricted", hairpin, ipv6: false } as const;
    const home = await world.lab.router("home", world.internet, options);
    const hosts = [await home.host("a"), await home.host("b")];
    // As guest networks do: nothing passes from port to port.
    await home.machine.ip(["lan0p0", "lan0p1"].map((port) => `link set ${port} type bridge_slave isolated on`));
    expect((await hosts[0]!.ping(hosts[1]!.ipv4)).received).toBe(0);
    const [a, b] = await world.members(...hosts);
    await a!.ping("b", hairpin ? UNTIL_DIRECT : ["-c", "1", "--timeout", "20"]);
    await vi.waitFor(async () => {
      for (const [agent, peer] of [
        [a!, "b"],
        [b!, "a"],
      ] as const) {
        const { path } = await agent.peer(peer);
        expect(path.kind).toBe(kind);
        if (hairpin) expect(path.remote).toContain(`${home.machine.ipv4}:`);
      }
    }, SLOW);
    expect((await hosts[0]!.ping(await ipv4Of(b!), { count: 3 })).received).toBe(3);
  });
});

describe.concurrent("asymmetric ways", () => {
  test("out by one uplink and back by the other, with answers from another address, are direct", async ({
    expect,
    onTestFailed,
  }) => {
    await using world = await World.create("asymmetric", [], { onTestFailed });
    const [hostA, hostB] = await Promise.all(["a", "b"].map((name) => world.internet.host(name, { ipv6: false })));
    const [secondA, secondB] = await Promise.all(
      [hostA!, hostB!].map((host) => world.internet.attach(host, { ipv6: false })),
    );
    // What `a` sends to `b` has the address of its first uplink and leaves by the second.
    const viaSecond = [hostB!.ipv4, secondB!.ipv4].map(
      (to) => `route add ${to} via 203.0.113.1 dev ${secondA!.interfaceName} onlink src ${hostA!.ipv4}`,
    );
    await hostA!.ip(viaSecond);
    // `b` is asked at its first address, and answers from its second.
    await hostB!.ip([`route replace default via 203.0.113.1 dev ${secondB!.interfaceName} onlink metric 50`]);
    const [a, b] = await world.members(hostA!, hostB!);
    expect((await a!.ping("b", UNTIL_DIRECT)).direct).toBe(true);
    expect((await b!.ping("a", UNTIL_DIRECT)).direct).toBe(true);
    expect((await hostA!.ping(await ipv4Of(b!), { count: 20, intervalMs: 100 })).received).toBe(20);
    expect((await a!.peer("b")).path.kind).toBe("direct");
  });

  test("where one direction is blocked, the relay carries both, and the end that hears knows", async ({
    expect,
    onTestFailed,
  }) => {
    await using world = await World.create("oneway", [], { onTestFailed });
    const [hostA, hostB] = await Promise.all(["a", "b"].map((name) => world.internet.host(name, { ipv6: false })));
    await world.internet.router.nft(`table ip lab_one_way { chain forward {
      type filter hook forward priority filter;
      ip saddr ${hostB!.ipv4} ip daddr ${hostA!.ipv4} meta l4proto udp drop; }; }`);
    const [a, b] = await world.members(hostA!, hostB!);
    expect((await hostA!.ping(await ipv4Of(b!), { count: 10 })).received).toBeGreaterThan(5);
    await vi.waitFor(async () => {
      expect(await adviceOf(b!, "a")).toBe("relayed-one-way");
    }, SLOW);
    expect((await a!.peer("b")).path.kind).toBe("relayed");
    expect((await hostA!.ping(await ipv4Of(b!), { count: 3 })).received).toBe(3);
  });
});
