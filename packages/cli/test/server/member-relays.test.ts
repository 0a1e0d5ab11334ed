/** Relays that members offer to their networks. */
import type { JoinResponse, OfferedRelay } from "@asterism/core/control";
import type { WallTime } from "@asterism/core/time";
import { checkTurnUsername } from "@asterism/core/turn";
import { afterAll, beforeAll, expect, it } from "vitest";
import { createMachine, joinWith, type Machine, rejection, startTestServer, type TestServer } from "./test-server.ts";
import { TestStream } from "./test-stream.ts";

interface Member {
  readonly machine: Machine;
  readonly joined: JoinResponse;
}

let now = Date.now();
let test: TestServer;
let count = 0;
beforeAll(async () => {
  test = await startTestServer({ wallNow: () => now, joinLimits: { burst: 10_000, perSecond: 1 } });
});
afterAll(() => test.close());

/** A network of its own with a device that may relay and one that may not. */
async function createPair(): Promise<{ network: string; star: Member; plain: Member }> {
  const network = `net${++count}`;
  await test.admin.createNetwork({ name: network });
  const join = async (name: string, tags: string[]): Promise<Member> => {
    const machine = createMachine();
    const key = await test.key({ network, tags });
    return { machine, joined: await joinWith(key, machine, name) };
  };
  return { network, star: await join("star", ["relay"]), plain: await join("plain", []) };
}

const connect = ({ machine, joined }: Member) => TestStream.connect(test.server, machine, joined.nodeId);

const relay: OfferedRelay = {
  addresses: ["203.0.113.5", "2001:db8:0:0::5"],
  ports: { udp: 3478, tcp: 3478 },
  alternateUdpPort: 3479,
  secret: "secret-of-the-star",
  realm: "asterism",
};

/** Offers (or takes back), and gives the answer. */
function offer(stream: TestStream, offered: OfferedRelay | null, answer: "done" | "error" = "done") {
  stream.socket.send({ type: "offer-relay", requestId: 7, relay: offered });
  return stream.next(answer, ({ requestId }) => requestId === 7);
}

const relayNames = async (stream: TestStream, length: number) =>
  (await stream.next("relays", ({ relays }) => relays.length === length)).relays.map(({ name }) => name);

it("the others are told at once, with credentials that the member's relay takes; the member itself is not", async () => {
  const { network, star, plain } = await createPair();
  const others = await connect(plain);
  expect(await relayNames(others, 0)).toEqual([]);
  const own = await connect(star);
  await offer(own, relay);
  const { relays, stunServers } = await others.next("relays");
  const addresses = ["203.0.113.5", "2001:db8::5"];
  const ports = { udp: 3478, tcp: 3478, tls: null };
  expect(relays).toMatchObject([
    { id: `relay-${star.joined.nodeId}`, name: "star", addresses, ports, realm: "asterism" },
  ]);
  const { username, password } = relays[0]!;
  expect(checkTurnUsername(relay.secret, username, now as WallTime)).toMatchObject({ ok: true, password });
  expect(stunServers[0]).toEqual({ address: "203.0.113.5", port: 3478, alternatePort: 3479 });
  expect(await test.admin.listRelays(network)).toMatchObject([
    { host: "star", network, addresses, ports, auth: "secret" },
  ]);
  const told = own.messages.filter((message) => message.type === "relays");
  expect(told.every((message) => message.relays.length === 0)).toBe(true);
  expect(JSON.stringify(others.messages)).not.toContain(relay.secret);
  expect(await rejection(test.admin.removeRelay("star", network))).toMatchObject({ code: "in-use" });
});

it("without the tag it is refused, and no other network hears of one", async () => {
  const { star, plain } = await createPair();
  const stranger = await createPair();
  const stream = await connect(plain);
  expect(await offer(stream, relay, "error")).toMatchObject({ code: "not-authorised" });
  const own = await connect(star);
  const other = await connect(stranger.plain);
  await offer(own, relay);
  expect(await relayNames(stream, 1)).toEqual(["star"]);
  await test.server.keepHouse();
  expect(await test.admin.listRelays(stranger.network)).toEqual([]);
  expect(other.messages.filter((message) => message.type === "relays")).toHaveLength(1);
});

it.each([
  [{ addresses: ["203.0.113.999"] }, "no IP address"],
  [{ ports: { udp: null, tcp: null } }, "no port"],
])("what is of no use is refused: %j", async (wrong, problem) => {
  const { star } = await createPair();
  const stream = await connect(star);
  const answer = await offer(stream, { ...relay, ...wrong }, "error");
  expect(answer).toMatchObject({ code: "invalid-input", message: expect.stringContaining(problem) });
});

it("it goes when it is taken back, and when the device is removed", async () => {
  const { network, star, plain } = await createPair();
  const [own, others] = [await connect(star), await connect(plain)];
  await offer(own, relay);
  await relayNames(others, 1);
  await offer(own, null);
  expect(await relayNames(others, 0)).toEqual([]);
  await offer(own, relay);
  await relayNames(others, 1);
  await test.admin.removeDevice("star", network);
  expect(await relayNames(others, 0)).toEqual([]);
  expect(await test.admin.listRelays(network)).toEqual([]);
});

it("it outlives a short break of the member's stream, not a long one, nor a return without it", async () => {
  const { network, star, plain } = await createPair();
  const others = await connect(plain);
  const first = await connect(star);
  await offer(first, relay);
  await relayNames(others, 1);
  const listed = async () => (await test.admin.listRelays(network)).length;
  const waitFor = async (ms: number) => {
    now += ms;
    await test.server.keepHouse();
  };

  first.socket.close();
  await others.next("presence", ({ offline }) => offline.includes(star.joined.nodeId));
  await waitFor(50_000);
  const second = await connect(star);
  await offer(second, relay);
  await waitFor(600_000);
  expect(await listed()).toBe(1);

  second.socket.close();
  await others.next("presence", ({ offline }) => offline.includes(star.joined.nodeId));
  await connect(star);
  await waitFor(59_000);
  expect(await listed()).toBe(1);
  await waitFor(1_000);
  expect(await listed()).toBe(0);
  expect(await relayNames(others, 0)).toEqual([]);
});
