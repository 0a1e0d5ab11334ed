import { once } from "node:events";
import { createServer } from "node:http";
import { type AddressInfo, connect, createServer as createTcpServer, type Server, type Socket } from "node:net";
import { AsterismError, unwrap } from "@asterism/core/errors";
import { afterEach, describe, expect, it } from "vitest";
import { Dialer, type OpenConnection, type ProxyUse } from "./dialer.ts";
import { parseProxyUrl } from "./http-proxy.ts";

const servers: Server[] = [];
const sockets = new Set<Socket>();

async function listen(server: Server): Promise<number> {
  servers.push(server);
  server.on("connection", (socket: Socket) => sockets.add(socket.on("error", () => undefined)));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

/** Says who it is to everybody. */
function greeter(text: string): Promise<number> {
  return listen(createTcpServer((socket) => socket.write(text)));
}

interface TestProxy {
  readonly port: number;
  /** Targets that it was asked for, with what it was told of the user. */
  readonly asked: string[];
}

/** `status` 200 leads on to `target`; 0 never answers. */
async function proxy(status: number, target = 0): Promise<TestProxy> {
  const asked: string[] = [];
  const server = createServer().on("connect", (request, client: Socket) => {
    asked.push(`${request.url} ${request.headers["proxy-authorization"] ?? "nobody"}`);
    if (status === 0) return;
    if (status !== 200) {
      client.end(`HTTP/1.1 ${status} No\r\ncontent-length: 0\r\n\r\n`);
      return;
    }
    const onwards = connect(target, "127.0.0.1", () => {
      client.write("HTTP/1.1 200 OK\r\n\r\n");
      onwards.pipe(client).pipe(onwards);
    });
    sockets.add(onwards.on("error", () => client.destroy()));
  });
  return { port: await listen(server), asked };
}

function dialer(port: number, login = ""): { dialer: Dialer; uses: ProxyUse[] } {
  const uses: ProxyUse[] = [];
  const chosen = unwrap(parseProxyUrl(`http://${login}127.0.0.1:${port}`));
  return {
    dialer: new Dialer(
      () => chosen,
      (use) => uses.push(use),
    ),
    uses,
  };
}

/** Hears a greeting; a port of 0 can't be reached directly. */
function hear(port: number): OpenConnection<Socket & { greeting: string }> {
  return async (tunnel, signal) => {
    if (tunnel === undefined && port === 0) throw new AsterismError("server-unreachable", "No direct way.");
    const socket = tunnel ?? connect({ port, host: "127.0.0.1", signal });
    sockets.add(socket.on("error", () => undefined));
    const [bytes] = (await once(socket, "data", { signal })) as [Buffer];
    return Object.assign(socket, { greeting: bytes.toString() });
  };
}

const TARGET = { host: "192.0.2.1", port: 443 };

afterEach(() => {
  for (const socket of sockets) socket.destroy();
  sockets.clear();
  for (const server of servers.splice(0)) server.close();
});

describe("a dialer", () => {
  it("goes through the proxy, with user and password", async () => {
    const { port, asked } = await proxy(200, await greeter("proxied"));
    const { dialer: made, uses } = dialer(port, "us:pw@");
    expect((await made.dial(TARGET, hear(await greeter("direct")))).greeting).toBe("proxied");
    expect(asked).toEqual(["192.0.2.1:443 Basic dXM6cHc="]);
    expect(uses).toEqual([{ proxy: `http://127.0.0.1:${port}`, problem: null }]);
  });

  it("writes IPv6 addresses in brackets", async () => {
    const { port, asked } = await proxy(200, await greeter("proxied"));
    await dialer(port).dialer.dial({ host: "2001:db8::1", port: 443 }, hear(0));
    expect(asked).toEqual(["[2001:db8::1]:443 nobody"]);
  });

  it.each([
    [403, "rules"],
    [407, "user and a password"],
    [502, "reach the destination"],
    [418, "418"],
  ])("goes directly when the proxy says %d", async (status, word) => {
    const { port } = await proxy(status);
    const { dialer: made } = dialer(port);
    expect((await made.dial(TARGET, hear(await greeter("direct")))).greeting).toBe("direct");
    expect(made.lastUse?.problem).toContain("refuses");
    expect(made.lastUse?.problem).toContain(word);
  });

  it("goes directly when the proxy is dead, and says so once", async () => {
    const { dialer: made, uses } = dialer(1);
    const port = await greeter("direct");
    for (const _ of [1, 2]) expect((await made.dial(TARGET, hear(port))).greeting).toBe("direct");
    expect(uses).toEqual([{ proxy: "http://127.0.0.1:1", problem: "is not running there" }]);
  });

  it("goes directly when the proxy never answers", async () => {
    const { port, asked } = await proxy(0);
    const { dialer: made } = dialer(port);
    expect((await made.dial(TARGET, hear(await greeter("direct")))).greeting).toBe("direct");
    expect(asked).toHaveLength(1);
    expect(made.lastUse?.problem).toBe("does not answer in time");
  });

  it("says what both ways came to when neither works", async () => {
    const { port } = await proxy(407);
    const attempt = dialer(port).dialer.dial(TARGET, hear(0));
    await expect(attempt).rejects.toMatchObject({
      code: "server-unreachable",
      message: expect.stringMatching(/^No direct way\. The proxy http:\S+ refuses \(407 .*user and a password/),
    });
  });

  it("does not hide that somebody behind the proxy shows another certificate", async () => {
    const { port } = await proxy(200, await greeter("proxied"));
    const attempt = dialer(port).dialer.dial(TARGET, (tunnel) => {
      const code = tunnel === undefined ? "server-unreachable" : "fingerprint-mismatch";
      return Promise.reject<Socket>(new AsterismError(code, `${code}.`));
    });
    await expect(attempt).rejects.toMatchObject({
      code: "fingerprint-mismatch",
      message: expect.stringContaining("through the proxy"),
    });
  });

  it("ends both attempts when nobody wants the connection any more", async () => {
    const { port } = await proxy(0);
    const end = new AbortController();
    const attempt = dialer(port).dialer.dial(TARGET, hear(0), { signal: end.signal });
    setImmediate(() => end.abort());
    await expect(attempt).rejects.toThrow();
  });

  it("needs no proxy for a target with a name that has none", async () => {
    const { port, asked } = await proxy(200);
    const chosen = unwrap(parseProxyUrl(`http://127.0.0.1:${port}`));
    const made = new Dialer(({ host }) => (host === "relay.lan" ? null : chosen));
    const open = hear(await greeter("direct"));
    expect((await made.dial(TARGET, open, { names: ["relay.lan"] })).greeting).toBe("direct");
    expect(asked).toEqual([]);
  });
});
