import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:https";
import { type AddressInfo, createServer as createTcpServer } from "node:net";
import type { Duplex } from "node:stream";
import { Dialer } from "@asterism/client";
import { pino } from "pino";
import { afterEach, expect, test, vi } from "vitest";
import { RELAY_CERTIFICATE } from "../../test/relay-certificate.ts";
import { ControlSession } from "./control-session.ts";

const WEBSOCKET_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const HELLO = { type: "hello", protocol: 1, nonce: Buffer.alloc(32).toString("base64"), serverTime: 1 };
const AUTHENTICATED = { type: "authenticated", protocol: 1, observedAddress: "127.0.0.1" };

/** Says hello on every connection and counts them; from the second one on it knows whoever authenticates. */
async function startServer() {
  const server = createServer(RELAY_CERTIFICATE);
  let connections = 0;
  let greeted = 0;
  server.on("upgrade", (request, socket: Duplex) => {
    const number = ++connections;
    const key = `${request.headers["sec-websocket-key"]}${WEBSOCKET_GUID}`;
    const accept = createHash("sha1").update(key).digest("base64");
    const head = `Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}`;
    socket.write(`HTTP/1.1 101 Switching Protocols\r\n${head}\r\n\r\n`);
    socket.on("error", () => undefined);
    sendText(socket, HELLO);
    socket.once("data", () => {
      greeted++;
      if (number > 1) sendText(socket, AUTHENTICATED);
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
    connections: () => connections,
    greeted: () => greeted,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

/** An unmasked frame of WebSocket (RFC 6455 §5.2). */
function sendText(socket: Duplex, message: object): void {
  const text = Buffer.from(JSON.stringify(message));
  socket.write(Buffer.concat([Buffer.of(0x81, 126, text.length >> 8, text.length & 0xff), text]));
}

async function startSession() {
  const server = await startServer();
  const session = sessionWith(server.url);
  await vi.waitUntil(() => server.greeted() === 1, { timeout: 10_000 });
  return { server, session };
}

function sessionWith(url: string): ControlSession {
  const session = new ControlSession({
    server: { url, fingerprint: Buffer.from(RELAY_CERTIFICATE.fingerprint, "hex") },
    dialer: new Dialer(() => null),
    nodeId: "node-a",
    sign: () => new Uint8Array(64),
    logger: pino({ level: "silent" }),
    resumePoint: () => null,
    onAuthenticated: () => undefined,
    onLost: () => undefined,
    onMessage: () => undefined,
    onRemoved: () => undefined,
  });
  session.start();
  return session;
}

afterEach(() => {
  vi.useRealTimers();
});

test("a stream whose authentication a change of the network interrupts is opened anew at once", async () => {
  const { server, session } = await startSession();
  expect(session.connected).toBe(false);
  session.handleNetworkChange();
  await vi.waitUntil(() => session.connected, { timeout: 10_000 });
  expect(server.connections()).toBe(2);
  session.stop();
  server.close();
});

test("a server that says hello and then nothing is left after ten seconds", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  const { server, session } = await startSession();
  vi.advanceTimersByTime(9_000);
  expect(session.problem).toBe(null);
  vi.advanceTimersByTime(1_500);
  await vi.waitUntil(() => session.problem !== null, { timeout: 10_000 });
  vi.advanceTimersByTime(10_000);
  await vi.waitUntil(() => session.connected, { timeout: 10_000 });
  session.stop();
  server.close();
});

test("an attempt that had just begun when the network changed is made again if it comes to nothing within a second", async () => {
  let connections = 0;
  const mute = createTcpServer((socket) => {
    connections++;
    socket.on("error", () => undefined);
  });
  mute.listen(0, "127.0.0.1");
  await once(mute, "listening");
  const session = sessionWith(`https://127.0.0.1:${(mute.address() as AddressInfo).port}`);
  session.handleNetworkChange();
  await vi.waitUntil(() => connections === 2, { timeout: 5_000 });
  session.stop();
  mute.close();
});
