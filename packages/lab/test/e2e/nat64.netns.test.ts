import { isDeepStrictEqual } from "node:util";
/** A host without IPv4 behind a NAT64, and the rest of the world without IPv6. */
import { expect, test } from "vitest";
import { measureTcp, Nat64Gateway } from "../../src/index.ts";
import { firstAnswerMs, ipv4Of, ipv6Of, reportFigure, World } from "./world.ts";

test("a host without IPv4 joins a server of which it has the IPv4 address, and reaches a peer without IPv6", async () => {
  await using world = await World.create("nat64", [], { uplink: { ipv6: false } });
  const [mobile, home] = await Promise.all([
    world.lab.router("mobile", world.internet, { nat: "port-restricted" }),
    world.lab.router("home", world.internet, { nat: "port-restricted", ipv6: false }),
  ]);
  const gateway = await Nat64Gateway.start(mobile);
  const [hostA, hostB] = await Promise.all([mobile.host("a", { ipv4: false }), home.host("b")]);
  await hostA.useResolver(gateway.resolver);
  const [a, b] = await world.members(hostA, hostB);
  expect(world.server.url).toMatch(/^https:\/\/203\.0\.113\.\d+$/);
  expect((await a!.status()).server).toMatchObject({ url: world.server.url, connected: true });

  reportFigure("first answer through the NAT64", await firstAnswerMs(hostA, await ipv4Of(b!)), "ms", "1000");
  const report = await a!.ping("b", ["--until-direct", "--timeout", "20"]);
  expect(report.direct, JSON.stringify((await a!.peer("b")).paths)).toBe(true);
  expect((await a!.peer("b")).path).toMatchObject({ kind: "direct", link: "eth0" });
  // What the server can tell of two NATs of the same kind is the same, whatever is translated on the way.
  const [natOfA, natOfB] = [a, b].map((agent) => async () => (await agent!.network()).self.nat);
  const areAlike = async () => isDeepStrictEqual(await natOfA!(), { ...(await natOfB!()), udp: true });
  await expect.poll(areAlike, { timeout: 20_000 }).toBe(true);
  const { received } = await hostB.ping(await ipv6Of(a!), { count: 3 });
  expect(received).toBe(3);
  const { bitsPerSecond } = await measureTcp(hostA, hostB, { address: await ipv4Of(a!), seconds: 1 });
  reportFigure("TCP through the NAT64", bitsPerSecond / 1e6, "Mbit/s", "20");
  expect(bitsPerSecond / 1e6).toBeGreaterThan(20);
});

test("where the NAT64 lets no UDP pass, its relay is reached by a stream", async () => {
  await using world = await World.create("nat64tcp", [], { uplink: { ipv6: false } });
  const router = { nat: "port-restricted", firewall: "block-udp" } as const;
  const mobile = await world.lab.router("mobile", world.internet, router);
  const gateway = await Nat64Gateway.start(mobile);
  const hosts = await Promise.all([mobile.host("a", { ipv4: false }), world.internet.host("b", { ipv6: false })]);
  await hosts[0]!.useResolver(gateway.resolver);
  const [a, b] = await world.members(...hosts);
  expect((await hosts[0]!.ping(await ipv4Of(b!), { count: 10, intervalMs: 500 })).received).toBeGreaterThan(3);
  expect((await a!.peer("b")).path).toMatchObject({ kind: "relayed", relay: world.serverHost.ipv4 });
});
