import { createParser } from "@asterism/core/control";
import { unwrap } from "@asterism/core/errors";
import { NetcheckAnswer, type NetworkCheck } from "@asterism/core/local-api";
import { describe, expect, test } from "vitest";
import type { Host } from "../../src/net/host.ts";
import type { AgentProcess } from "../../src/product/agent-process.ts";
import { ASTERISM_COMMAND } from "../../src/product/asterism-command.ts";
import { World } from "./world.ts";

const SECRET = "a secret of the lab";
const parseNetcheck = createParser("netcheck", NetcheckAnswer);

/** A relay by itself on a host with two public addresses, so that it can tell kinds of NAT apart. */
async function startRelay(world: World): Promise<Host> {
  const host = await world.internet.host("relay");
  await world.internet.attach(host, { ipv6: false });
  const relay = host.spawn([ASTERISM_COMMAND, "relay", "--secret", SECRET]);
  await relay.waitForOutput(/^ready: /m, { timeoutMs: 20_000 });
  await world.server.admin(["relay", "add", host.ipv4, "--secret", SECRET]);
  return host;
}

async function netcheck(agent: AgentProcess): Promise<NetworkCheck> {
  const { stdout } = await agent.command(["netcheck", "--json"]);
  const { networks } = unwrap(parseNetcheck(JSON.parse(stdout)));
  expect(networks).toHaveLength(1);
  return networks[0]!;
}

describe("netcheck", () => {
  test("says what the NAT does, where servers see this machine, and which relay is preferred", async () => {
    await using world = await World.create("check", ["--relay", "none"]);
    const relay = await startRelay(world);
    const home = await world.lab.router("home", world.internet, { nat: "masquerade", ipv6: false });
    const [agent] = await world.members(await home.host("laptop"));
    const check = await netcheck(agent!);
    const publicAddress = `${home.machine.ipv4}:41641`;
    expect(check).toMatchObject({
      network: "default",
      udp: true,
      ipv4: true,
      ipv6: null,
      server: { url: world.server.url, connected: true },
      links: [
        {
          link: "eth0",
          ipVersion: 4,
          udp: true,
          mapping: "endpoint-independent",
          filtering: "address-and-port-dependent",
          type: "port-restricted cone",
          publicAddresses: [publicAddress],
        },
      ],
      relays: [{ name: relay.ipv4, preferred: true, state: "ready", problem: null }],
      advice: { case: "port-restricted" },
    });
    expect(check.stunServers[0]).toMatchObject({
      address: `${relay.ipv4}:3478`,
      answered: true,
      mapped: publicAddress,
    });
    expect(check.relays[0]!.rttMs).toBeGreaterThan(0);
    const { stdout } = await agent!.command(["netcheck"]);
    for (const words of ["NAT: port-restricted cone", "mapping endpoint-independent", publicAddress, "preferred"]) {
      expect(stdout).toContain(words);
    }
  });

  test("tells a firewall that blocks UDP, and what to do about it", async () => {
    await using world = await World.create("blocked", ["--relay", "none"]);
    await startRelay(world);
    const office = await world.lab.router("office", world.internet, { nat: "masquerade", firewall: "block-udp" });
    const [agent] = await world.members(await office.host("desk"));
    const check = await netcheck(agent!);
    expect(check).toMatchObject({
      udp: false,
      server: { connected: true },
      relays: [{ state: "silent", rttMs: null, preferred: false }],
      advice: { case: "udp-blocked" },
    });
    expect(check.links.map(({ type }) => type)).toContain("udp blocked");
  });

  test("without an agent the code is 3; in no network the message says how to mend it", async () => {
    await using world = await World.create("alone");
    const agent = await world.agent(await world.internet.host("alone"));
    const outside = await agent.command(["netcheck"], { allowFailure: true });
    expect(outside.code).toBe(1);
    expect(outside.stderr).toContain("asterism join KEY");
    await agent.stop();
    const alone = await agent.command(["netcheck", "--json"], { allowFailure: true });
    expect(alone.code).toBe(3);
  });
});
