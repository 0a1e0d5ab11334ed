import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AdminClient } from "@asterism/client";
import type { JoinResponse } from "@asterism/core/control";
import { startServer } from "@asterism/server";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type CliProcess, runCli, startCli, startServerProcess } from "./cli-process.ts";
import { createMachine, joinWith, rejection } from "./test-server.ts";

let folder: string;
let count = 0;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "asterism-process-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const freshDir = () => join(folder, `data-${++count}`);
const adminOf = (dataDir: string) => new AdminClient({ kind: "socket", path: join(dataDir, "admin.sock") });

async function kill(server: CliProcess): Promise<void> {
  server.child.kill("SIGKILL");
  await server.finished;
}

describe("asterism server", () => {
  it("says one line when it is ready, stops at SIGTERM with exit code 0, and can be started again", async () => {
    const dataDir = freshDir();
    const server = await startServerProcess(dataDir);
    const fingerprint = (await adminOf(dataDir).info()).fingerprint;
    server.child.kill("SIGTERM");
    expect(await server.finished).toMatchObject({ code: 0, signal: null, stdout: `ready: ${server.url}\n` });
    await expect(stat(join(dataDir, "admin.sock"))).rejects.toMatchObject({ code: "ENOENT" });

    const again = await startServerProcess(dataDir);
    expect((await adminOf(dataDir).info()).fingerprint).toBe(fingerprint);
    again.child.kill("SIGINT");
    expect((await again.finished).code).toBe(0);
  });

  it("keeps its folder and everything in it to itself", async () => {
    const dataDir = freshDir();
    const server = await startServerProcess(dataDir);
    const mode = async (path: string) => ((await stat(path)).mode & 0o777).toString(8);
    expect(await mode(dataDir)).toBe("700");
    for (const file of ["server.db", "server.db-wal", "certificate.pem", "admin.sock", "lock"]) {
      expect([file, await mode(join(dataDir, file))]).toEqual([file, "600"]);
    }
    await kill(server);
  });

  it("refuses a second server on the same folder, and takes it over from one that was killed", async () => {
    const dataDir = freshDir();
    const first = await startServerProcess(dataDir);
    const second = await runCli(["server", "--data", dataDir, "--listen", "127.0.0.1:0", "--relay", "127.0.0.1:0"]);
    expect(second).toMatchObject({
      code: 1,
      stdout: "",
      stderr: expect.stringContaining("Another server uses the data folder"),
    });
    expect((await adminOf(dataDir).listNetworks()).map((network) => network.name)).toEqual(["default"]);
    await kill(first);
    await kill(await startServerProcess(dataDir));
  });

  it("refuses what it can't do or read with exit code 2, and touches nothing", async () => {
    const refused = [
      ["--relay", "relay.example:3478", "--relay"],
      ["--relay", "127.0.0.1", "--relay"],
      ["--database", "postgres://localhost/x", "--database"],
      ["--listen", "nowhere", "nowhere"],
      ["--public-url", "http://example.org", "http://example.org"],
      ["--public-url", "https://example.org/path", "https://example.org/path"],
    ] as const;
    const check = async ([flag, value, named]: readonly [string, string, string]): Promise<void> => {
      const dataDir = freshDir();
      const result = await runCli(["server", "--data", dataDir, flag, value]);
      expect(result).toMatchObject({ code: 2, stdout: "", stderr: expect.stringContaining(named) });
      await expect(stat(dataDir)).rejects.toMatchObject({ code: "ENOENT" });
    };
    await Promise.all(refused.map(check));
  });

  it("says when the port is taken", async () => {
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, "127.0.0.1", resolve));
    const address = taken.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    const place = `127.0.0.1:${port}`;
    const listening = await runCli(["server", "--data", freshDir(), "--listen", place, "--relay", "127.0.0.1:0"]);
    expect(listening).toMatchObject({ code: 1, stderr: expect.stringContaining(`${place} is taken`) });
    const relaying = await runCli(["server", "--data", freshDir(), "--listen", "127.0.0.1:0", "--relay", place]);
    expect(relaying).toMatchObject({ code: 1, stdout: "", stderr: expect.stringContaining("--relay none") });
    expect(relaying.stderr).toContain(place);
    taken.close();
  });

  it("says when the relay's address is not this machine's", async () => {
    const argv = ["server", "--data", freshDir(), "--listen", "127.0.0.1:0", "--relay", "192.0.2.1:3478"];
    expect(await runCli(argv)).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("192.0.2.1 is not an address of this machine"),
    });
  });

  it("relays with a secret of its own that stays, unless told not to", async () => {
    const dataDir = freshDir();
    const argv = ["server", "--data", dataDir, "--listen", "127.0.0.1:0", "--log-level", "warn"];
    const start = async (relay: string) => {
      const server = startCli([...argv, "--relay", relay]);
      await server.firstLine;
      return server;
    };
    const first = await start("127.0.0.1:0");
    const [own] = await adminOf(dataDir).listRelays();
    expect(own).toMatchObject({ id: "relay-server", network: null, addresses: ["127.0.0.1"], auth: "secret" });
    const path = join(dataDir, "relay-secret");
    const secret = await readFile(path, "utf8");
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    await kill(first);

    const again = await start("127.0.0.1:0");
    expect(await readFile(path, "utf8")).toBe(secret);
    await kill(again);
    const without = await start("none");
    expect(await adminOf(dataDir).listRelays()).toEqual([]);
    without.child.kill("SIGTERM");
    expect(await without.finished).toMatchObject({ code: 0, stderr: "" });
  });

  it("takes settings from the environment, flags first", async () => {
    const dataDir = freshDir();
    const env = {
      ASTERISM_DATA: dataDir,
      ASTERISM_PUBLIC_URL: "https://Env.example:8443/",
      ASTERISM_LISTEN: "127.0.0.1:0",
      ASTERISM_RELAY: "none",
    };
    const fromEnvironment = startCli(["server", "--log-level", "warn"], env);
    expect(await fromEnvironment.firstLine).toBe("ready: https://env.example:8443");
    await kill(fromEnvironment);
    const fromFlag = startCli(["server", "--public-url", "https://flag.example", "--log-level", "warn"], env);
    expect(await fromFlag.firstLine).toBe("ready: https://flag.example");
    await kill(fromFlag);
  });

  it("leaves a damaged database or certificate as it is, and says so", async () => {
    for (const file of ["server.db", "certificate.pem"]) {
      const dataDir = freshDir();
      await mkdir(dataDir, { mode: 0o700 });
      await writeFile(
        join(dataDir, file),
        "damaged beyond recognition, but longer than a header of a database file would be\n".repeat(20),
      );
      const before = await readFile(join(dataDir, file));
      const error = await rejection(startServer({ dataDir, listen: "127.0.0.1:0", relay: "none", logLevel: "silent" }));
      expect(error).toMatchObject({ code: "state-damaged", message: expect.stringContaining(file) });
      expect(await readFile(join(dataDir, file))).toEqual(before);
    }
  });

  it("writes no key and no secret to its log", async () => {
    const dataDir = freshDir();
    const listen = ["--listen", "127.0.0.1:0", "--relay", "127.0.0.1:0"];
    const server = startCli(["server", "--data", dataDir, ...listen, "--log-level", "trace"]);
    await server.firstLine;
    const { key } = await adminOf(dataDir).createKey({});
    const { token } = await adminOf(dataDir).createToken({ name: "t" });
    const machine = createMachine();
    await joinWith(key, machine, "logged");
    await rejection(joinWith(key, createMachine(), "refused"));
    server.child.kill("SIGTERM");
    const { stderr } = await server.finished;
    expect(stderr).toContain("device joined");
    const secret = Buffer.from(key.slice(5), "base64url").subarray(32, 52).toString("base64url");
    const relaySecret = (await readFile(join(dataDir, "relay-secret"), "utf8")).trim();
    for (const hidden of [relaySecret, key, secret, token, token.slice(-43), machine.machineKey, "PRIVATE KEY"]) {
      expect(stderr).not.toContain(hidden);
    }
  });
});

