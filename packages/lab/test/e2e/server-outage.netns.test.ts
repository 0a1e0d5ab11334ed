import { setTimeout as delay } from "node:timers/promises";
import { expect, test } from "vitest";
import { firstAnswerMs, ipv4Of, reportFigure, World } from "./world.ts";

/** Far beyond the goals: here the machine may be busy. */
const LIMIT_MS = 20_000;
const OUTAGE_MS = Number(process.env["ASTERISM_TEST_OUTAGE_SECONDS"] ?? 10) * 1_000;

test("the server is dead for a while: no connection is lost, and all catch up when it is back", async () => {
  await using world = await World.create("minute");
  const [a, b, c] = await world.publicMembers("a", "b", "c");
  const [addressB, addressC] = [await ipv4Of(b!), await ipv4Of(c!)];
  for (const address of [addressB, addressC]) await firstAnswerMs(a!.host, address);
  await world.server.kill();
  const diedAt = performance.now();
  const pinging = a!.host.ping(addressB, { count: OUTAGE_MS / 500, intervalMs: 500, timeoutMs: 2_000 });
  await delay(OUTAGE_MS / 2);
  await c!.stop();
  const startedAt = performance.now();
  await c!.startAgain();
  const readyMs = performance.now() - startedAt;
  await firstAnswerMs(c!.host, addressB, LIMIT_MS);
  reportFigure(
    `server dead: agent restart (ready after ${readyMs.toFixed(0)} ms) to first ping of a peer`,
    performance.now() - startedAt,
    "ms",
    "< 2000 ms",
  );
  const { sent, received } = await pinging;
  reportFigure(
    `server dead for ${((performance.now() - diedAt) / 1000).toFixed(0)} s: pings lost`,
    sent - received,
    "",
    "0",
  );
  expect(sent - received).toBeLessThanOrEqual(1);
  await world.server.startAgain();
  for (const agent of [a!, b!, c!]) {
    const isConnected = async () => (await agent.network()).server.connected;
    await expect.poll(isConnected, { timeout: 60_000, interval: 500 }).toBe(true);
  }
  // What happens next is heard by everybody.
  await world.server.admin(["device", "remove", "b"]);
  await expect
    .poll(async () => (await c!.network()).peers.map(({ name }) => name), { timeout: LIMIT_MS })
    .toEqual(["a"]);
});

test("a member that never met another one reaches it through one connected to both", async () => {
  await using world = await World.create("forward", ["--relay", "none"]);
  const home = await world.lab.router("home", world.internet, { nat: "port-restricted", ipv6: false });
  const [hostA, hostC] = [await world.internet.host("a"), await world.internet.host("c")];
  const [a, b, c] = await world.members(hostA, await home.lan.host("b"), hostC);
  const [addressB, addressC] = [await ipv4Of(b!), await ipv4Of(c!)];
  await Promise.all([firstAnswerMs(a!.host, addressC), firstAnswerMs(b!.host, addressC)]);
  await world.server.kill();
  reportFigure(
    "server dead: first ping of a member never met, behind a NAT",
    await firstAnswerMs(a!.host, addressB, LIMIT_MS),
    "ms",
    "< 2000 ms",
  );
  // From another address nobody knows where it is, nor whether its tunnels are of any use.
  // It is stopped, not killed: what it learnt a moment ago is on its disk.
  await a!.stop();
  await hostA.uplink.renumber({ ipv4: "198.51.100.77" });
  await a!.startAgain();
  const startedAt = performance.now();
  await firstAnswerMs(a!.host, addressB, LIMIT_MS);
  reportFigure("… from its start at another address on", performance.now() - startedAt, "ms", "< 2000 ms");
  expect((await a!.peer("b")).path.kind).toBe("direct");
  // The peer's own call comes through c, or inside the tunnel, or after the path works: that is up to chance.
  const { stdout } = await a!.command(["explain", "b"]);
  expect(stdout).toMatch(/calls +sent .*through c /);
});
