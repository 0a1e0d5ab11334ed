import { createParser } from "@asterism/core/control";
import { unwrap } from "@asterism/core/errors";
import { NetcheckAnswer, type NetworkCheck, PeerExplanation } from "@asterism/core/local-api";
import { describe, expect, test } from "vitest";
import type { Host } from "../../src/net/host.ts";
import type { AgentProcess } from "../../src/product/agent-process.ts";
import { ASTERISM_COMMAND } from "../../src/product/asterism-command.ts";
import { World } from "./world.ts";

const SECRET = "a secret of the lab";
const parseNetcheck = createParser("netcheck", NetcheckAnswer);
const parseExplanation = createParser("explanation", PeerExplanation);

/** A relay by itself on a host with two public addresses, so that it can tell kinds of NAT apart. */
async function startRelay(world: World): Promise<Host> {
  const host = await world.internet.host("relay");
  await world.internet.attach(host, { ipv6: false });
  const relay = host.spawn([ASTERISM_COMMAND, "relay", "--secret", SECRET]);
  await relay.waitForOutput(/^ready: /m, { timeoutMs: 20_000 });
  await world.server.admin(["relay", "add", host.ipv4, "--secret", SECRET]);
  return host;
}

/** Neither end's UDP reaches the other; servers are reached by both. */
async function wallBetween(a: AgentProcess, b: AgentProcess): Promise<void> {
  for (const [end, other] of [
    [a, b],
    [b, a],
  ] as const) {
    await end.host.nft(`table inet wall { chain in { type filter hook input priority 0;
      ip saddr ${other.host.ipv4} meta l4proto udp drop; }; }`);
  }
}

async function netcheck(agent: AgentProcess): Promise<NetworkCheck> {
  const { stdout } = await agent.command(["netcheck", "--json"]);
  const { networks } = unwrap(parseNetcheck(JSON.parse(stdout)));
  expect(networks).toHaveLength(1);
  return networks[0]!;
}

async function explain(agent: AgentProcess, peer: string): Promise<PeerExplanation> {
  const { stdout } = await agent.command(["explain", peer, "--json"]);
  return unwrap(parseExplanation(JSON.parse(stdout)));
}

