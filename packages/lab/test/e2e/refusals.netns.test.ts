import { chmod, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { encodeJoinKey, parseJoinKey } from "@asterism/core/control";
import { describe, expect, test } from "vitest";
import type { ExecResult } from "../../src/index.ts";
import { AgentProcess } from "../../src/product/agent-process.ts";
import { ASTERISM_COMMAND, asterism } from "../../src/product/asterism-command.ts";
import { ServerProcess } from "../../src/product/server-process.ts";
import { ipv4Of, World } from "./world.ts";

function joinKeyParts(key: string) {
  const parsed = parseJoinKey(key);
  if (!parsed.ok) throw parsed.error;
  return parsed.value;
}

/** A refused command: its exit code, and what it says without a stack trace. */
function refusal(result: ExecResult): { code: number | null; text: string } {
  const text = `${result.stdout}${result.stderr}`;
  expect(text).not.toMatch(/^\s+at .*\(.*:\d+:\d+\)/m);
  return { code: result.code, text };
}

describe.concurrent("join keys that don't open the door", () => {
  test("damaged, unknown, used, expired, and a server with another certificate", async ({ expect, onTestFailed }) => {
    await using world = await World.create("keys", [], { onTestFailed });
    const [hostA, hostB] = await Promise.all([world.internet.host("a"), world.internet.host("b")]);
    const [a, b] = await Promise.all([world.agent(hostA), world.agent(hostB)]);
    const once = await world.server.createKey();
    await a.join(once);
    const tryJoin = async (key: string): Promise<{ code: number | null; text: string }> =>
      refusal(await b.join(key, { allowFailure: true, timeoutMs: 40_000 }));

    const used = await tryJoin(once);
    expect(used.code).toBe(1);
    expect(used.text).toMatch(/used/i);

    const damaged = await tryJoin(`${once.slice(0, -3)}AAA`);
    expect(damaged.code).toBe(2);
    expect(damaged.text).toMatch(/join key/i);

    const parts = joinKeyParts(once);
    const unknown = await tryJoin(encodeJoinKey({ ...parts, secret: new Uint8Array(20).fill(7) }));
    expect(unknown.code).toBe(1);
    expect(unknown.text).toMatch(/not know|unknown|revoked/i);

    const otherCertificate = await tryJoin(encodeJoinKey({ ...parts, fingerprint: new Uint8Array(32).fill(7) }));
    expect(otherCertificate.code).toBe(1);
    expect(otherCertificate.text).toMatch(/certificate|fingerprint/i);

    const shortLived = await world.server.createKey({ expires: "1s" });
    await delay(1_500);
    const expired = await tryJoin(shortLived);
    expect(expired.code).toBe(1);
    expect(expired.text).toMatch(/expired/i);

    expect((await b.status()).networks).toEqual([]);
    await b.join(await world.server.createKey({ expires: "1h" }));
    expect((await b.network()).state).toBe("running");
  });

  test("an unreachable server: nobody listens, or nothing answers", async ({ expect, onTestFailed }) => {
    await using world = await World.create("noserver", [], { onTestFailed });
    const agent = await world.agent(await world.internet.host("a"));
    const parts = joinKeyParts(await world.server.createKey());
    await world.internet.router.ip(["route add blackhole 203.0.113.200/32"]);
    for (const url of [`https://${world.serverHost.ipv4}:444`, "https://203.0.113.200"]) {
      const result = await agent.join(encodeJoinKey({ ...parts, url }), { allowFailure: true, timeoutMs: 60_000 });
      const { code, text } = refusal(result);
      expect(code).toBe(1);
      expect(text).toMatch(/reach|refused|answer/i);
      expect(text).toContain(url.replace("https://", "").split(":")[0]);
      expect(result.durationMs).toBeLessThan(35_000);
    }
    expect((await agent.status()).networks).toEqual([]);
  });

  test("reusable keys join many, a taken name is refused with advice", async ({ expect, onTestFailed }) => {
    await using world = await World.create("names", [], { onTestFailed });
    const hosts = await Promise.all(["a", "b", "c"].map((name) => world.internet.host(name)));
    const [a, b, c] = await Promise.all(hosts.map((host) => world.agent(host)));
    const key = await world.server.createKey({ reusable: true });
    await a!.join(key, { name: "star" });
    const { code, text } = refusal(await b!.join(key, { name: "star", allowFailure: true }));
    expect(code).toBe(1);
    expect(text).toMatch(/star/);
    expect(text).toMatch(/--name|another name|different name/i);
    await Promise.all([b!.join(key, { name: "star-b" }), c!.join(key, { name: "star-c" })]);
    const addresses = await Promise.all([a!, b!, c!].map((agent) => ipv4Of(agent)));
    expect(new Set(addresses).size).toBe(3);
  });

  test("joins that race never get one address", async ({ expect, onTestFailed }) => {
    await using world = await World.create("race", [], { onTestFailed });
    const hosts = await Promise.all(["a", "b", "c", "d", "e"].map((name) => world.internet.host(name)));
    const agents = await world.members(...hosts);
    const addresses = await Promise.all(agents.map((agent) => ipv4Of(agent)));
    expect(new Set(addresses).size).toBe(5);
  });
});

describe.concurrent("hosts that can't take a member", () => {
  test("a range that overlaps a route of the host", async ({ expect, onTestFailed }) => {
    await using world = await World.create("range", [], { onTestFailed });
    await world.server.admin(["network", "create", "office", "--ipv4", "10.20.0.0/16"]);
    const host = await world.internet.host("a");
    await host.ip([
      "link add lan type veth peer name desk",
      "link set desk up",
      "addr add 10.20.30.1/24 dev lan",
      "link set lan up",
    ]);
    const agent = await world.agent(host);
    const key = await world.server.createKey({ network: "office" });
    const { code, text } = refusal(await agent.join(key, { allowFailure: true }));
    expect(code).toBe(1);
    expect(text).toMatch(/10\.20\./);
    expect(text).toMatch(/route|range|overlap/i);
    const kept = await host.exec(["ip", "route", "get", "10.20.30.9"]);
    expect(kept.stdout).toContain("dev lan");
  });

  test("no root rights", async ({ expect, onTestFailed }) => {
    await using world = await World.create("noroot", [], { onTestFailed });
    const host = await world.internet.host("a");
    const folder = await host.folder("nobody");
    for (const path of [world.lab.tempDir, join(world.lab.tempDir, "a")]) await chmod(path, 0o755);
    await chmod(folder, 0o777);
    const asNobody = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"];
    const argv = [...asNobody, ASTERISM_COMMAND, "agent", "--state", `${folder}/state`, "--socket", `${folder}/s`];
    const { code, text } = refusal(await host.exec(argv, { allowFailure: true, timeoutMs: 15_000 }));
    expect(code).toBe(1);
    expect(text).toMatch(/root|CAP_NET_ADMIN/);
  });

  test("no /dev/net/tun", async ({ expect, onTestFailed }) => {
    await using world = await World.create("notun", [], { onTestFailed });
    const host = await world.internet.host("a");
    const folder = await host.folder("agent");
    const script = `mount -t tmpfs none /dev/net && exec ${ASTERISM_COMMAND} agent --state ${folder}/state --socket ${folder}/s`;
    const started = host.spawn(["unshare", "-m", "sh", "-ec", script]);
    await Promise.race([started.exited, started.waitForOutput(/^ready/m, { timeoutMs: 15_000 })]);
    let text = "";
    if (started.running) {
      const key = await world.server.createKey();
      const result = await asterism(host, ["join", key, "--socket", `${folder}/s`], { allowFailure: true });
      expect(result.code).toBe(1);
      text = result.stderr;
    } else {
      expect((await started.exited).code).toBe(1);
      text = started.stderr;
    }
    expect(text).toMatch(/\/dev\/net\/tun/);
  });

  test("a command without an agent", async ({ expect, onTestFailed }) => {
    await using world = await World.create("noagent", [], { onTestFailed });
    const { code, text } = refusal(
      await asterism(world.serverHost, ["status", "--socket", "/nowhere/agent.sock"], { allowFailure: true }),
    );
    expect(code).toBe(3);
    expect(text).toMatch(/asterism agent|running/);
  });

  test("a second agent on one state folder, a second server on one data folder", async ({ expect, onTestFailed }) => {
    await using world = await World.create("twice", [], { onTestFailed });
    const host = await world.internet.host("a");
    const agent = await world.agent(host);
    const argv = [ASTERISM_COMMAND, "agent", "--state", agent.stateDir, "--socket", `${agent.stateDir}-2.sock`];
    const second = refusal(await host.exec(argv, { allowFailure: true, timeoutMs: 15_000 }));
    expect(second.code).toBe(1);
    expect(second.text).toContain(agent.stateDir);
    const serverArgv = [ASTERISM_COMMAND, "server", "--data", world.server.dataDir, "--listen", "[::]:9443"];
    const secondServer = refusal(await world.serverHost.exec(serverArgv, { allowFailure: true, timeoutMs: 15_000 }));
    expect(secondServer.code).toBe(1);
    expect(secondServer.text).toContain(world.server.dataDir);
    await agent.join(await world.server.createKey());
  });

  test("a damaged state file is kept aside and named", async ({ expect, onTestFailed }) => {
    await using world = await World.create("damaged", [], { onTestFailed });
    const [a] = await world.publicMembers("a");
    await a!.stop();
    const files = await jsonFiles(a!.stateDir);
    expect(files.length).toBeGreaterThan(0);
    const damage = '{"cut short';
    for (const file of files) await writeFile(file, damage);
    const started = a!.host.spawn([ASTERISM_COMMAND, "agent", "--state", a!.stateDir, "--socket", a!.socket]);
    await Promise.race([started.exited, started.waitForOutput(/^ready/m, { timeoutMs: 15_000 })]);
    const aside = await filesHolding(a!.stateDir, damage);
    expect(aside.length).toBeGreaterThan(0);
    expect(`${started.stdout}${started.stderr}`).toMatch(/damaged|can't be read|cannot be read|kept/i);
    for (const file of files) {
      const text = await readFile(file, "utf8").catch(() => damage);
      if (!started.running) expect(text).toBe(damage);
    }
  });
});

async function jsonFiles(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true });
  return entries.filter((name) => name.endsWith(".json")).map((name) => join(folder, name));
}

