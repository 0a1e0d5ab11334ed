import { encodeBase64 } from "@asterism/core/bytes";
import {
  CLOSE_CODES,
  controlProofBytes,
  formatFingerprint,
  type JoinResponse,
  PROTOCOL_VERSION,
  verifyNodeRecord,
} from "@asterism/core/control";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { nodeVerify } from "./node-verify.ts";
import {
  createMachine,
  createSignedRecord,
  joinWith,
  type Machine,
  startTestServer,
  type TestServer,
} from "./test-server.ts";
import { TestStream } from "./test-stream.ts";

interface Member {
  readonly machine: Machine;
  readonly joined: JoinResponse;
}

let test: TestServer;
let count = 0;
beforeAll(async () => {
  test = await startTestServer({ joinLimits: { burst: 10_000, perSecond: 1 } });
});
afterAll(() => test.close());

/** Members of a network that no other test uses. */
async function members(...names: string[]): Promise<{ network: string; members: Member[] }> {
  const network = `net${++count}`;
  await test.admin.createNetwork({ name: network });
  const key = await test.key({ network, reusable: true });
  const list: Member[] = [];
  for (const name of names) {
    const machine = createMachine();
    list.push({ machine, joined: await joinWith(key, machine, name) });
  }
  return { network, members: list };
}

function connect({ machine, joined }: Member, resume: { epoch: string; version: number } | null = null) {
  return TestStream.connect(test.server, machine, joined.nodeId, resume);
}

describe("network map", () => {
  it("is the whole map at first, with records that peers can verify for themselves", async () => {
    const { members: all } = await members("a", "b", "c");
    const [a, b, c] = all as [Member, Member, Member];
    const stream = await connect(a);
    const map = await stream.next("map");
    expect(map.self).toMatchObject({ nodeId: a.joined.nodeId, name: "a", ipv4: a.joined.self.ipv4, user: "admin" });
    expect(map.network).toEqual(a.joined.network);
    expect(map.peers.map((peer) => peer.nodeId).toSorted()).toEqual([b.joined.nodeId, c.joined.nodeId].toSorted());
    for (const peer of map.peers) {
      if (peer.kind !== "agent") throw new Error("a stock peer");
      expect(verifyNodeRecord(peer, peer.machineKey, map.network.id, nodeVerify).ok).toBe(true);
      expect(JSON.stringify(peer)).not.toMatch(/endpoint|candidate/i);
    }
  });

  it("tells of joins, renames, new records and removals as they happen", async () => {
    const { network, members: all } = await members("a", "b");
    const [a, b] = all as [Member, Member];
    const stream = await connect(a);
    const map = await stream.next("map");

    const late = createMachine();
    const joined = await joinWith(await test.key({ network }), late, "late");
    const added = await stream.next("delta");
    expect(added).toMatchObject({ epoch: map.epoch, fromVersion: map.version, version: map.version + 1, removals: [] });
    expect(added.upserts.map((peer) => peer.name)).toEqual(["late"]);

    await test.admin.renameDevice(b.joined.nodeId, "bb");
    expect((await stream.next("delta")).upserts.map((peer) => peer.fqdn)).toEqual([`bb.admin.${network}.internal`]);

    const lateStream = await TestStream.connect(test.server, late, joined.nodeId);
    await lateStream.next("map");
    const record = createSignedRecord(late, joined.network.id, 2);
    lateStream.socket.send({ type: "record", requestId: 7, ...record });
    expect(await lateStream.next("done")).toEqual({ type: "done", requestId: 7 });
    expect((await stream.next("delta")).upserts).toMatchObject([record]);

    await test.admin.removeDevice(joined.nodeId);
    expect(await stream.next("delta")).toMatchObject({ upserts: [], removals: [joined.nodeId] });
    expect(await lateStream.next("error")).toMatchObject({ code: "device-removed", requestId: null });
    expect((await lateStream.closed).code).toBe(CLOSE_CODES["device-removed"]);
  });

  it("tells a member of its own change as self", async () => {
    const { members: all } = await members("a");
    const stream = await connect(all[0] as Member);
    await stream.next("map");
    stream.socket.send({ type: "rename", requestId: 1, name: "renamed" });
    await stream.next("done");
    expect(await stream.next("delta")).toMatchObject({ self: { name: "renamed" }, upserts: [], removals: [] });
  });

  it("goes on where the agent left off, also after a restart of the server", async () => {
    const { network, members: all } = await members("a", "b", "c");
    const [a, b, c] = all as [Member, Member, Member];
    const first = await connect(a);
    const { epoch, version } = await first.next("map");
    first.socket.close();
    await test.admin.renameDevice(b.joined.nodeId, "bb");
    await test.admin.removeDevice(c.joined.nodeId);
    await test.restart();
    await joinWith(await test.key({ network }), createMachine(), "d");

    const second = await connect(a, { epoch, version });
    const delta = await second.next("delta");
    expect(delta).toMatchObject({ epoch, fromVersion: version, version: version + 3, removals: [c.joined.nodeId] });
    expect(delta.upserts.map((peer) => peer.name).toSorted()).toEqual(["bb", "d"]);
    expect(second.messages.some((message) => message.type === "map")).toBe(false);

    const upToDate = await connect(a, { epoch, version: delta.version });
    expect(await upToDate.next("delta")).toMatchObject({ upserts: [], removals: [] });
  });

  it.each([
    ["of another epoch", "someone-elses", 1],
    ["from the future", undefined, 1_000_000],
  ])("is sent whole to an agent with a map %s", async (_, epoch, version) => {
    const { members: all } = await members("a");
    const first = await connect(all[0] as Member);
    const map = await first.next("map");
    const stream = await connect(all[0] as Member, { epoch: epoch ?? map.epoch, version });
    expect(await stream.next("map")).toMatchObject({ epoch: map.epoch, version: map.version });
  });
});

