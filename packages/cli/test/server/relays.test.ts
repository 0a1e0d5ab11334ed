import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { connect as connectTls, type TLSSocket } from "node:tls";
import { type JoinResponse, MAX_RELAYS } from "@asterism/core/control";
import { encodeStun, parseStun, STUN_METHOD_BINDING } from "@asterism/core/stun";
import type { WallTime } from "@asterism/core/time";
import { checkTurnUsername } from "@asterism/core/turn";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { runAdmin } from "./run-admin.ts";
import { createMachine, joinWith, type Machine, rejection, startTestServer, type TestServer } from "./test-server.ts";
import { TestStream } from "./test-stream.ts";

const HOURS = 3_600_000;
const names = new Map([["turn.example", ["203.0.113.7"]]]);
let now = Date.now();
let test: TestServer;
let count = 0;
beforeAll(async () => {
  test = await startTestServer({
    wallNow: () => now,
    relay: "127.0.0.1:0",
    metrics: "127.0.0.1:0",
    joinLimits: { burst: 10_000, perSecond: 1 },
    resolveHost: (host) => {
      const addresses = names.get(host);
      return addresses === undefined
        ? Promise.reject(Object.assign(new Error("no such host"), { code: "ENOTFOUND" }))
        : Promise.resolve(addresses);
    },
  });
});
afterAll(() => test.close());

interface Member {
  readonly machine: Machine;
  readonly joined: JoinResponse;
}

/** A network that no other test uses, with one member. */
async function networkWithMember(): Promise<{ network: string; member: Member }> {
  const network = `net${++count}`;
  await test.admin.createNetwork({ name: network });
  const machine = createMachine();
  return { network, member: { machine, joined: await joinWith(await test.key({ network }), machine, "a") } };
}

const connect = ({ machine, joined }: Member) => TestStream.connect(test.server, machine, joined.nodeId);

