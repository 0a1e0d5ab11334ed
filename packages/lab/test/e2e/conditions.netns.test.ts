import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { measureTcp } from "../../src/index.ts";
import { firstAnswerMs, ipv4Of, reportFigure, World } from "./world.ts";

const SPRAY = fileURLToPath(new URL("../fixtures/spray.ts", import.meta.url));

describe("unfriendly surroundings", () => {
  test("hosts whose kernel has IPv6 switched off", async () => {
    await using world = await World.create("no6");
    const hosts = await Promise.all(["a", "b"].map((name) => world.internet.host(name, { ipv6: false })));
    for (const host of hosts) {
      await host.shell("for c in all default; do echo 1 > /proc/sys/net/ipv6/conf/$c/disable_ipv6; done");
    }
    const [a, b] = await world.members(...hosts);
    await firstAnswerMs(a!.host, await ipv4Of(b!));
    expect((await a!.network()).state).toBe("running");
  });

  test("an underlay of 1280 bytes carries full-size packets", async () => {
    await using world = await World.create("small");
    const [hostA, hostB] = await Promise.all([
      world.internet.host("a", { link: { mtuBytes: 1_280 } }),
      world.internet.host("b"),
    ]);
    const [a, b] = await world.members(hostA, hostB);
    const address = await ipv4Of(b!);
    await firstAnswerMs(a!.host, address);
    const { sent, received } = await a!.host.ping(address, { count: 5, intervalMs: 50, sizeBytes: 1_300 });
    expect(received).toBeGreaterThanOrEqual(sent - 1);
    for (const reverse of [false, true]) {
      const { bitsPerSecond } = await measureTcp(b!.host, a!.host, { address, seconds: 1, reverse });
      expect(bitsPerSecond / 1e6).toBeGreaterThan(20);
    }
  });

  test("rubbish at the agent's port is dropped and costs nothing", async () => {
    await using world = await World.create("rubbish");
    const [a, b] = await world.publicMembers("a", "b");
    const attacker = await world.internet.host("attacker");
    const address = await ipv4Of(b!);
    await firstAnswerMs(a!.host, address);
    const before = await residentMb(b!.process.pid);
    const spray = attacker.spawn([process.execPath, SPRAY, b!.host.ipv4, "41641", "20000", "7"]);
    const { sent, received } = await a!.host.ping(address, { count: 100, intervalMs: 10 });
    expect(received).toBe(sent);
    expect((await spray.exited).code).toBe(0);
    expect((await a!.host.ping(address, { count: 10, intervalMs: 10 })).received).toBe(10);
    const grownMb = (await residentMb(b!.process.pid)) - before;
    reportFigure("memory grown under 20,000 packets of rubbish", grownMb, "MB", "none lasting");
    expect(grownMb).toBeLessThan(40);
    expect((await b!.network()).state).toBe("running");
  });

  test("rubbish at the server's port", async () => {
    await using world = await World.create("noise");
    const attacker = await world.internet.host("attacker");
    const url = world.server.url;
    const noise = `head -c 100000 /dev/urandom | timeout 5 bash -c 'cat >/dev/tcp/${world.serverHost.ipv4}/443'`;
    for (let round = 0; round < 5; round++) await attacker.shell(noise, { allowFailure: true });
    const posts = ['{"', "[[[[[[", "null", `{"a":"${"x".repeat(3_000_000)}"}`];
    for (const body of posts) {
      const argv = ["curl", "-sk", "-m", "10", "-o", "/dev/null", "-w", "%{http_code}", "--data-binary", "@-"];
      const answer = await attacker.exec([...argv, "-H", "content-type: application/json", `${url}/api/v1/join`], {
        input: body,
        allowFailure: true,
      });
      expect(answer.stdout).toMatch(/^(4\d\d|000)$/);
    }
    const [a] = await world.publicMembers("a");
    expect((await a!.network()).state).toBe("running");
    expect(world.server.process.running).toBe(true);
  });

  test("an ephemeral member is gone from the network after it has left", async () => {
    await using world = await World.create("ephemeral");
    const [a] = await world.publicMembers("a");
    const passing = await world.agent(await world.internet.host("passing"));
    await passing.join(await world.server.createKey({ ephemeral: true }));
    await firstAnswerMs(a!.host, await ipv4Of(passing));
    await passing.command(["leave"]);
    const names = async (): Promise<string[]> => (await a!.network()).peers.map(({ name }) => name);
    await expect.poll(names, { timeout: 10_000 }).toEqual([]);
  });

  test("a passphrase: equal ones talk, a wrong one is named as such", async () => {
    await using world = await World.create("secret");
    const hosts = await Promise.all(["a", "b", "c"].map((name) => world.internet.host(name)));
    const [a, b, c] = await Promise.all(hosts.map((host) => world.agent(host)));
    const key = await world.server.createKey({ reusable: true });
    await a!.join(key, { secret: "correct horse" });
    await b!.join(key, { secret: "correct horse" });
    await firstAnswerMs(a!.host, await ipv4Of(b!));
    const wrong = await c!.join(key, { secret: "battery staple", allowFailure: true });
    if (wrong.code === 0) {
      expect((await c!.ping("a", ["-c", "1", "--timeout", "4"])).received).toBe(0);
      const problems = [(await c!.network()).problem, (await c!.peer("a")).problem].join(" ");
      expect(problems).toMatch(/passphrase/i);
    } else {
      expect(wrong.stderr).toMatch(/passphrase/i);
    }
  });
});

async function residentMb(pid: number): Promise<number> {
  return (Number(/^VmRSS:\s+(\d+) kB/m.exec(await readFile(`/proc/${pid}/status`, "utf8"))?.[1]) * 1_024) / 1e6;
}
