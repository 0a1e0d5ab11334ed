import { request } from "node:https";
import { connect as connectTcp } from "node:net";
import { connectPinned } from "@asterism/client";
import { CLOSE_CODES, CONTROL_PATH, JOIN_PATH, JOIN_PREVIEW_PATH, LEAVE_PATH } from "@asterism/core/control";
import fc from "fast-check";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { createMachine, joinWith, startTestServer, type TestServer } from "./test-server.ts";
import { TestStream } from "./test-stream.ts";

let test: TestServer;
beforeAll(async () => {
  test = await startTestServer({ joinLimits: { burst: 100_000, perSecond: 1000 } });
});
afterAll(() => test.close());
// Whatever a test sent, the server still serves.
afterEach(async () => {
  expect((await post("/healthz", undefined, "GET")).status).toBe(200);
});

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly text: string;
}

function post(path: string, body: string | Buffer | undefined, method = "POST", headers = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const call = request(
      new URL(path, test.server.url),
      { method, rejectUnauthorized: false, agent: false, headers: { "content-type": "application/json", ...headers } },
      (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("end", () => {
          const text = Buffer.concat(chunks).toString("utf8");
          resolve({ status: response.statusCode ?? 0, type: response.headers["content-type"] ?? "", text });
        });
      },
    );
    call.on("error", reject);
    call.end(body);
  });
}

describe("requests", () => {
  it.each([
    ["text that is no JSON", "{"],
    ["a JSON string", '"join"'],
    ["null", "null"],
    ["an array", "[]"],
    ["an empty object", "{}"],
    ["nothing", undefined],
    ["wrong types", JSON.stringify({ keySecret: 1, protocol: "x" })],
    ["a prototype", '{"__proto__":{"keySecret":"x"}}'],
    ["a secret of the wrong length", JSON.stringify({ keySecret: "abc", protocol: 1 })],
    ["a secret with left-over bits", JSON.stringify({ keySecret: `${"A".repeat(26)}B`, protocol: 1 })],
  ])("with %s get 400 and a problem", async (_, body) => {
    const answer = await post(JOIN_PREVIEW_PATH, body);
    expect(answer).toMatchObject({ status: 400, type: expect.stringContaining("application/problem+json") });
    expect(JSON.parse(answer.text)).toMatchObject({ code: "invalid-input", status: 400 });
  });

  it("that are too large are refused", async () => {
    const answer = await post(JOIN_PATH, JSON.stringify({ keySecret: "x".repeat(200_000) }));
    expect(answer.status).toBe(413);
    expect(JSON.parse(answer.text).code).toBe("too-large");
  });

  it("of another content type are refused", async () => {
    expect((await post(JOIN_PATH, "<xml/>", "POST", { "content-type": "text/xml" })).status).toBe(400);
  });

  it("of a future protocol are served with ours, of protocol 0 refused", async () => {
    const secret = "A".repeat(27);
    expect((await post(JOIN_PREVIEW_PATH, JSON.stringify({ keySecret: secret, protocol: 9 }))).status).toBe(403);
    expect((await post(JOIN_PREVIEW_PATH, JSON.stringify({ keySecret: secret, protocol: 0 }))).status).toBe(400);
  });

  it("for what is not there get 404 and a problem", async () => {
    for (const path of ["/nothing", "/api/v2/join", "/../etc/passwd", "/%00", `/${"a".repeat(5000)}`]) {
      const answer = await post(path, undefined, "GET");
      expect([400, 404, 414]).toContain(answer.status);
    }
  });

  it("for the admin API without or with a wrong token get 401 whatever the path", async () => {
    for (const path of ["/info", "/keys", "/devices", "/networks/default", "/tokens"]) {
      for (const authorization of [
        "",
        "Bearer x",
        `Bearer astt_token-${"a".repeat(20)}_${"A".repeat(43)}`,
        "Basic YTpi",
      ]) {
        const answer = await post(
          `/api/v1/admin${path}`,
          undefined,
          "GET",
          authorization === "" ? {} : { authorization },
        );
        expect(answer.status).toBe(401);
        expect(JSON.parse(answer.text).code).toBe("not-authorised");
      }
    }
    expect((await post("/api/v1/admin/keys", "{}")).status).toBe(401);
  });

  it("of random JSON never bring the server down or get a 500", async () => {
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(JOIN_PATH, JOIN_PREVIEW_PATH, LEAVE_PATH), fc.json(), async (path, body) => {
        expect((await post(path, body)).status).toBe(400);
      }),
      { numRuns: 40 },
    );
  });
});

