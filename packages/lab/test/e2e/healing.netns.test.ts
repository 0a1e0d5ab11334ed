/** What happens to a network while it is in use, and how soon the tunnel works again without anybody's help. */
import { setTimeout as delay } from "node:timers/promises";
import type { NetcheckAnswer } from "@asterism/core/local-api";
import { describe, type ExpectStatic, test } from "vitest";
import type { AgentProcess } from "../../src/product/agent-process.ts";
import { ASTERISM_COMMAND } from "../../src/product/asterism-command.ts";
import { relayedPair } from "../relay/relayed-world.ts";
import { Pulse } from "./pulse.ts";
import { ipv4Of, reportFigure, startTransfer, World } from "./world.ts";

const IPV4 = { ipv6: false } as const;
/** Far above the goals: the machine may be busy. */
const LIMIT_MS = 20_000;

async function becomesDirect(expect: ExpectStatic, agent: AgentProcess, peer: string): Promise<void> {
  const kind = async (): Promise<string> => (await agent.peer(peer)).path.kind;
  await expect.poll(kind, { timeout: LIMIT_MS, interval: 200 }).toBe("direct");
}

/** Measures one outage, from the event to answers that come steadily again, by a direct path. */
class Story {
  readonly #expect: ExpectStatic;
  readonly #a: AgentProcess;
  readonly #b: AgentProcess;
  readonly #pulse: Pulse;

  private constructor(expect: ExpectStatic, a: AgentProcess, b: AgentProcess, pulse: Pulse) {
    this.#expect = expect;
    this.#a = a;
    this.#b = b;
    this.#pulse = pulse;
  }

  static async begin(expect: ExpectStatic, a: AgentProcess, b: AgentProcess): Promise<Story> {
    const pulse = await Pulse.start(a.host, await ipv4Of(b));
    await becomesDirect(expect, a, b.host.name);
    await becomesDirect(expect, b, a.host.name);
    return new Story(expect, a, b, pulse);
  }

