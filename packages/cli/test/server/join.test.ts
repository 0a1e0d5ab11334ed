import { ServerClient } from "@asterism/client";
import { formatFingerprint, parseJoinKey } from "@asterism/core/control";
import { unwrap } from "@asterism/core/errors";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createMachine, createRecord, joinWith, rejection, startTestServer, type TestServer } from "./test-server.ts";

let now = Date.now();
let test: TestServer;
beforeAll(async () => {
  test = await startTestServer({ wallNow: () => now, joinLimits: { burst: 10_000, perSecond: 1 } });
});
afterAll(() => test.close());

describe("join", () => {
  it("gives addresses of the network's ranges and a name under the user and network", async () => {
    const joined = await joinWith(await test.key(), createMachine(), "alpha");
    expect(joined.network).toMatchObject({ name: "default", kind: "ip", ipv4Range: "100.64.0.0/10", mtuBytes: 1408 });
    expect(joined.self.fqdn).toBe("alpha.admin.default.internal");
    expect(joined.self.ipv4).toMatch(/^100\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7])\.\d+\.\d+$/);
    expect(joined.self.ipv6).toMatch(/^fd[0-9a-f]{2}:/);
  });

  it("names the user, tags and lifetime of the key before it is used", async () => {
    const key = unwrap(parseJoinKey(await test.key({ tags: ["web", "db"], ephemeral: true, expiresInSeconds: 60 })));
    const preview = await new ServerClient(key).previewJoin(key.secret);
    expect(preview.key).toEqual({
      user: "admin",
      reusable: false,
      ephemeral: true,
      tags: ["web", "db"],
      expiresAt: new Date(now + 60_000).toISOString(),
    });
  });

  it("lets one machine use a one-time key, again and again while it is a member, and no other machine", async () => {
    const key = await test.key({});
    const machine = createMachine();
    const first = await joinWith(key, machine, "once");
    expect(await joinWith(key, machine, "once", { record: createRecord(first.network.id, 2) })).toEqual(first);
    expect(await rejection(joinWith(key, createMachine(), "other"))).toMatchObject({ code: "join-key-used" });

    await test.admin.removeDevice(first.nodeId);
    expect(await rejection(joinWith(key, machine, "once"))).toMatchObject({ code: "join-key-used" });
  });

  it("answers a request that is sent twice with the same membership and changes nothing", async () => {
    const key = unwrap(parseJoinKey(await test.key({})));
    const client = new ServerClient(key);
    const machine = createMachine();
    const { network } = await client.previewJoin(key.secret);
    const request = {
      secret: key.secret,
      ...machine,
      name: "twice",
      record: createRecord(network.id),
      os: "linux",
      agentVersion: "test",
    };
    const answers = await Promise.all([client.join(request), client.join(request), client.join(request)]);
    expect(new Set(answers.map((answer) => answer.nodeId)).size).toBe(1);
    expect(new Set(answers.map((answer) => answer.self.ipv4)).size).toBe(1);
  });

  it("keeps node and addresses of a machine that joins again with another key, and takes the new name", async () => {
    const machine = createMachine();
    const first = await joinWith(await test.key(), machine, "old-name");
    const record = createRecord(first.network.id, 2);
    const second = await joinWith(await test.key({ tags: ["x"] }), machine, "new-name", { record });
    expect(second.nodeId).toBe(first.nodeId);
    expect(second.self).toEqual({ ...first.self, name: "new-name", fqdn: "new-name.admin.default.internal" });
    expect(await test.admin.getDevice("new-name")).toMatchObject({ id: first.nodeId, tags: ["x"] });
  });

  it("refuses a record that is older than the one it knows", async () => {
    const machine = createMachine();
    const key = await test.key();
    const { network } = await joinWith(key, machine, "stale", {
      record: createRecord((await test.admin.getNetwork("default")).id, 9),
    });
    const again = joinWith(key, machine, "stale", { record: createRecord(network.id, 8) });
    expect(await rejection(again)).toMatchObject({ code: "record-stale", details: { sequence: 9 } });
  });

  it("refuses unknown, expired and revoked keys, each with its reason", async () => {
    const expired = await test.key({ expiresInSeconds: 1 });
    now += 2000;
    expect(await rejection(joinWith(expired, createMachine(), "late"))).toMatchObject({ code: "join-key-expired" });

    const revoked = await test.admin.createKey({});
    await test.admin.revokeKey(revoked.id);
    expect(await rejection(joinWith(revoked.key, createMachine(), "late"))).toMatchObject({ code: "join-key-unknown" });

    const known = unwrap(parseJoinKey(await test.key()));
    const client = new ServerClient(known);
    expect(await rejection(client.previewJoin(new Uint8Array(20)))).toMatchObject({ code: "join-key-unknown" });
  });

  it("lets a machine repeat its join after the key has expired", async () => {
    const key = await test.key({ expiresInSeconds: 5 });
    const machine = createMachine();
    const first = await joinWith(key, machine, "repeater");
    now += 10_000;
    const record = createRecord(first.network.id, 2);
    expect((await joinWith(key, machine, "repeater", { record })).nodeId).toBe(first.nodeId);
  });

  it("refuses a name that another device has, and names one that is free", async () => {
    const key = await test.key();
    await joinWith(key, createMachine(), "web");
    await joinWith(key, createMachine(), "web-2");
    const error = await rejection(joinWith(key, createMachine(), "web"));
    expect(error).toMatchObject({ code: "name-taken", details: { name: "web", suggestion: "web-3" } });
    await joinWith(key, createMachine(), "web-3");
  });

  it("gives 50 machines that join at once 50 addresses and names", async () => {
    const key = await test.key();
    const joined = await Promise.all(
      Array.from({ length: 50 }, (_, index) => joinWith(key, createMachine(), `racer-${index}`)),
    );
    expect(new Set(joined.map((answer) => answer.self.ipv4)).size).toBe(50);
    expect(new Set(joined.map((answer) => answer.self.ipv6)).size).toBe(50);
    expect(new Set(joined.map((answer) => answer.nodeId)).size).toBe(50);
  });

  it("lets exactly one of 20 machines that race for a one-time key and one name in", async () => {
    const key = await test.key({});
    const results = await Promise.allSettled(
      Array.from({ length: 20 }, () => joinWith(key, createMachine(), "winner")),
    );
    const lost = results.filter((result) => result.status === "rejected").map((result) => result.reason.code);
    expect(results.filter((result) => result.status === "fulfilled")).toHaveLength(1);
    expect(new Set(lost)).toEqual(new Set(["join-key-used"]));
  });

  it("says when the range is full, and gives a machine that comes back its old address", async () => {
    await test.admin.createNetwork({ name: "tiny", ipv4Range: "10.99.0.0/30" });
    const key = await test.key({ network: "tiny", reusable: true });
    const [one, two, three] = [createMachine(), createMachine(), createMachine()];
    const first = await joinWith(key, one, "one");
    const second = await joinWith(key, two, "two");
    expect(new Set([first.self.ipv4, second.self.ipv4])).toEqual(new Set(["10.99.0.1", "10.99.0.2"]));
    expect(await rejection(joinWith(key, three, "three"))).toMatchObject({ code: "address-range-full" });

    await test.admin.removeDevice("one", "tiny");
    const record = createRecord(first.network.id, 2);
    const back = await joinWith(key, one, "one", { record });
    expect(back.self.ipv4).toBe(first.self.ipv4);
    expect(back.nodeId).not.toBe(first.nodeId);
  });

  it("does not hand out a released address for a day while others are free", async () => {
    await test.admin.createNetwork({ name: "resting", ipv4Range: "10.98.0.0/29" });
    const key = await test.key({ network: "resting", reusable: true });
    const given: string[] = [];
    for (let round = 0; round < 6; round++) {
      const { self } = await joinWith(key, createMachine(), `m${round}`);
      given.push(self.ipv4);
      await test.admin.removeDevice(`m${round}`, "resting");
    }
    expect(new Set(given).size).toBe(6);
    // All six rest: the one that has rested longest comes first.
    expect((await joinWith(key, createMachine(), "next")).self.ipv4).toBe(given[0]);
  });
});

