import { get } from "node:http";
import type { JoinResponse } from "@asterism/core/control";
import { afterAll, beforeAll, expect, it } from "vitest";
import { createMachine, joinWith, type Machine, rejection, startTestServer, type TestServer } from "./test-server.ts";
import { TestStream } from "./test-stream.ts";

let test: TestServer;
beforeAll(async () => {
  test = await startTestServer({
    metrics: "127.0.0.1:0",
    streamLimits: { reportedPairs: { burst: 2, perSecond: 0 }, calls: { burst: 3, perSecond: 0 } },
  });
});
afterAll(() => test.close());

interface Answer {
  readonly status: number | undefined;
  readonly type: string | undefined;
  readonly text: string;
}

function read(where: { socketPath: string } | { port: number | null }, path = "/metrics"): Promise<Answer> {
  const target = "port" in where ? { host: "127.0.0.1", port: where.port } : where;
  return new Promise((resolve, reject) => {
    get({ ...target, path, agent: false }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("end", () => {
        const text = Buffer.concat(chunks).toString("utf8");
        resolve({ status: response.statusCode, type: response.headers["content-type"], text });
      });
    }).once("error", reject);
  });
}

const metrics = async () => (await read({ port: test.server.metricsPort })).text;

interface Member {
  readonly machine: Machine;
  readonly joined: JoinResponse;
}

async function join(name: string): Promise<Member> {
  const machine = createMachine();
  return { machine, joined: await joinWith(await test.key(), machine, name) };
}

const connect = ({ machine, joined }: Member) => TestStream.connect(test.server, machine, joined.nodeId);

it("metrics are on the admin socket and on a port of their own, which has nothing else", async () => {
  for (const where of [{ socketPath: test.server.adminSocketPath }, { port: test.server.metricsPort }]) {
    const answer = await read(where);
    expect(answer).toMatchObject({ status: 200, type: "text/plain; version=0.0.4; charset=utf-8" });
    expect(answer.text).toMatch(/^asterism_server_info\{version="[^"]+"\} 1$/m);
    expect(answer.text).toMatch(/^process_resident_memory_bytes [1-9]/m);
  }
  expect((await read({ port: test.server.metricsPort }, "/api/v1/admin/info")).status).toBe(404);
});

it("metrics say who is there, what was sent, what became of joins and calls", async () => {
  expect(await rejection(joinWith(await test.key({}), createMachine(), "no", { record: "{}" as never }))).toBeDefined();
  const [a, b] = [await join("a"), await join("b")];
  const stream = await connect(a);
  await stream.next("presence");
  const other = await connect(b);
  await other.next("presence");

  const sealed = "c2VhbGVk";
  stream.socket.send({ type: "call", to: b.joined.nodeId, sealed });
  await other.next("call");
  stream.socket.send({ type: "call", to: "node-none", sealed });
  await stream.next("call-failed", ({ reason }) => reason === "unknown");
  for (let index = 0; index < 2; index++) stream.socket.send({ type: "call", to: b.joined.nodeId, sealed });
  await stream.next("call-failed", ({ reason }) => reason === "rate-limited");
  await test.admin.renameDevice(b.joined.nodeId, "bb");
  await stream.next("delta");

  const text = await metrics();
  expect(text).toContain('asterism_server_members{network="default"} 2');
  expect(text).toContain('asterism_server_streams{network="default"} 2');
  expect(text).toContain('asterism_server_map_version{network="default"} 3');
  expect(text).toContain('asterism_server_joins_total{result="joined"} 2');
  expect(text).toContain('asterism_server_joins_total{result="invalid-input"} 1');
  expect(text).toContain('asterism_server_calls_total{result="forwarded"} 2');
  expect(text).toContain('asterism_server_calls_total{result="unknown"} 1');
  expect(text).toContain('asterism_server_calls_total{result="rate-limited"} 1');
  expect(text).toContain('asterism_server_messages_sent_total{type="map"} 2');
  expect(text).toMatch(/asterism_server_messages_sent_total\{type="delta"\} [12]\n/);
  expect(text).toContain('asterism_server_messages_received_total{type="call"} 4');
});

it("reports of agents are added up by NAT pair, within limits, about peers that are there", async () => {
  const [c, d] = [await join("c"), await join("d")];
  const stream = await connect(c);
  await stream.next("presence");
  const other = await connect(d);
  await other.next("presence");
  const pair = {
    peer: d.joined.nodeId,
    kind: "direct" as const,
    firstPingMs: 30,
    directMs: 400,
    natA: "symmetric",
    natB: "none",
  };
  stream.socket.send({ type: "report", pairs: [pair, { ...pair, peer: c.joined.nodeId }] });
  stream.socket.send({ type: "report", pairs: [pair] });
  // Requests are carried out in order: the answer says that the reports were taken in.
  stream.socket.send({ type: "rename", requestId: 1, name: "c" });
  await stream.next("done");
  const text = await metrics();
  expect(text).toContain('asterism_pair_connections_total{nats="none – symmetric",kind="direct"} 1');
  expect(text).toContain('asterism_pair_direct_seconds_bucket{le="0.5",nats="none – symmetric"} 1');
  expect(text).toContain('asterism_server_reported_pairs_total{result="ignored"} 1');
  expect(text).toContain('asterism_server_reported_pairs_total{result="rate-limited"} 1');
  for (const { joined } of [c, d]) expect(text).not.toContain(joined.nodeId);
});

it("a port that is taken is named, with the option to change", async () => {
  const taken = `127.0.0.1:${test.server.port}`;
  expect(await rejection(startTestServer({ metrics: taken }))).toMatchObject({
    code: "address-in-use",
    message: expect.stringContaining("--metrics"),
  });
});