describe("the relays of a network", () => {
  it("come before the first map, the server's own with credentials that it takes", async () => {
    const { member } = await networkWithMember();
    const stream = await connect(member);
    const { relays, stunServers } = await stream.next("relays");
    await stream.next("map");
    expect(relays).toMatchObject([
      {
        id: "relay-server",
        addresses: ["127.0.0.1"],
        ports: { udp: expect.any(Number), tcp: relays[0]?.ports.udp, tls: test.server.port },
        tlsName: null,
        tlsFingerprint: Buffer.from(test.server.fingerprint).toString("hex"),
        realm: "asterism",
        expiresAt: expect.any(String),
      },
    ]);
    expect(stunServers).toEqual([
      { address: "127.0.0.1", port: relays[0]?.ports.udp, alternatePort: expect.any(Number) },
    ]);
    const [own] = relays;
    const secret = (await readFile(join(test.dataDir, "relay-secret"), "utf8")).trim();
    const checked = checkTurnUsername(secret, own?.username ?? "", now as WallTime);
    expect(checked).toMatchObject({ ok: true, password: own?.password });
    expect(own?.username).not.toContain(member.joined.nodeId);
    expect(own?.username.split(":")[1]).not.toBe(member.joined.self.name);
  });

  it("change at once when an administrator adds or removes one, in that network only", async () => {
    const { network, member } = await networkWithMember();
    const other = await networkWithMember();
    const stream = await connect(member);
    await stream.next("presence");
    const otherStream = await connect(other.member);
    await otherStream.next("presence");

    const added = await test.admin.addRelay({ network, host: "Turn.Example", secret: "s", tlsPort: 5349 });
    expect(added).toMatchObject({ host: "turn.example", addresses: ["203.0.113.7"], auth: "secret", username: null });
    const told = await stream.next("relays");
    expect(told.relays.map((relay) => relay.id)).toEqual(["relay-server", added.id]);
    expect(told.relays[1]).toMatchObject({
      name: "turn.example",
      addresses: ["203.0.113.7"],
      ports: { udp: 3478, tcp: 3478, tls: 5349 },
      tlsName: "turn.example",
      tlsFingerprint: null,
    });
    expect(told.stunServers).toContainEqual({ address: "203.0.113.7", port: 3478, alternatePort: null });

    await test.admin.removeRelay("turn.example", network);
    expect((await stream.next("relays")).relays.map((relay) => relay.id)).toEqual(["relay-server"]);
    const replaced = await connect(other.member);
    await replaced.next("presence");
    expect(otherStream.messages.filter((message) => message.type === "relays")).toHaveLength(1);
  });

  it("stay after a restart, with the fixed user as it was given", async () => {
    const { network, member } = await networkWithMember();
    await test.admin.addRelay({ network, host: "198.51.100.9", udpPort: 5000, username: "u", password: "p" });
    await test.restart();
    const stream = await connect(member);
    const { relays } = await stream.next("relays");
    expect(relays[1]).toMatchObject({
      addresses: ["198.51.100.9"],
      ports: { udp: 5000, tcp: 5000, tls: null },
      tlsName: null,
      username: "u",
      password: "p",
      expiresAt: null,
    });
  });

  it("follow their names: left out until resolved, told again when addresses change", async () => {
    const { network, member } = await networkWithMember();
    names.set("moving.example", ["203.0.113.20"]);
    await test.admin.addRelay({ network, host: "moving.example", secret: "s" });
    const stream = await connect(member);
    await stream.next("relays", ({ relays }) => relays.length === 2);
    names.set("moving.example", ["203.0.113.21", "127.0.0.1"]);
    await test.server.keepHouse();
    now += 10 * 60_000;
    await test.server.keepHouse();
    const moved = await stream.next("relays");
    expect(moved.relays[1]?.addresses).toEqual(["203.0.113.21"]);
    names.set("moving.example", []);
    now += 10 * 60_000;
    await test.server.keepHouse();
    expect((await stream.next("relays")).relays).toHaveLength(1);
    expect(await test.admin.listRelays(network)).toMatchObject([{ id: "relay-server" }, { addresses: [] }]);
  });

  it("get new credentials when half of their time is over", async () => {
    const { member } = await networkWithMember();
    const stream = await connect(member);
    const first = await stream.next("relays");
    now += 5 * HOURS;
    await test.server.keepHouse();
    now += HOURS;
    await test.server.keepHouse();
    const second = await stream.next("relays");
    const expiry = (message: typeof first) => Date.parse(message.relays[0]?.expiresAt ?? "");
    expect(expiry(second) - expiry(first)).toBe(6 * HOURS);
    expect(second.relays[0]?.username.split(":")[1]).toBe(first.relays[0]?.username.split(":")[1]);
  });
});

describe("adding a relay", () => {
  it("is refused where it makes no sense", async () => {
    const { network } = await networkWithMember();
    const add = (body: object) =>
      rejection(test.admin.addRelay({ network, host: "198.51.100.1", secret: "s", ...body }));
    expect(await add({ host: "no-such.example" })).toMatchObject({ code: "invalid-input" });
    expect(await add({ network: "nowhere" })).toMatchObject({ code: "network-unknown" });
    expect(await add({ secret: undefined })).toMatchObject({ code: "invalid-input" });
    expect(await add({ secret: "a\nb" })).toMatchObject({ code: "invalid-input" });
    expect(await add({ udpPort: 70_000 })).toMatchObject({ code: "invalid-input" });
    await test.admin.addRelay({ network, host: "198.51.100.1", secret: "s" });
    expect(await add({})).toMatchObject({ code: "in-use" });
    for (let index = 2; index < MAX_RELAYS; index++) {
      await test.admin.addRelay({ network, host: `198.51.100.${index}`, secret: "s" });
    }
    expect(await add({ host: "198.51.100.200" })).toMatchObject({ code: "limit-reached" });
    expect(await rejection(test.admin.removeRelay("relay-server"))).toMatchObject({ code: "in-use" });
    expect(await rejection(test.admin.removeRelay("absent"))).toMatchObject({ code: "not-found" });
  });
});

