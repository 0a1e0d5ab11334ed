/** The product in networks of other shapes: carrier-grade NAT, both IP versions, IPv6 alone. */
import { expect, onTestFailed, test } from "vitest";
import { Lab } from "../../src/index.ts";
import { AgentProcess } from "../../src/product/agent-process.ts";
import { warmUp } from "../../src/product/asterism-command.ts";
import { ServerProcess } from "../../src/product/server-process.ts";
import { World } from "../e2e/world.ts";

const UNTIL_DIRECT = ["--until-direct", "--timeout", "20"];

test("a home behind a carrier's NAT becomes direct with another home", async () => {
  await using world = await World.create("cgnat");
  const { lab, internet } = world;
  const carrier = await lab.router("carrier", internet, { nat: "port-restricted", ipv6: false });
  const [home, other] = await Promise.all([
    lab.router("home", carrier.lan, { nat: "port-restricted", ipv6: false }),
    lab.router("other", internet, { nat: "restricted-cone", ipv6: false }),
  ]);
  const [a, b] = await world.members(await home.host("a"), await other.host("b"));
  expect((await a!.ping("b", UNTIL_DIRECT)).direct).toBe(true);
  expect((await b!.ping("a", UNTIL_DIRECT)).direct).toBe(true);
  expect((await b!.peer("a")).path.remote).toMatch(new RegExp(`^${carrier.machine.ipv4}:`));
});

test("homes whose NATs are hopeless become direct by IPv6, through their firewalls", async () => {
  await using world = await World.create("dual");
  const options = { nat: "symmetric", firewall: "stateful" } as const;
  const [left, right] = await Promise.all([
    world.lab.router("left", world.internet, options),
    world.lab.router("right", world.internet, options),
  ]);
  const [a, b] = await world.members(await left.host("a"), await right.host("b"));
  expect((await a!.ping("b", UNTIL_DIRECT)).direct).toBe(true);
  expect((await b!.ping("a", UNTIL_DIRECT)).direct).toBe(true);
  expect((await a!.peer("b")).path.remote).toMatch(/^\[2001:db8:/);
});

test("a home with IPv6 alone becomes direct with one that has both", async () => {
  await using lab = Lab.create("six");
  const internet = await lab.internet();
  const serverHost = await internet.host("server");
  await warmUp(serverHost);
  const server = await ServerProcess.start(serverHost, { address: serverHost.ipv6 });
  const [six, both] = await Promise.all([
    lab.router("six", internet, { firewall: "stateful", uplink: { ipv4: false } }),
    lab.router("both", internet, { nat: "symmetric", firewall: "stateful" }),
  ]);
  const hosts = await Promise.all([six.host("a", { ipv4: false }), both.host("b")]);
  const [a, b] = await Promise.all(hosts.map((host) => AgentProcess.start(host)));
  onTestFailed(() => {
    process.stderr.write([server, a!, b!].map((one) => one.process.describe()).join("\n"));
  });
  const key = await server.createKey({ reusable: true });
  await Promise.all([a!.join(key), b!.join(key)]);
  expect((await a!.ping("b", UNTIL_DIRECT)).direct).toBe(true);
  expect((await b!.ping("a", UNTIL_DIRECT)).direct).toBe(true);
  expect((await b!.peer("a")).path.remote).toMatch(/^\[2001:db8:/);
  const { ipv4 } = await b!.peer("a");
  expect((await b!.host.ping(ipv4 ?? "", { count: 5 })).received).toBe(5);
});
