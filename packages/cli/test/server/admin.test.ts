import { AdminClient } from "@asterism/client";
import { formatFingerprint, parseJoinKey } from "@asterism/core/control";
import { unwrap } from "@asterism/core/errors";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { runAdmin } from "./run-admin.ts";
import { createMachine, joinWith, rejection, startTestServer, type TestServer } from "./test-server.ts";
import { TestStream } from "./test-stream.ts";

let now = Date.now();
let test: TestServer;
beforeAll(async () => {
  test = await startTestServer({ wallNow: () => now });
});
afterAll(() => test.close());

const admin = (...args: string[]) => runAdmin([...args, "--data", test.dataDir]);

describe("asterism admin", () => {
  it("prints a join key alone on one line, or with what it allows as JSON", async () => {
    const plain = await admin("key", "create");
    expect(plain).toMatchObject({ code: 0, stderr: "" });
    expect(plain.stdout).toMatch(/^ast1_[A-Za-z0-9_-]+\n$/);
    expect(unwrap(parseJoinKey(plain.stdout))).toMatchObject({
      url: test.server.url,
      fingerprint: new Uint8Array(test.server.fingerprint),
    });

    const json = await admin(
      "key",
      "create",
      "--json",
      "--reusable",
      "--ephemeral",
      "--tag",
      "a",
      "--tag",
      "b",
      "--expires",
      "1h",
    );
    expect(JSON.parse(json.stdout)).toMatchObject({
      key: expect.stringMatching(/^ast1_/),
      id: expect.stringMatching(/^key-/),
      network: "default",
      user: "admin",
      reusable: true,
      ephemeral: true,
      tags: ["a", "b"],
      expiresAt: new Date(now + 3_600_000).toISOString(),
    });
    const forever = JSON.parse((await admin("key", "create", "--json", "--expires", "never")).stdout);
    expect(forever.expiresAt).toBeNull();
  });

  it("creates, lists, shows and deletes networks", async () => {
    const created = await admin("network", "create", "lab", "--ipv4", "10.40.0.0/16", "--json");
    expect(JSON.parse(created.stdout)).toMatchObject({
      name: "lab",
      kind: "ip",
      ipv4Range: "10.40.0.0/16",
      deviceCount: 0,
    });
    await joinWith(await test.key({ network: "lab" }), createMachine(), "inhabitant");
    const listed = JSON.parse((await admin("network", "list", "--json")).stdout);
    expect(listed.map((network: { name: string }) => network.name)).toEqual(["default", "lab"]);
    expect((await admin("network", "show", "lab")).stdout).toContain("10.40.0.0/16");
    expect(await admin("network", "delete", "lab")).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("--force"),
    });
    expect((await admin("network", "delete", "lab", "--force")).code).toBe(0);
    expect(await admin("network", "show", "lab")).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("no network"),
    });
  });

  it("lists, shows, renames and removes devices", async () => {
    await joinWith(await test.key(), createMachine(), "phone");
    await joinWith(await test.key(), createMachine(), "tablet");
    expect((await admin("device", "list")).stdout).toMatch(/^NAME +NETWORK.*\n(.*\n)*phone +default +admin +100\./);
    expect(JSON.parse((await admin("device", "show", "phone", "--json")).stdout)).toMatchObject({
      name: "phone",
      os: "linux",
    });
    expect(await admin("device", "rename", "phone", "tablet")).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("tablet-2"),
    });
    expect((await admin("device", "rename", "phone", "mobile")).stdout).toContain("mobile");
    expect((await admin("device", "remove", "mobile")).code).toBe(0);
    expect((await admin("device", "show", "mobile")).code).toBe(1);
  });

  it("finds the server by options before or after the command", async () => {
    const before = await runAdmin(["--data", test.dataDir, "--json", "info"]);
    expect(JSON.parse(before.stdout)).toMatchObject({ url: test.server.url });
    const nowhere = await runAdmin(["key", "list", "--data", "/nonexistent"]);
    expect(nowhere).toMatchObject({ code: 1, stderr: expect.stringContaining("/nonexistent/admin.sock") });
  });

  it("goes by the flags, not by the environment, and not by two of them", async () => {
    vi.stubEnv("ASTERISM_URL", "https://127.0.0.1:1");
    try {
      expect((await admin("info")).stdout).toContain(test.server.url);
      expect(await runAdmin(["info"])).toMatchObject({ code: 2, stderr: expect.stringContaining("--token") });
      expect(await admin("info", "--url", test.server.url)).toMatchObject({
        code: 2,
        stderr: expect.stringContaining("not both"),
      });
    } finally {
      vi.unstubAllEnvs();
    }
  });

  it("works over HTTPS with a token until that is revoked", async () => {
    const token = (await admin("token", "create", "ci")).stdout.trim();
    const remote = [
      "--url",
      test.server.url,
      "--token",
      token,
      "--fingerprint",
      formatFingerprint(test.server.fingerprint),
    ];
    expect((await runAdmin(["key", "create", ...remote])).stdout).toMatch(/^ast1_/);
    expect((await runAdmin(["info", "--url", test.server.url, "--token", token])).code).toBe(2);
    const [entry] = await test.admin.listTokens();
    expect(entry).toMatchObject({ name: "ci", lastUsedAt: new Date(now).toISOString() });
    await admin("token", "revoke", entry?.id ?? "");
    expect(await runAdmin(["info", ...remote])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("revoked"),
    });
  });

  it("answers mistakes with exit code 2 and what is wrong", async () => {
    const mistakes: [string[], string][] = [
      [["key", "create", "--expires", "soon"], "30s, 15m, 1h"],
      [["key", "create", "--expires", "0h"], "30s, 15m, 1h"],
      [["key", "create", "--tag", "Not A Tag"], "tags/0"],
      [["network", "create", "Big Name"], "name"],
      [["network", "create", "loop", "--ipv4", "127.0.0.0/8"], "can't use"],
      [["network", "create", "bits", "--ipv4", "10.0.0.1/8"], "CIDR"],
      [["network", "create", "l2", "--kind", "ethernet"], "not supported in this version"],
      [["network", "create", "l2", "--kind", "token-ring"], "ethernet"],
      [["network", "set", "default"], "hard-nat-punching"],
      [["network", "set", "default", "--hard-nat-punching", "maybe"], "on, off"],
      [["network", "set", "default", "--mode", "fastest"], "best, redundant, aggregate, auto"],
      [["frobnicate"], "unknown command"],
    ];
    for (const [args, problem] of mistakes) {
      const result = await admin(...args);
      expect([args, result]).toMatchObject([args, { code: 2, stdout: "", stderr: expect.stringContaining(problem) }]);
    }
  });
});