describe("asterism admin relay", () => {
  const admin = (...args: string[]) => runAdmin(["relay", ...args, "--data", test.dataDir]);

  it("adds, lists and removes, and shows no secret", async () => {
    const { network } = await networkWithMember();
    const added = await admin("add", "turn.example:3479", "--network", network, "--secret", "hush", "--json");
    expect(JSON.parse(added.stdout)).toMatchObject({
      host: "turn.example",
      ports: { udp: 3479, tcp: 3479, tls: null },
    });
    const ports = ["--tcp-port", "none", "--tls-port", "443"];
    const second = await admin(
      ...["add", "[2001:db8::5]:99", "--network", network, "--username", "u", "--password", "hush", ...ports],
    );
    expect(second).toMatchObject({ code: 0, stdout: expect.stringContaining("2001:db8::5") });
    const listed = await admin("list", "--network", network);
    expect(listed.stdout).toMatch(/^HOST +NETWORK +UDP +TCP +TLS +LOGIN +ADDRESSES +ID\n/);
    expect(listed.stdout).toMatch(
      new RegExp(`turn.example +${network} +3479 +3479 +– +by secret +203.0.113.7 +relay-`),
    );
    expect(listed.stdout).toMatch(new RegExp(`2001:db8::5 +${network} +99 +– +443 +u +2001:db8::5 +relay-`));
    expect(added.stdout + second.stdout + listed.stdout).not.toContain("hush");
    expect((await admin("remove", "2001:db8::5", "--network", network)).code).toBe(0);
    expect((await admin("list", "--network", network, "--json")).stdout).not.toContain("2001:db8::5");
  });

  it.each([
    ["a port that is none", ["add", "turn.example:0", "--secret", "s"], "65535"],
    ["two ports", ["add", "turn.example:1:2", "--secret", "s"], "HOST:PORT"],
    ["a TLS port that is none", ["add", "turn.example", "--secret", "s", "--tls-port", "tls"], "65535"],
    ["no login", ["add", "turn.example"], "--secret"],
  ])("answers %s with exit code 2 and what is wrong", async (_, args, problem) => {
    expect(await admin(...args)).toMatchObject({ code: 2, stderr: expect.stringContaining(problem) });
  });
});

describe("the server's port", () => {
  const open = (alpn: string[]): Promise<TLSSocket> =>
    new Promise((resolve, reject) => {
      const options = { host: "127.0.0.1", port: test.server.port, rejectUnauthorized: false, ALPNProtocols: alpn };
      const socket: TLSSocket = connectTls(options, () => resolve(socket));
      socket.once("error", reject);
    });
  const firstChunk = (socket: TLSSocket): Promise<Buffer> => new Promise((resolve) => socket.once("data", resolve));

  it("gives those that ask for TURN to the relay, and the others HTTP", async () => {
    const turn = await open(["stun.turn"]);
    expect(turn.alpnProtocol).toBe("stun.turn");
    const transactionId = randomBytes(12);
    turn.write(encodeStun({ class: "request", method: STUN_METHOD_BINDING, transactionId, attributes: [] }));
    const answer = parseStun(await firstChunk(turn));
    expect(answer).toMatchObject({ ok: true, message: { class: "success", method: STUN_METHOD_BINDING } });
    const metrics = await readMetrics();
    expect(metrics).toMatch(/^asterism_relay_connections 1$/m);
    expect(metrics).toMatch(/^asterism_relay_requests_total 1$/m);
    expect(metrics).toMatch(/^asterism_relay_allocations 0$/m);
    // The beginning of a message, and the end of the connection.
    turn.end(Buffer.from([0, 1, 0, 0]));
    await vi.waitFor(async () => {
      expect(await readMetrics()).toMatch(/^asterism_relay_drops_total\{kind="stream",reason="frame-cut-short"\} 1$/m);
    });
    const http = await open(["http/1.1"]);
    http.write("GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    expect((await firstChunk(http)).toString()).toContain("200 OK");
    http.destroy();
  });

  async function readMetrics(): Promise<string> {
    const response = await fetch(`http://127.0.0.1:${test.server.metricsPort}/metrics`);
    return await response.text();
  }
});