describe("pinning", () => {
  it("sends nothing to a server with another certificate", async () => {
    const key = unwrap(parseJoinKey(await test.key()));
    const wrong = { url: key.url, fingerprint: new Uint8Array(32).fill(1) };
    const error = await rejection(new ServerClient(wrong).previewJoin(key.secret));
    expect(error).toMatchObject({
      code: "fingerprint-mismatch",
      details: { shown: formatFingerprint(key.fingerprint), expected: "01".repeat(32) },
    });
  });

  it("says when nobody listens", async () => {
    const key = unwrap(parseJoinKey(await test.key()));
    const nobody = { url: "https://127.0.0.1:1", fingerprint: key.fingerprint };
    expect(await rejection(new ServerClient(nobody).previewJoin(key.secret))).toMatchObject({
      code: "server-unreachable",
      message: expect.stringContaining("nothing listens there"),
    });
  });
});

describe("limits", () => {
  it("slows down whoever guesses keys", async () => {
    const limited = await startTestServer({ joinLimits: { burst: 30, perSecond: 0.001 } });
    try {
      const client = new ServerClient(unwrap(parseJoinKey(await limited.key())));
      const codes: (string | undefined)[] = [];
      for (let guess = 0; guess < 5; guess++)
        codes.push((await rejection(client.previewJoin(new Uint8Array(20).fill(guess)))).code);
      expect(codes).toEqual([
        "join-key-unknown",
        "join-key-unknown",
        "join-key-unknown",
        "rate-limited",
        "rate-limited",
      ]);
    } finally {
      await limited.close();
    }
  });
});

describe("leave", () => {
  it("ends the membership, can be repeated, and is for the machine itself only", async () => {
    const machine = createMachine();
    const key = unwrap(parseJoinKey(await test.key()));
    const joined = await joinWith(await test.key(), machine, "leaver");
    const client = new ServerClient(key);
    const stranger = createMachine();
    expect(await rejection(client.leave(joined.nodeId, stranger.machineKey, stranger.sign))).toMatchObject({
      code: "not-authorised",
    });
    expect(await rejection(client.leave(joined.nodeId, machine.machineKey, stranger.sign))).toMatchObject({
      code: "signature-invalid",
    });
    await client.leave(joined.nodeId, machine.machineKey, machine.sign);
    await client.leave(joined.nodeId, machine.machineKey, machine.sign);
    expect(await rejection(test.admin.getDevice(joined.nodeId))).toMatchObject({ code: "not-found" });
  });
});