describe("admin API", () => {
  const remote = (token: string) =>
    new AdminClient({ kind: "url", url: test.server.url, token, fingerprint: test.server.fingerprint });

  it("stops taking a token when it expires", async () => {
    const { token } = await test.admin.createToken({ name: "short", expiresInSeconds: 60 });
    await remote(token).info();
    now += 61_000;
    expect(await rejection(remote(token).info())).toMatchObject({ code: "not-authorised" });
  });

  it("does not take a token with another one's id", async () => {
    const one = await test.admin.createToken({ name: "one" });
    const two = await test.admin.createToken({ name: "two" });
    const mixed = `astt_${one.id}_${two.token.slice(-43)}`;
    expect(await rejection(remote(mixed).info())).toMatchObject({ code: "not-authorised" });
  });

  it("changes settings of a network, of which its devices hear at once", async () => {
    await test.admin.createNetwork({ name: "shy" });
    const machine = createMachine();
    const { nodeId } = await joinWith(await test.key({ network: "shy" }), machine, "member");
    const stream = await TestStream.connect(test.server, machine, nodeId);
    expect((await stream.next("map")).network.hardNatPunching).toBe(true);
    const changed = await admin("network", "set", "shy", "--hard-nat-punching", "off", "--json");
    expect(JSON.parse(changed.stdout)).toMatchObject({ name: "shy", hardNatPunching: false });
    const delta = await stream.next("delta");
    expect(delta).toMatchObject({ network: { name: "shy", hardNatPunching: false }, upserts: [], removals: [] });
    const mode = await admin("network", "set", "shy", "--mode", "aggregate", "--json");
    expect(JSON.parse(mode.stdout)).toMatchObject({ hardNatPunching: false, mode: "aggregate" });
    expect(await stream.next("delta")).toMatchObject({ network: { hardNatPunching: false, mode: "aggregate" } });
    // What is so already is no change.
    expect((await admin("network", "set", "shy", "--hard-nat-punching", "off")).code).toBe(0);
    expect(await test.admin.getNetwork("shy")).toMatchObject({ hardNatPunching: false });
    expect(await test.admin.changeNetwork("shy", {})).toMatchObject({ hardNatPunching: false });
    const again = await TestStream.connect(test.server, machine, nodeId);
    expect(await again.next("map")).toMatchObject({ network: { hardNatPunching: false, mode: "aggregate" } });
  });

  it("keeps devices of equal names in several networks apart", async () => {
    for (const network of ["left", "right"]) {
      await test.admin.createNetwork({ name: network });
      await joinWith(await test.key({ network }), createMachine(), "twin");
    }
    expect(await rejection(test.admin.getDevice("twin"))).toMatchObject({
      code: "invalid-input",
      details: { networks: ["left", "right"] },
    });
    expect((await test.admin.getDevice("twin", "right")).network).toBe("right");
  });

  it("puts devices under the user of their key, and keeps users who have something", async () => {
    await test.admin.createUser("ann");
    const joined = await joinWith(await test.key({ user: "ann" }), createMachine(), "laptop");
    expect(joined.self.fqdn).toBe("laptop.ann.default.internal");
    expect(await rejection(test.admin.deleteUser("ann"))).toMatchObject({ code: "in-use" });
    expect(await rejection(test.admin.createKey({ user: "nobody" }))).toMatchObject({ code: "not-found" });
    await test.admin.createUser("bob");
    await test.admin.deleteUser("bob");
    expect((await test.admin.listUsers()).map((user) => user.name)).toEqual(["admin", "ann"]);
  });

  it("chooses ranges for networks that overlap no other network's", async () => {
    const ranges = (await test.admin.listNetworks()).map((network) => network.ipv4Range);
    expect(new Set(ranges).size).toBe(ranges.length);
    expect(await rejection(test.admin.createNetwork({ name: "left" }))).toMatchObject({ code: "in-use" });
  });

  it("shows the state of keys, never their secrets", async () => {
    const used = await test.admin.createKey({});
    await joinWith(used.key, createMachine(), "user-of-key");
    const keys = await test.admin.listKeys("default");
    expect(keys.find((key) => key.id === used.id)).toMatchObject({
      state: "used",
      usedAt: new Date(now).toISOString(),
    });
    expect(JSON.stringify(keys)).not.toContain("ast1_");
  });
});