describe("connections", () => {
  it("that do not speak TLS, or not HTTP, are closed", async () => {
    await new Promise<void>((resolve) => {
      const plain = connectTcp(test.server.port, "127.0.0.1", () => plain.write("GET / HTTP/1.1\r\nhost: x\r\n\r\n"));
      plain.on("error", () => undefined);
      plain.once("close", () => resolve());
    });
    const socket = await connectPinned(test.server);
    await new Promise<void>((resolve) => {
      socket.on("error", () => undefined);
      socket.once("close", () => resolve());
      socket.resume();
      socket.write("\x16\x03\x01 this is not HTTP\r\n\r\n");
    });
  });

  it("that ask for another path as a control stream are refused", async () => {
    const socket = new WebSocket(`${test.server.url.replace("https", "wss")}/elsewhere`, { rejectUnauthorized: false });
    const error = await new Promise<Error>((resolve) => socket.once("error", resolve));
    expect(error.message).toContain("404");
  });
});

/** A WebSocket without any of our checks, after the server's hello. */
async function rawStream(): Promise<{ socket: WebSocket; closed: Promise<number> }> {
  const url = test.server.url.replace("https", "wss") + CONTROL_PATH;
  const socket = new WebSocket(url, { rejectUnauthorized: false });
  const closed = new Promise<number>((resolve) => {
    socket.once("close", (code) => resolve(code));
  });
  socket.on("error", () => undefined);
  await new Promise((resolve) => {
    socket.once("message", resolve);
  });
  return { socket, closed };
}

describe("control streams", () => {
  it.each([
    ["no JSON", "{"],
    ["truncated JSON", '{"type":"authenticate","nodeId":"no'],
    ["null", "null"],
    ["a number", "7"],
    ["no type", '{"nodeId":"x"}'],
    ["an unknown type before authentication", '{"type":"frobnicate"}'],
    ["a type that is no own property", '{"type":"constructor"}'],
    ["missing fields", '{"type":"authenticate"}'],
    [
      "a signature of the wrong length",
      JSON.stringify({ type: "authenticate", protocol: 1, nodeId: "a", signature: "AA==", resume: null }),
    ],
    ["deep nesting", "[".repeat(15_000) + "]".repeat(15_000)],
  ])("that say %s are closed with the reason", async (_, text) => {
    const { socket, closed } = await rawStream();
    socket.send(text);
    expect(await closed).toBe(CLOSE_CODES.invalid);
  });

  it("that send binary messages are closed", async () => {
    const { socket, closed } = await rawStream();
    socket.send(Buffer.from([1, 2, 3]));
    expect(await closed).toBe(CLOSE_CODES.invalid);
  });

  it("that send too large a message are closed before it is read whole", async () => {
    const { socket, closed } = await rawStream();
    socket.send(`{"type":"ping","filler":"${"x".repeat(40_000)}"}`);
    expect(await closed).toBe(1009);
  });

  it("that send broken UTF-8 are closed", async () => {
    const { socket, closed } = await rawStream();
    socket.send(Buffer.from([0x22, 0xff, 0xfe, 0x22]), { binary: false });
    expect(await closed).toBe(1007);
  });

  it("that send far too many messages are closed", async () => {
    const { socket, closed } = await rawStream();
    for (let index = 0; index < 1000; index++) socket.send('{"type":"ping"}');
    expect(await closed).toBe(CLOSE_CODES.overloaded);
  });

  it("of members may say what this version does not know", async () => {
    const machine = createMachine();
    const joined = await joinWith(await test.key(), machine, "futuristic");
    const stream = await TestStream.connect(test.server, machine, joined.nodeId);
    stream.socket.send({ type: "teleport", requestId: 1 } as never);
    expect(await stream.next("error")).toMatchObject({ code: "not-supported" });
    stream.socket.send({ type: "ping", mood: "curious" } as never);
    await stream.next("pong");
  });

  it("with calls that are too large or no base64 are closed", async () => {
    for (const [index, sealed] of ["A".repeat(16_388), "not base64!", ""].entries()) {
      const machine = createMachine();
      const joined = await joinWith(await test.key(), machine, `caller-${index}`);
      const stream = await TestStream.connect(test.server, machine, joined.nodeId);
      stream.socket.send({ type: "call", to: joined.nodeId, sealed });
      expect((await stream.closed).code).toBe(CLOSE_CODES.invalid);
    }
  });

  it("are limited in number before they authenticate", async () => {
    const small = await startTestServer({ streamLimits: { maxUnauthenticated: 2 } });
    try {
      const first = await TestStream.open(small.server);
      const second = await TestStream.open(small.server);
      await expect(TestStream.open(small.server)).rejects.toMatchObject({ message: expect.stringContaining("503") });
      first.socket.terminate();
      await first.closed;
      await expect
        .poll(() =>
          TestStream.open(small.server).then(
            () => "open",
            () => "refused",
          ),
        )
        .toBe("open");
      second.socket.terminate();
    } finally {
      await small.close();
    }
  });
});

