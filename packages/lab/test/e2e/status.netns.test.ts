import { describe, expect, test } from "vitest";
import { firstAnswerMs, ipv4Of, World } from "./world.ts";

const TEXT: unknown = expect.any(String);
const NUMBER: unknown = expect.any(Number);
const ISO_TIME: unknown = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/);

describe("what scripts rely on", () => {
  test("status --json has the shape of the contract", async () => {
    await using world = await World.create("status");
    const [a, b] = await world.publicMembers("a", "b");
    await firstAnswerMs(a!.host, await ipv4Of(b!));
    const status = await a!.status();
    expect(status).toMatchObject({
      version: TEXT,
      agent: { machineKey: TEXT, uptimeSeconds: NUMBER },
      server: { url: world.server.url, connected: true, since: ISO_TIME },
      networks: [
        {
          name: "default",
          kind: "ip",
          interface: TEXT,
          state: "running",
          self: {
            name: "a",
            fqdn: expect.stringMatching(/^a\.[a-z0-9-]+\.default\.internal$/) as unknown,
            ipv4: expect.stringMatching(/^100\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7])\./) as unknown,
            ipv6: expect.stringMatching(/^f[cd]/) as unknown,
            nodeKey: TEXT,
            nat: { mapping: TEXT, filtering: TEXT, type: TEXT },
          },
          peers: [
            {
              name: "b",
              fqdn: expect.stringMatching(/^b\..*\.internal$/) as unknown,
              ipv4: await ipv4Of(b!),
              ipv6: TEXT,
              nodeKey: TEXT,
              online: true,
              path: {
                kind: "direct",
                remote: expect.stringMatching(/^(203\.0\.113\.|\[2001:db8:)/) as unknown,
                link: "eth0",
                relay: null,
                rttMs: NUMBER,
              },
              mode: "best",
              txBytes: NUMBER,
              rxBytes: NUMBER,
              txPackets: NUMBER,
              rxPackets: NUMBER,
              txRelayedPackets: 0,
              rxRelayedPackets: 0,
              lastHandshake: ISO_TIME,
              problem: null,
            },
          ],
        },
      ],
    });
    const path = status.networks[0]?.peers[0]?.paths.find(({ state }) => state === "active");
    expect(path).toMatchObject({ kind: "direct", remote: TEXT, link: "eth0", lossRatio: NUMBER, weight: NUMBER });
    // Each side chooses its path by itself and the first packets may come before the choice: both settle on some path.
    const traffic = async (): Promise<number[]> => {
      await a!.ping("b", ["-c", "1"]);
      const { paths } = await a!.peer("b");
      return [Math.max(...paths.map(({ txBytes }) => txBytes)), Math.max(...paths.map(({ rxBytes }) => rxBytes))];
    };
    await expect.poll(async () => Math.min(...(await traffic())), { timeout: 10_000 }).toBeGreaterThan(0);
  });

  test("peers, ping and status for people and for programs", async () => {
    await using world = await World.create("people");
    const [a, b] = await world.publicMembers("a", "b");
    const address = await ipv4Of(b!);
    for (const target of ["b", address, (await b!.network()).self.fqdn]) {
      const report = await a!.ping(target, ["-c", "1"]);
      expect(report.received).toBe(1);
    }
    expect((await a!.ping("b", ["--until-direct"])).direct).toBe(true);
    expect((await a!.command(["peers"])).stdout).toContain(address);
    expect((await a!.command(["status"])).stdout).toContain(address);
    const nobody = await a!.command(["ping", "nobody"], { allowFailure: true });
    expect(nobody.code).toBe(1);
    expect(nobody.stderr).toMatch(/nobody/);
    await b!.stop();
    const silent = await a!.command(["ping", "b", "-c", "1", "--timeout", "2"], { allowFailure: true });
    expect(silent.code).toBe(1);
    await expect.poll(async () => (await a!.peer("b")).online, { timeout: 20_000, interval: 500 }).toBe(false);
  });

  test("one ready line each, logs on standard error, usage errors with code 2", async () => {
    await using world = await World.create("contract");
    expect(world.server.process.stdout).toBe(`ready: ${world.server.url}\n`);
    const [a] = await world.publicMembers("a");
    expect(a!.process.stdout).toBe("ready\n");
    const usage = await a!.command(["join"], { allowFailure: true });
    expect(usage.code).toBe(2);
    const key = await world.server.admin(["key", "create", "--json"]);
    expect(JSON.parse(key.stdout)).toMatchObject({ key: expect.stringMatching(/^ast1_/) as unknown });
    expect(await world.server.createKey()).toMatch(/^ast1_\S+$/);
    const sockets = await a!.host.shell(`stat -c %a ${a!.socket}; find ${a!.stateDir} -type f -size +0 -perm /077`);
    expect(sockets.stdout).toBe("600\n");
  });

  test("the server's page says what this is", async () => {
    await using world = await World.create("page");
    const { stdout } = await world.serverHost.exec(["curl", "-sk", `${world.server.url}/`]);
    expect(stdout).toMatch(/<html/i);
    expect(stdout).toMatch(/asterism join/);
  });
});