describe("presence", () => {
  it("is told in full at first and as it changes", async () => {
    const { members: all } = await members("a", "b");
    const [a, b] = all as [Member, Member];
    const one = await connect(a);
    expect(await one.next("presence")).toMatchObject({ full: true, online: [a.joined.nodeId] });
    const two = await connect(b);
    expect(new Set((await two.next("presence")).online)).toEqual(new Set([a.joined.nodeId, b.joined.nodeId]));
    await one.next("presence", (message) => message.online.includes(b.joined.nodeId));
    expect(await test.admin.getDevice(b.joined.nodeId)).toMatchObject({ online: true });
    two.socket.terminate();
    await one.next("presence", (message) => message.offline.includes(b.joined.nodeId));
    expect(await test.admin.getDevice(b.joined.nodeId)).toMatchObject({ online: false });
  });

  it("stays online when a device connects anew, and the former stream is told why it ends", async () => {
    const { members: all } = await members("a", "b");
    const [a, b] = all as [Member, Member];
    const watcher = await connect(a);
    await watcher.next("presence");
    const former = await connect(b);
    await watcher.next("presence", (message) => message.online.includes(b.joined.nodeId));
    const newer = await connect(b);
    await newer.next("map");
    expect((await former.closed).code).toBe(CLOSE_CODES["stream-replaced"]);
    newer.socket.close();
    const gone = await watcher.next("presence", (message) => message.offline.length > 0);
    expect(gone.offline).toEqual([b.joined.nodeId]);
    const offlineTold = watcher.messages.filter((message) => message.type === "presence" && message.offline.length > 0);
    expect(offlineTold).toHaveLength(1);
  });
});

describe("calls", () => {
  it("are passed on to members of the same network, and to nobody else", async () => {
    const { members: all } = await members("a", "b", "offline");
    const { members: others } = await members("foreign");
    const [a, b, offline] = all as [Member, Member, Member];
    const foreign = others[0] as Member;
    const caller = await connect(a);
    const callee = await connect(b);
    const stranger = await connect(foreign);
    await Promise.all([caller.next("map"), callee.next("presence"), stranger.next("presence")]);

    caller.socket.send({ type: "call", to: b.joined.nodeId, sealed: "c2VhbGVk" });
    expect(await callee.next("call")).toEqual({ type: "call", from: a.joined.nodeId, sealed: "c2VhbGVk" });

    caller.socket.send({ type: "call", to: offline.joined.nodeId, sealed: "c2VhbGVk" });
    expect(await caller.next("call-failed")).toEqual({
      type: "call-failed",
      to: offline.joined.nodeId,
      reason: "offline",
    });
    for (const to of [foreign.joined.nodeId, "node-nobody"]) {
      caller.socket.send({ type: "call", to, sealed: "c2VhbGVk" });
      expect(await caller.next("call-failed")).toEqual({ type: "call-failed", to, reason: "unknown" });
    }
    expect(stranger.messages.some((message) => message.type === "call")).toBe(false);
  });

  it("are limited in rate", async () => {
    const { members: all } = await members("a", "b");
    const [a, b] = all as [Member, Member];
    const caller = await connect(a);
    const callee = await connect(b);
    await Promise.all([caller.next("map"), callee.next("presence")]);
    for (let index = 0; index < 300; index++) {
      caller.socket.send({ type: "call", to: b.joined.nodeId, sealed: "YQ==" });
    }
    expect(await caller.next("call-failed")).toMatchObject({ reason: "rate-limited" });
    caller.socket.send({ type: "ping" });
    await caller.next("pong");
    const passed = callee.messages.filter((message) => message.type === "call").length;
    expect(passed).toBeGreaterThanOrEqual(100);
    expect(passed).toBeLessThan(260);
  });
});

