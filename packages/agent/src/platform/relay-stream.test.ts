import { once } from "node:events";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import { Dialer } from "@asterism/client";
import type { StreamEndpoint } from "@asterism/core/gathering";
import { afterEach, describe, expect, it } from "vitest";
import { RELAY_CERTIFICATE } from "../../test/relay-certificate.ts";
import { RelayStream } from "./relay-stream.ts";

const servers: Server[] = [];
const sockets = new Set<Socket>();

/** A relay on loopback that hands each connection to `accept`. */
async function listen(transport: "tcp" | "tls", accept: (socket: Socket) => void): Promise<StreamEndpoint> {
  const { cert, key } = RELAY_CERTIFICATE;
  const handle = (socket: Socket): void => {
    socket.on("error", () => undefined);
    accept(socket);
  };
  const server =
    transport === "tls"
      ? createTlsServer({ cert, key, ALPNProtocols: ["http/1.1", "stun.turn"] }, handle)
      : createServer(handle);
  server.on("connection", (socket: Socket) => sockets.add(socket));
  servers.push(server);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return { transport, address: { address: "127.0.0.1", port }, serverName: null, fingerprint: null };
}

interface Outcome {
  readonly stream: RelayStream;
  readonly events: string[];
  /** Resolves with the next event. */
  next(): Promise<string>;
}

function open(endpoint: StreamEndpoint): Outcome {
  const events: string[] = [];
  const waiting: ((event: string) => void)[] = [];
  const add = (event: string): void => {
    const resolve = waiting.shift();
    if (resolve === undefined) events.push(event);
    else resolve(event);
  };
  const stream = new RelayStream(endpoint, new Dialer(() => null), {
    onOpen: () => add("open"),
    onBytes: (bytes) => add(`bytes ${Buffer.from(bytes).toString()}`),
    onClosed: (why) => add(`closed: ${why}`),
  });
  const next = (): Promise<string> => {
    const event = events.shift();
    return event === undefined ? new Promise((resolve) => waiting.push(resolve)) : Promise.resolve(event);
  };
  return { stream, events, next };
}

afterEach(() => {
  for (const socket of sockets) socket.destroy();
  sockets.clear();
  for (const server of servers.splice(0)) server.close();
});

describe("a stream to a relay", () => {
  it.each(["tcp", "tls"] as const)("carries bytes both ways over %s", async (transport) => {
    const { stream, next } = open(await listen(transport, (socket) => socket.pipe(socket)));
    expect(await next()).toBe("open");
    expect(stream.send(Buffer.from("frames"))).toBe(true);
    expect(await next()).toBe("bytes frames");
    stream.close();
    expect(stream.send(Buffer.from("late"))).toBe(false);
  });

  it("asks for TURN by ALPN, as the server's HTTPS port needs it", async () => {
    const seen = Promise.withResolvers<string | false | null>();
    const endpoint = await listen("tls", (socket) => {
      if ("alpnProtocol" in socket) seen.resolve(socket.alpnProtocol as string | false | null);
    });
    const { stream } = open(endpoint);
    expect(await seen.promise).toBe("stun.turn");
    stream.close();
  });

  it("takes the certificate whose fingerprint it was given, and no other", async () => {
    const received: Buffer[] = [];
    const endpoint = await listen("tls", (socket) => socket.on("data", (bytes) => received.push(bytes)));
    const right = open({ ...endpoint, fingerprint: RELAY_CERTIFICATE.fingerprint });
    expect(await right.next()).toBe("open");
    right.stream.close();
    const wrong = open({ ...endpoint, fingerprint: "0".repeat(64) });
    expect(await wrong.next()).toMatch(/^closed: .*another certificate/);
    expect(wrong.stream.send(Buffer.from("x"))).toBe(false);
    expect(received).toEqual([]);
  });

  it("tells once that it can't be opened, or is closed by the relay", async () => {
    const endpoint = await listen("tcp", (socket) => socket.end());
    const closed = open(endpoint);
    expect(await closed.next()).toBe("open");
    expect(await closed.next()).toBe("closed: closed by the relay");
    const refused = open({ ...endpoint, address: { address: "127.0.0.1", port: 1 } });
    expect(await refused.next()).toMatch(/^closed: .*ECONNREFUSED/);
    expect([...closed.events, ...refused.events]).toEqual([]);
  });

  it("drops what a relay that reads nothing leaves no room for", async () => {
    const { stream, next } = open(await listen("tcp", (socket) => socket.pause()));
    expect(await next()).toBe("open");
    const frames = new Uint8Array(64 * 1024);
    let sent = 0;
    while (stream.send(frames)) {
      sent += 1;
      if (sent > 1_000) break;
      await new Promise(setImmediate);
    }
    expect(sent).toBeGreaterThan(8);
    expect(sent).toBeLessThan(1_000);
    stream.close();
  });
});
