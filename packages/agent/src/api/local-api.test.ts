import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AgentClient } from "@asterism/client/agent";
import { AsterismError } from "@asterism/core/errors";
import { afterEach, beforeEach, expect, test } from "vitest";
import { LocalApi, type LocalApiActions } from "./local-api.ts";

let folder = "";
let socketPath = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "asterism-api-"));
  socketPath = join(folder, "run", "agent.sock");
});
afterEach(() => rmSync(folder, { recursive: true }));

/** An agent that is in no network. */
const actions: LocalApiActions = {
  status: () =>
    Promise.resolve({
      version: "1",
      agent: { machineKey: "k", uptimeSeconds: 1, problem: null },
      server: null,
      networks: [],
    }),
  join: ({ key }) => Promise.reject(new AsterismError("join-key-invalid", `not a key: ${key}`)),
  leave: () => Promise.reject(new AsterismError("network-unknown", "in no network")),
  up: () => Promise.reject(new TypeError("a bug")),
  down: () => Promise.resolve({ networks: ["default"] }),
  mode: () => Promise.reject(new AsterismError("peer-unknown", "no such peer")),
  explain: () => Promise.reject(new AsterismError("peer-unknown", "no peer")),
  netcheck: () => Promise.resolve({ networks: [] }),
  links: () => Promise.resolve({ networks: [] }),
  setLinks: () => Promise.reject(new AsterismError("network-unknown", "in no network")),
  ping: () => Promise.reject(new AsterismError("peer-unknown", "no peer")),
};

test("answers come through, errors keep their code and text", async () => {
  const api = await LocalApi.start(socketPath, actions);
  const client = new AgentClient(socketPath);
  try {
    expect((await client.status()).networks).toEqual([]);
    expect(await client.down({})).toEqual({ networks: ["default"] });
    await expect(client.join({ key: "x" })).rejects.toMatchObject({
      code: "join-key-invalid",
      message: "not a key: x",
    });
    await expect(client.up({})).rejects.toMatchObject({ code: "internal" });
  } finally {
    await api.stop();
  }
});

test("only the owner may connect, and a stop takes the socket away", async () => {
  const api = await LocalApi.start(socketPath, actions);
  expect(statSync(socketPath).mode & 0o777).toBe(0o600);
  await api.stop();
  expect(existsSync(socketPath)).toBe(false);
});

test.each([
  ["an unknown field", '{"key":"x","nmae":"y"}'],
  ["a wrong type", '{"key":7}'],
  ["no field at all", "{}"],
  ["no JSON", "{"],
  ["too large a body", JSON.stringify({ key: "x".repeat(100_000) })],
])("%s is refused as invalid input", async (_what, body) => {
  const api = await LocalApi.start(socketPath, actions);
  try {
    const answer = await post("/v1/join", body);
    expect(answer.status).toBeGreaterThanOrEqual(400);
    expect(answer.status).toBeLessThan(500);
    expect(JSON.parse(answer.body)).toMatchObject({ code: "invalid-input" });
  } finally {
    await api.stop();
  }
});

test("a socket that a dead agent left is replaced; one that answers is not", async () => {
  const first = await LocalApi.start(socketPath, actions);
  await expect(LocalApi.start(socketPath, actions)).rejects.toMatchObject({ code: "address-in-use" });
  await first.stop();
  writeFileSync(socketPath, "");
  const second = await LocalApi.start(socketPath, actions);
  await second.stop();
});

test("without an agent the client says so, with exit code 3", async () => {
  await expect(new AgentClient(socketPath).status()).rejects.toMatchObject({ code: "agent-not-running", exitCode: 3 });
});

test("an agent that answers rubbish gives an error, not a crash", async () => {
  const path = join(folder, "rubbish.sock");
  const server = createServer((socket) => socket.end("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabc"));
  await new Promise<void>((resolve) => server.listen(path, resolve));
  await expect(new AgentClient(path).status()).rejects.toBeInstanceOf(AsterismError);
  server.close();
});

function post(path: string, body: string): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const headers = { "content-type": "application/json", "content-length": Buffer.byteLength(body) };
    const call = request({ socketPath, method: "POST", path, headers }, (response) => {
      let text = "";
      response.on("data", (chunk) => {
        text += chunk;
      });
      response.on("end", () => resolve({ status: response.statusCode ?? 0, body: text }));
    });
    call.on("error", reject);
    call.end(body);
  });
}