describe("requests on the stream", () => {
  it("are answered by their number, refusals included", async () => {
    const { members: all } = await members("a", "taken");
    const a = all[0] as Member;
    const stream = await connect(a);
    await stream.next("map");
    stream.socket.send({ type: "rename", requestId: 41, name: "taken" });
    expect(await stream.next("error")).toMatchObject({ code: "name-taken", requestId: 41 });
    stream.socket.send({ type: "record", requestId: 42, ...createSignedRecord(a.machine, a.joined.network.id, 0) });
    expect(await stream.next("error")).toMatchObject({ code: "record-stale", requestId: 42 });
    stream.socket.send({
      type: "record",
      requestId: 43,
      ...createSignedRecord(createMachine(), a.joined.network.id, 5),
    });
    expect(await stream.next("error")).toMatchObject({ code: "signature-invalid", requestId: 43 });
    stream.socket.send({ type: "record", requestId: 44, ...createSignedRecord(a.machine, "net-other", 5) });
    expect(await stream.next("error")).toMatchObject({ code: "signature-invalid", requestId: 44 });
    stream.socket.send({ type: "ping" });
    await stream.next("pong");
  });

  it("let a device leave, which tells the others", async () => {
    const { members: all } = await members("a", "b");
    const [a, b] = all as [Member, Member];
    const watcher = await connect(a);
    await watcher.next("map");
    const leaver = await connect(b);
    await leaver.next("map");
    leaver.socket.send({ type: "leave", requestId: 1 });
    await leaver.next("done");
    expect((await leaver.closed).code).toBe(CLOSE_CODES["device-removed"]);
    expect((await watcher.next("delta")).removals).toEqual([b.joined.nodeId]);
  });
});

describe("authentication", () => {
  const attempt = async (nodeId: string, sign: (nonce: string) => Uint8Array) => {
    const stream = await TestStream.open(test.server);
    const { nonce } = await stream.next("hello");
    const signature = encodeBase64(sign(nonce));
    stream.socket.send({ type: "authenticate", protocol: PROTOCOL_VERSION, nodeId, signature, resume: null });
    return stream;
  };

  it("refuses another machine's signature, a replayed one, and a node that is gone", async () => {
    const { members: all } = await members("a");
    const { machine, joined } = all[0] as Member;
    const fingerprint = formatFingerprint(test.server.fingerprint);

    const forged = await attempt(joined.nodeId, (nonce) =>
      createMachine().sign(controlProofBytes(fingerprint, nonce, joined.nodeId)),
    );
    expect(await forged.next("error")).toMatchObject({ code: "not-authorised" });
    expect((await forged.closed).code).toBe(CLOSE_CODES["not-authorised"]);

    let captured: Uint8Array = new Uint8Array(64);
    const genuine = await attempt(joined.nodeId, (nonce) => {
      captured = machine.sign(controlProofBytes(fingerprint, nonce, joined.nodeId));
      return captured;
    });
    await genuine.next("authenticated");
    const replayed = await attempt(joined.nodeId, () => captured);
    expect((await replayed.closed).code).toBe(CLOSE_CODES["not-authorised"]);

    const elsewhere = await attempt(joined.nodeId, (nonce) =>
      machine.sign(controlProofBytes("00".repeat(32), nonce, joined.nodeId)),
    );
    expect((await elsewhere.closed).code).toBe(CLOSE_CODES["not-authorised"]);

    const gone = await attempt("node-gone", (nonce) =>
      machine.sign(controlProofBytes(fingerprint, nonce, "node-gone")),
    );
    expect((await gone.closed).code).toBe(CLOSE_CODES["device-removed"]);
  });

  it("comes first and once", async () => {
    const { members: all } = await members("a");
    const member = all[0] as Member;
    const early = await TestStream.open(test.server);
    early.socket.send({ type: "call", to: member.joined.nodeId, sealed: "YQ==" });
    expect((await early.closed).code).toBe(CLOSE_CODES["not-authorised"]);

    const twice = await connect(member);
    const signature = encodeBase64(new Uint8Array(64));
    twice.socket.send({ type: "authenticate", protocol: PROTOCOL_VERSION, nodeId: "x", signature, resume: null });
    expect((await twice.closed).code).toBe(CLOSE_CODES.invalid);
  });

  it("must come in time", async () => {
    const quick = await startTestServer({ streamLimits: { authenticateTimeoutMs: 50 } });
    try {
      const stream = await TestStream.open(quick.server);
      expect((await stream.closed).code).toBe(CLOSE_CODES["not-authorised"]);
    } finally {
      await quick.close();
    }
  });
});