  async after(what: string, event: () => Promise<unknown>): Promise<void> {
    const startedAt = Date.now();
    await event();
    const eventMs = Date.now() - startedAt;
    const recoveryMs = await this.#pulse.recovery(startedAt, LIMIT_MS + eventMs);
    reportFigure(`${what} (it took ${eventMs} ms by itself): answers again after`, recoveryMs, "ms", "< 5000 ms");
    await becomesDirect(this.#expect, this.#a, this.#b.host.name);
    await becomesDirect(this.#expect, this.#b, this.#a.host.name);
  }
}

describe.concurrent("a tunnel works again after", () => {
  test("moves of a host without the server, and TCP inside survives them all", async ({ expect, onTestFailed }) => {
    await using world = await World.create("moves", [], { onTestFailed });
    const hosts = await Promise.all(["a", "b"].map((name) => world.internet.host(name, IPV4)));
    const second = await world.internet.attach(hosts[1]!, IPV4);
    const [a, b] = await world.members(...hosts);
    const story = await Story.begin(expect, a!, b!);
    await world.server.kill();
    const tcp = await startTransfer(a!, b!, ["-b", "200k", "-n", "500k"]);
    await story.after("another address", () => b!.host.uplink.renumber({ ipv4: "198.51.100.50" }));
    await story.after("a flapping link", () => b!.host.uplink.flap(3, { downMs: 200, upMs: 200 }));
    await story.after("the default route moves and the first uplink dies", async () => {
      await b!.host.preferUplink(second);
      await b!.host.uplink.cut();
    });
    await b!.host.uplink.mend();
    await b!.host.uplink.detach();
    await story.after("the interface is deleted and a new one appears", async () => {
      await second.detach();
      await world.internet.attach(b!.host, IPV4);
    });
    expect((await tcp.exited).code).toBe(0);
  });

  test("another IPv6 address", async ({ expect, onTestFailed }) => {
    await using world = await World.create("moves6", [], { onTestFailed });
    const hosts = await Promise.all(["a", "b"].map((name) => world.internet.host(name)));
    const [a, b] = await world.members(...hosts);
    const story = await Story.begin(expect, a!, b!);
    await world.server.kill();
    await story.after("another IPv6 address", () => b!.host.uplink.renumber({ ipv6: "2001:db8:0:99::2" }));
  });

  test("routers that reboot, with other public addresses too", async ({ expect, onTestFailed }) => {
    await using world = await World.create("reboots", [], { onTestFailed });
    const nat = { nat: "port-restricted", firewall: "stateful", ipv6: false } as const;
    const [west, east] = await Promise.all(["west", "east"].map((name) => world.lab.router(name, world.internet, nat)));
    const [a, b] = await world.members(await west!.host("a"), await east!.host("b"));
    const story = await Story.begin(expect, a!, b!);
    await story.after("a router reboots", () => east!.reboot({ offMs: 300 }));
    await story.after("a router reboots and gets another address", () => east!.reboot({ ipv4: "198.51.100.77" }));
    await story.after("both routers reboot and get other addresses", () =>
      Promise.all([west!.reboot({ ipv4: "198.51.100.78" }), east!.reboot({ ipv4: "198.51.100.79" })]),
    );
    await expect.poll(async () => (await b!.network()).server.connected, { timeout: LIMIT_MS }).toBe(true);
  });

  test("an agent is stopped, and TCP inside survives; a closed lid, and another network when it opens", async ({
    expect,
    onTestFailed,
  }) => {
    await using world = await World.create("sleeps", [], { onTestFailed });
    const home = await world.lab.router("home", world.internet, { nat: "symmetric", ipv6: false });
    const [a, b] = await world.members(await world.internet.host("a", IPV4), await home.host("b"));
    const story = await Story.begin(expect, a!, b!);
    const before = (await a!.peer("b")).path.remote;
    const tcp = await startTransfer(a!, b!, ["-b", "400k", "-n", "400k"]);
    b!.suspend();
    await delay(8_000);
    // Otherwise what still comes from outside would keep the mapping.
    await home.reboot();
    await story.after("an agent that was stopped goes on", () => Promise.resolve(b!.resume()));
    expect((await a!.peer("b")).path.remote).not.toBe(before);
    expect((await tcp.exited).code).toBe(0);
    await b!.host.suspend();
    await delay(12_000);
    await home.reboot({ ipv4: "198.51.100.80" });
    await story.after("a host wakes up behind another public address", () => b!.host.resume());
    await b!.process.waitForOutput(/the host was asleep/, { stream: "stderr" });
    await expect.poll(async () => (await b!.network()).server.connected, { timeout: LIMIT_MS }).toBe(true);
  });

  test("an interface that somebody deleted, which is reported, is made anew by `up`", async ({
    expect,
    onTestFailed,
  }) => {
    await using world = await World.create("deleted", [], { onTestFailed });
    const [a, b] = await world.publicMembers("a", "b");
    const { interface: name } = await a!.network();
    await a!.host.ip([`link del ${name}`]);
    await expect.poll(async () => (await a!.network()).state, { timeout: LIMIT_MS }).toBe("failed");
    expect((await a!.network()).problem).toMatch(/asterism up/);
    await a!.command(["up"]);
    await (await Pulse.start(a!.host, await ipv4Of(b!))).recovery(Date.now());
    // Nothing that would be left behind if it were killed.
    const children = await a!.host.exec(["ps", "--ppid", String(a!.process.pid), "-o", "comm="], {
      allowFailure: true,
    });
    expect(children.stdout).toBe("");
  });

  test("a relay that is killed is replaced by the other one, the server's too", async ({ expect, onTestFailed }) => {
    await using world = await World.create("relays", [], { onTestFailed });
    const host = await world.internet.host("far", { link: { delayMs: 60 } });
    const start = async (): Promise<{ kill: () => void }> => {
      const relay = host.spawn([ASTERISM_COMMAND, "relay", "--secret", "a secret of the relay"]);
      await relay.waitForOutput(/^ready: /m, { timeoutMs: 20_000 });
      return relay;
    };
    const far = await start();
    await world.server.admin(["relay", "add", host.ipv4, "--secret", "a secret of the relay"]);
    const { west, east } = await relayedPair(world, "parted");
    const pulse = await Pulse.start(west.host, await ipv4Of(east));
    const relayOf = async (): Promise<string | null> => (await west.peer("east")).path.relay;
    await expect.poll(relayOf, { timeout: LIMIT_MS }).toBe(world.serverHost.ipv4);
    // Nobody can be called once the server is gone: the second relay must be there before.
    const relays = async (): Promise<number> => {
      const ends = await Promise.all([west, east].map((end) => end.command(["netcheck", "--json"])));
      const counts = ends.map(({ stdout }) => {
        const { networks } = JSON.parse(stdout) as NetcheckAnswer;
        return networks[0]?.relays.filter(({ relayedAddresses }) => relayedAddresses.length > 0).length ?? 0;
      });
      return Math.min(...counts);
    };
    await expect.poll(relays, { timeout: LIMIT_MS }).toBe(2);
    await delay(2_000);
    let killedAt = Date.now();
    await world.server.kill();
    reportFigure(
      "server killed, its relay too: by the other relay after",
      await pulse.recovery(killedAt),
      "ms",
      "< 3000 ms",
    );
    expect(await relayOf()).toBe(host.ipv4);
    await world.server.startAgain();
    await expect.poll(async () => (await west.network()).server.connected, { timeout: 60_000 }).toBe(true);
    await expect.poll(async () => (await east.network()).server.connected, { timeout: 60_000 }).toBe(true);
    killedAt = Date.now();
    far.kill();
    reportFigure(
      "far relay killed, in use or not: by the server's relay after",
      await pulse.recovery(killedAt),
      "ms",
      "< 3000 ms",
    );
    expect(await relayOf()).toBe(world.serverHost.ipv4);
  });
});