describe("a server that is killed", () => {
  it("has kept every join it acknowledged, and goes on giving out other addresses", async () => {
    const dataDir = freshDir();
    let server = await startServerProcess(dataDir);
    const port = Number(new URL(server.url).port);
    const { key } = await adminOf(dataDir).createKey({ reusable: true });
    const acknowledged = new Map<string, JoinResponse>();
    let started = 0;
    for (const killAfter of [3, 10, 25]) {
      const target = acknowledged.size + killAfter;
      const worker = async (): Promise<void> => {
        for (;;) {
          const name = `m${++started}`;
          const machine = createMachine();
          try {
            const joined = await joinWith(key, machine, name);
            acknowledged.set(name, joined);
            if (acknowledged.size === target) server.child.kill("SIGKILL");
          } catch {
            return; // the server is dead: what was not acknowledged does not count
          }
        }
      };
      await Promise.all([worker(), worker(), worker(), worker()]);
      expect((await server.finished).signal).toBe("SIGKILL");

      server = await startServerProcess(dataDir, port);
      const devices = new Map((await adminOf(dataDir).listDevices()).map((device) => [device.name, device]));
      for (const [name, joined] of acknowledged) {
        expect(devices.get(name)).toMatchObject({ id: joined.nodeId, ipv4: joined.self.ipv4, ipv6: joined.self.ipv6 });
      }
      const addresses = [...devices.values()].map((device) => device.ipv4);
      expect(new Set(addresses).size).toBe(addresses.length);
    }
    expect(acknowledged.size).toBeGreaterThanOrEqual(38);
    await kill(server);
  }, 60_000);
});