describe.concurrent("netcheck", () => {
  test("says what the NAT does, where servers see this machine, and which relay is preferred", async ({
    expect,
    onTestFailed,
  }) => {
    await using world = await World.create("check", ["--relay", "none"], { onTestFailed });
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

  test("tells a firewall that blocks UDP, and what to do about it", async ({ expect, onTestFailed }) => {
    await using world = await World.create("blocked", ["--relay", "none"], { onTestFailed });
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

  test("without an agent the code is 3; in no network the message says how to mend it", async ({
    expect,
    onTestFailed,
  }) => {
    await using world = await World.create("alone", [], { onTestFailed });
    const agent = await world.agent(await world.internet.host("alone"));
    const outside = await agent.command(["netcheck"], { allowFailure: true });
    expect(outside.code).toBe(1);
    expect(outside.stderr).toContain("asterism join KEY");
    await agent.stop();
    const alone = await agent.command(["netcheck", "--json"], { allowFailure: true });
    expect(alone.code).toBe(3);
  });
});

describe.concurrent("explain", () => {
  test("a direct path in one LAN needs nothing", async ({ expect, onTestFailed }) => {
    await using world = await World.create("lan", ["--relay", "none"], { onTestFailed });
    await startRelay(world);
    const home = await world.lab.router("home", world.internet, { nat: "masquerade", ipv6: false });
    const [a, b] = await world.members(await home.host("a"), await home.host("b"));
    const explanation = await explain(a!, "b");
    expect(explanation).toMatchObject({
      network: "default",
      peer: { name: "b", online: true, kind: "agent", problem: null },
      path: { kind: "direct", remote: `${b!.host.ipv4}:41641`, link: "eth0", relay: null },
      advice: { case: "direct" },
    });
    expect(explanation.echoMs).toBeGreaterThan(0);
    expect(explanation.history.changes.at(-1)?.to.kind).toBe("direct");
    // What a NAT does is known a moment after the first call, and told in another one.
    await expect
      .poll(async () => (await explain(a!, "b")).nat, { timeout: 20_000, interval: 500 })
      .toMatchObject({
        here: [{ ipVersion: 4, type: "port-restricted cone" }],
        there: [{ ipVersion: 4, type: "port-restricted cone", mapping: "endpoint-independent" }],
      });
    const { stdout } = await a!.command(["explain", "b"]);
    expect(stdout).toContain("nothing needs doing");
    expect(stdout).toContain("NAT there");
  });

  test("a relayed path says what was tried, which relay carries it, and what stands in the way", async ({
    expect,
    onTestFailed,
  }) => {
    await using world = await World.create("relayed", ["--relay", "none"], { onTestFailed });
    const relay = await startRelay(world);
    const [a, b] = await world.members(
      await world.internet.host("a", { ipv6: false }),
      await world.internet.host("b", { ipv6: false }),
    );
    await wallBetween(a!, b!);
    const ping = await a!.command(["ping", "b", "-c", "2"]);
    expect(ping.stdout).toContain(`relayed via ${relay.ipv4}`);
    const untilDirect = await a!.command(["ping", "b", "--until-direct", "--timeout", "2"], { allowFailure: true });
    expect(untilDirect.code).toBe(1);
    expect(untilDirect.stdout).toContain("asterism explain b");
    await expect
      .poll(async () => (await explain(a!, "b")).advice.case, { timeout: 40_000, interval: 500 })
      .toBe("relayed-firewall");
    const explanation = await explain(a!, "b");
    expect(explanation).toMatchObject({
      path: { kind: "relayed", relay: relay.ipv4 },
      udp: { here: true, there: true },
      relays: [{ name: relay.ipv4, state: "in-use", preferred: true }],
      nat: { here: [{ type: "none" }], there: [{ type: "none" }] },
    });
    const direct = explanation.tried.find(({ kind, remote }) => kind === "direct" && remote.startsWith(b!.host.ipv4));
    expect(direct).toMatchObject({ candidate: "host", answeredAt: null });
    expect(explanation.nextAttemptInMs).toBeGreaterThanOrEqual(0);
    expect(explanation.traffic.txRelayedPackets).toBeGreaterThan(0);
    expect(explanation.history.attempts.map(({ result }) => result)).toContain("no-answer");
    const { stdout } = await a!.command(["explain", "b"]);
    expect(stdout).toContain(`relayed via ${relay.ipv4}`);
    expect(stdout).toContain("What would help");
    expect((await a!.command(["status"])).stdout).toMatch(/PACKETS DIRECT +RELAYED/);

    // The wall falls: the path becomes direct by itself, and the history tells it.
    for (const end of [a!, b!]) await end.host.exec(["nft", "delete", "table", "inet", "wall"]);
    const report = await a!.ping("b", ["--until-direct", "--timeout", "90"], { timeoutMs: 100_000 });
    expect(report.direct).toBe(true);
    const after = await explain(a!, "b");
    expect(after).toMatchObject({ path: { kind: "direct" }, advice: { case: "direct" } });
    expect(after.history.changes.map(({ to }) => to.kind)).toEqual(expect.arrayContaining(["relayed", "direct"]));
  }, 240_000);

  test("where UDP is blocked at one end, both ends know which, and the relay is used over TCP", async ({
    expect,
    onTestFailed,
  }) => {
    await using world = await World.create("tcp", ["--relay", "none"], { onTestFailed });
    await startRelay(world);
    const office = await world.lab.router("office", world.internet, {
      nat: "masquerade",
      firewall: "block-udp",
      ipv6: false,
    });
    const [desk, b] = await world.members(await office.host("desk"), await world.internet.host("b", { ipv6: false }));
    await expect
      .poll(async () => (await explain(desk!, "b")).advice.case, { timeout: 60_000, interval: 500 })
      .toBe("relayed-udp-blocked-here");
    expect(await explain(desk!, "b")).toMatchObject({
      udp: { here: false, there: true },
      relays: [{ state: "in-use", transport: "tcp" }],
    });
    await expect
      .poll(async () => (await explain(b!, "desk")).advice.case, { timeout: 60_000, interval: 500 })
      .toBe("relayed-udp-blocked-there");
  }, 200_000);

  test("offline peers, different passphrases and strangers are told apart", async ({ expect, onTestFailed }) => {
    await using world = await World.create("apart", [], { onTestFailed });
    const key = await world.server.createKey({ reusable: true });
    const a = await world.agent(await world.internet.host("a"));
    const b = await world.agent(await world.internet.host("b"));
    await a.join(key, { secret: "one" });
    await b.join(key, { secret: "two" });
    await expect
      .poll(async () => (await explain(a, "b")).advice.case, { timeout: 30_000, interval: 500 })
      .toBe("passphrase-differs");
    await b.stop();
    const stranger = await a.command(["explain", "nobody"], { allowFailure: true });
    expect(stranger.code).toBe(1);
    expect(stranger.stderr).toContain("nobody");
    const c = await world.agent(await world.internet.host("c"));
    await c.join(key, { secret: "one" });
    await c.stop();
    await expect
      .poll(async () => (await explain(a, "c")).advice.case, { timeout: 30_000, interval: 500 })
      .toBe("peer-offline");
  });

  test("an agent that comes up while the server is down still has its relays, and reaches its peer by them", async ({
    expect,
    onTestFailed,
  }) => {
    await using world = await World.create("cached", ["--relay", "none"], { onTestFailed });
    const relay = await startRelay(world);
    const [a, b] = await world.members(
      await world.internet.host("a", { ipv6: false }),
      await world.internet.host("b", { ipv6: false }),
    );
    await wallBetween(a!, b!);
    expect((await a!.ping("b", ["-c", "1", "--timeout", "20"])).received).toBe(1);
    await expect
      .poll(async () => (await explain(a!, "b")).relays, { timeout: 20_000, interval: 500 })
      .toMatchObject([{ name: relay.ipv4, state: "in-use" }]);
    await world.server.stop();
    await a!.stop();
    await a!.startAgain();
    const check = await netcheck(a!);
    expect(check).toMatchObject({
      server: { connected: false },
      relays: [{ name: relay.ipv4, rttMs: expect.any(Number) as unknown }],
    });
    const report = await a!.ping("b", ["-c", "1", "--timeout", "60"], { timeoutMs: 70_000 });
    expect(report.replies[0]?.path.kind).toBe("relayed");
  }, 180_000);
});

describe.concurrent("statistics", () => {
  test("the agent counts how pairs connect, and the server adds it up by their NATs", async ({
    expect,
    onTestFailed,
  }) => {
    await using world = await World.create("statistics", ["--relay", "none"], { onTestFailed });
    await startRelay(world);
    const home = await world.lab.router("home", world.internet, { nat: "masquerade", ipv6: false });
    const key = await world.server.createKey({ reusable: true });
    const a = await world.agent(await home.host("a"), { args: ["--metrics", "127.0.0.1:9465"] });
    const b = await world.agent(await world.internet.host("b", { ipv6: false }));
    for (const agent of [a, b]) await agent.join(key);
    // What the NATs do is known.
    await expect.poll(async () => (await netcheck(b)).links[0]?.type, { timeout: 20_000 }).toBe("none");
    expect((await a.ping("b", ["--until-direct"])).direct).toBe(true);
    const agentMetrics = async (): Promise<string> =>
      (await a.host.exec(["curl", "-s", "http://127.0.0.1:9465/metrics"])).stdout;
    const serverMetrics = async (): Promise<string> =>
      (
        await world.serverHost.shell(
          `curl -s --unix-socket ${world.server.dataDir}/admin.sock http://localhost/metrics`,
        )
      ).stdout;
    const counted = 'nats="none – port-restricted cone",kind="direct"} 1';
    await expect
      .poll(serverMetrics, { timeout: 40_000, interval: 500 })
      .toContain(`asterism_pair_connections_total{${counted}`);
    const text = await agentMetrics();
    for (const line of [
      `asterism_agent_pair_connections_total{${counted}`,
      'asterism_agent_pair_first_ping_seconds_count{nats="none – port-restricted cone"} 1',
      'asterism_agent_pair_direct_seconds_count{nats="none – port-restricted cone"} 1',
      'asterism_agent_nat{network="default",ip_version="4",type="port-restricted cone"} 1',
      'asterism_agent_peers{network="default",path="direct"} 1',
      'asterism_agent_networks{state="running"} 1',
      'asterism_agent_server_connected{network="default"} 1',
    ]) {
      expect(text).toContain(line);
    }
    expect(text).toMatch(/asterism_agent_packets_total\{network="default",direction="out",path="direct"\} [1-9]/);
    expect(text).toMatch(/asterism_agent_bytes_total\{network="default",direction="in",path="direct"\} [1-9]/);
    expect(text).not.toMatch(/203\.0\.113|100\.64/);
  });
});