describe("life of a stream", () => {
  it("is kept alive by pings, and one that has fallen silent is given up", async () => {
    const quick = await startTestServer({ streamLimits: { pingIntervalMs: 30, watchdogMs: 200 } });
    try {
      const machine = createMachine();
      const joined = await joinWith(await quick.key(), machine, "silent");
      const stream = await TestStream.connect(quick.server, machine, joined.nodeId);
      await stream.next("ping");
      await stream.next("ping");
      // Never answered: the watchdog ends it without a good-bye.
      expect((await stream.closed).code).toBe(1006);
    } finally {
      await quick.close();
    }
  });

  it("ends with word of when to come back when the server stops", async () => {
    const stopping = await startTestServer();
    const machine = createMachine();
    const joined = await joinWith(await stopping.key(), machine, "a");
    const stream = await TestStream.connect(stopping.server, machine, joined.nodeId);
    await stream.next("map");
    await stopping.close();
    expect((await stream.next("restarting")).reconnectAfterMs).toBeLessThan(10_000);
    expect((await stream.closed).code).toBe(CLOSE_CODES.restarting);
  });

  it("ends for all when the network is deleted", async () => {
    const { network, members: all } = await members("a", "b");
    const streams = await Promise.all(all.map((member) => connect(member)));
    await Promise.all(streams.map((stream) => stream.next("map")));
    await test.admin.deleteNetwork(network, true);
    for (const stream of streams) expect((await stream.closed).code).toBe(CLOSE_CODES["device-removed"]);
  });

  it("brings many changes made at once to many members, each exactly to the newest version", async () => {
    const names = Array.from({ length: 10 }, (_, index) => `m${index}`);
    const { network, members: all } = await members(...names);
    const streams = await Promise.all(all.map((member) => connect(member)));
    const maps = await Promise.all(streams.map((stream) => stream.next("map")));
    const key = await test.key({ network, reusable: true });
    await Promise.all(Array.from({ length: 30 }, (_, index) => joinWith(key, createMachine(), `n${index}`)));
    for (const [index, stream] of streams.entries()) {
      const known = new Set(maps[index]?.peers.map((peer) => peer.name));
      let version = maps[index]?.version ?? 0;
      while (version < 40) {
        const delta = await stream.next("delta");
        expect(delta.fromVersion).toBe(version);
        version = delta.version;
        for (const peer of delta.upserts) known.add(peer.name);
      }
      expect(known.size).toBe(39);
    }
  });
});

describe("ephemeral devices", () => {
  it("are removed after ten minutes offline, not before, and never while online", async () => {
    let now = Date.now();
    const own = await startTestServer({ wallNow: () => now });
    try {
      const key = await own.key({ ephemeral: true, reusable: true });
      const stays = createMachine();
      const joined = await joinWith(key, stays, "stays");
      await joinWith(key, createMachine(), "goes");
      await joinWith(await own.key(), createMachine(), "lasting");
      await (await TestStream.connect(own.server, stays, joined.nodeId)).next("map");
      now += 9 * 60_000;
      await own.server.keepHouse();
      expect(await own.admin.listDevices()).toHaveLength(3);
      now += 2 * 60_000;
      await own.server.keepHouse();
      const left = await own.admin.listDevices();
      expect(left.map((device) => device.name)).toEqual(["lasting", "stays"]);
    } finally {
      await own.close();
    }
  });
});