describe("slow readers", () => {
  const generous = { burst: 1_000_000, perSecond: 1 };
  let slowTest: TestServer;
  beforeAll(async () => {
    slowTest = await startTestServer({ streamLimits: { calls: generous, messages: generous } });
  });
  afterAll(() => slowTest.close());

  /** Two members; the reader has stopped reading, and calls to it fail already. */
  async function clogged(names: readonly [string, string]) {
    const key = await slowTest.key();
    const [slow, busy] = [createMachine(), createMachine()];
    const slowJoined = await joinWith(key, slow, names[0]);
    const busyJoined = await joinWith(key, busy, names[1]);
    const reader = await TestStream.connect(slowTest.server, slow, slowJoined.nodeId);
    const caller = await TestStream.connect(slowTest.server, busy, busyJoined.nodeId);
    const map = await reader.next("map");
    await Promise.all([reader.next("presence"), caller.next("presence")]);
    reader.socket.pause();
    const sealed = "A".repeat(16_000);
    const failures = () => caller.messages.filter((message) => message.type === "call-failed").length;
    // Until three rounds in a row fail whole: then the kernel's buffers are full, not just the server busy.
    for (let round = 0, clogged = 0; clogged < 3; round++) {
      expect(round).toBeLessThan(200);
      const before = failures();
      for (let index = 0; index < 20; index++) caller.socket.send({ type: "call", to: slowJoined.nodeId, sealed });
      caller.socket.send({ type: "ping" });
      await caller.next("pong");
      clogged = failures() - before === 20 ? clogged + 1 : 0;
    }
    return { reader, caller, map, slowJoined, busyJoined, busy };
  }

  it("get no more calls, and one merged delta when they read again", async () => {
    const { reader, map, busyJoined } = await clogged(["slow", "busy"]);
    for (let index = 0; index < 5; index++) await slowTest.admin.renameDevice(busyJoined.nodeId, `busy-${index}`);
    reader.socket.resume();
    const delta = await reader.next("delta");
    expect(delta).toMatchObject({ fromVersion: map.version, version: map.version + 5 });
    expect(delta.upserts.map((peer) => peer.name)).toEqual(["busy-4"]);
  });

  it("hear who is online when they read again", async () => {
    const { reader, caller, busyJoined } = await clogged(["slow-2", "busy-of-2"]);
    const watching = createMachine();
    const { nodeId } = await joinWith(await slowTest.key(), watching, "watcher");
    const watcher = await TestStream.connect(slowTest.server, watching, nodeId);
    caller.socket.terminate();
    await watcher.next("presence", (message) => message.offline.includes(busyJoined.nodeId));
    reader.socket.resume();
    const presence = await reader.next("presence", (message) => message.full);
    expect(presence.online).toContain(nodeId);
    expect(presence.online).not.toContain(busyJoined.nodeId);
  });

  it("that make the server answer without ever reading are closed", async () => {
    const { reader, slowJoined } = await clogged(["slow-3", "busy-of-3"]);
    // 20 bytes of answer each: 4 MB, more than may wait.
    for (let index = 0; index < 200_000; index++) reader.socket.send({ type: "ping" });
    await expect
      .poll(async () => (await slowTest.admin.getDevice(slowJoined.nodeId)).online, { timeout: 4000 })
      .toBe(false);
    reader.socket.resume();
    expect((await reader.closed).code).toBe(1006);
  });
});
