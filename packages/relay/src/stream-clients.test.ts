import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { encodeStun, STUN_METHOD_BINDING } from "@asterism/core/stun";
import { afterEach, expect, it, vi } from "vitest";
import { StreamClients, type StreamClientsOptions } from "./stream-clients.ts";

const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

async function start(limits: Partial<Pick<StreamClientsOptions, "maxConnections" | "maxConnectionsPerSource">> = {}) {
  const requests: Uint8Array[] = [];
  const data: Uint8Array[] = [];
  const clients = new StreamClients({
    maxConnections: 10,
    maxConnectionsPerSource: 10,
    ...limits,
    onRequest: (_client, bytes) => requests.push(new Uint8Array(bytes)),
    onFrames: (_client, bytes) => data.push(new Uint8Array(bytes)),
    onClosed: () => undefined,
    isNeeded: () => true,
  });
  const server = createServer((socket) => clients.accept(socket));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  closing.push(() => {
    clients.close();
    server.close();
  });
  const open = async (): Promise<Socket> => {
    const socket = connect((server.address() as AddressInfo).port, "127.0.0.1");
    closing.push(() => socket.destroy());
    socket.on("error", () => undefined);
    await once(socket, "connect");
    return socket;
  };
  return { clients, requests, data, open };
}

const request = encodeStun({
  class: "request",
  method: STUN_METHOD_BINDING,
  transactionId: new Uint8Array(12),
  attributes: [],
});
const channelData = Uint8Array.from([0x40, 0, 0, 3, 1, 2, 3, 0]);

it("frames arrive whole however the stream is cut", async () => {
  const { requests, data, open } = await start();
  const socket = await open();
  socket.setNoDelay(true);
  for (const byte of [...request, ...channelData]) socket.write(Uint8Array.of(byte));
  await vi.waitFor(() => expect(data).toEqual([channelData]));
  expect(requests).toEqual([request]);
});

it("a frame whose end never comes is counted and reaches nobody", async () => {
  const { clients, requests, data, open } = await start();
  const socket = await open();
  socket.end(Buffer.concat([request, request.subarray(0, 7)]));
  await vi.waitFor(() => expect(clients.drops).toEqual({ "frame-cut-short": 1 }));
  expect(requests).toEqual([request]);
  expect(data).toEqual([]);
  expect(clients.size).toBe(0);
});

it("a frame that is too long is skipped and counted, what follows is read", async () => {
  const { clients, requests, open } = await start();
  const socket = await open();
  socket.write(Buffer.concat([Uint8Array.of(0x40, 0, 0x80, 0), new Uint8Array(0x8000), request]));
  await vi.waitFor(() => expect(requests).toEqual([request]));
  expect(clients.drops).toEqual({ "frame-too-long": 1 });
});

it("a stream in which no frame can begin is closed", async () => {
  const { clients, open } = await start();
  const socket = await open();
  socket.resume();
  // As TLS to the port without TLS begins.
  socket.write(Buffer.from("1603010200010001fc0303".padEnd(64, "0"), "hex"));
  await vi.waitFor(() => expect(socket.closed).toBe(true));
  expect(clients.size).toBe(0);
  expect(clients.drops["out-of-step"]).toBe(1);
});

it("more connections than one address may have are closed at once", async () => {
  const { clients, open } = await start({ maxConnectionsPerSource: 2 });
  await open();
  await open();
  await vi.waitFor(() => expect(clients.size).toBe(2));
  const third = await open();
  third.resume();
  await vi.waitFor(() => expect(third.closed).toBe(true));
  expect(clients.drops).toEqual({ "too-many-connections": 1 });
  expect(clients.size).toBe(2);
});