async function filesHolding(folder: string, text: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const contents = await Promise.all(files.map(async (file) => ({ file, content: await readFile(file, "utf8") })));
  return contents.filter(({ content }) => content === text).map(({ file }) => file);
}

describe.concurrent("side by side", () => {
  test("two agents on one host, each with its own interface", async ({ expect, onTestFailed }) => {
    await using world = await World.create("side", [], { onTestFailed });
    const host = await world.internet.host("a");
    const first = await world.agent(host, { name: "first" });
    const second = await world.agent(host, { name: "second" });
    const far = await AgentProcess.start(await world.internet.host("far"));
    await world.server.admin(["network", "create", "office", "--ipv4", "10.20.0.0/16"]);
    const keys = {
      default: await world.server.createKey({ reusable: true }),
      office: await world.server.createKey({ network: "office", reusable: true }),
    };
    await first.join(keys.default, { name: "first" });
    await second.join(keys.office, { name: "second" });
    await far.join(keys.default, { name: "far" });
    await far.join(keys.office, { name: "far" });
    expect((await far.ping(await ipv4Of(first))).received).toBe(1);
    expect((await far.ping(await ipv4Of(second))).received).toBe(1);
    expect((await host.ping(await ipv4Of(far, "default"), { timeoutMs: 5_000 })).received).toBe(1);
    expect((await host.ping(await ipv4Of(far, "office"), { timeoutMs: 5_000 })).received).toBe(1);
    const [one, two] = [await first.network(), await second.network()];
    expect(one.interface).not.toBe(two.interface);
  });

  test("several networks at once, of one server and of two", async ({ expect, onTestFailed }) => {
    await using world = await World.create("several", [], { onTestFailed });
    const other = await ServerProcess.start(world.serverHost, { name: "other", port: 8443, args: ["--relay", "none"] });
    await world.server.admin(["network", "create", "office", "--ipv4", "10.20.0.0/16"]);
    await other.admin(["network", "create", "lab", "--ipv4", "10.30.0.0/16"]);
    const [a, b] = await Promise.all(["a", "b"].map(async (name) => world.agent(await world.internet.host(name))));
    for (const agent of [a!, b!]) {
      await agent.join(await world.server.createKey());
      await agent.join(await world.server.createKey({ network: "office" }));
      await agent.join(await other.createKey({ network: "lab" }));
    }
    const networks = (await a!.status()).networks;
    expect(networks.map(({ name }) => name).sort()).toEqual(["default", "lab", "office"]);
    expect(new Set(networks.map((network) => network.interface)).size).toBe(3);
    for (const name of ["default", "office", "lab"]) {
      const { received } = await a!.host.ping(await ipv4Of(b!, name), { count: 3, timeoutMs: 5_000 });
      expect(received).toBeGreaterThan(0);
    }
    await a!.command(["leave", "office"]);
    expect((await a!.status()).networks.map(({ name }) => name).sort()).toEqual(["default", "lab"]);
    expect((await a!.host.ping(await ipv4Of(b!, "default"), { timeoutMs: 5_000 })).received).toBe(1);
  });
});
