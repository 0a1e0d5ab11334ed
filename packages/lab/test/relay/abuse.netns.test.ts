/** What a relay must not do, for whomever. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { RelayWorld, readUclient } from "./relay-world.ts";

const SPRAY = fileURLToPath(new URL("../fixtures/spray.ts", import.meta.url));

describe.concurrent("abuse", () => {
  test("peers that are not public are out of reach unless allowed", async () => {
    await using world = await RelayWorld.create("forbidden", ["--allow-peer", "10.77.0.0/16"]);
    await world.relayHost.ip(["addr add 10.77.0.1/24 dev lo", "addr add 192.168.7.1/24 dev lo"]);
    // The server's own address is a peer only at relayed ports: its echo server stays out of reach.
    world.relayHost.spawn(["turnutils_peer", "-L", world.addresses[0]]);
    // 10.77.0.1 is an address of the server too, but allowed.
    world.relayHost.spawn(["turnutils_peer", "-L", "10.77.0.1"]);
    const forbidden = ["127.0.0.1", "192.168.7.1", "10.0.0.1", "169.254.169.254", "100.64.0.1", "224.0.0.5"];
    const refusals = Promise.all(forbidden.map((peer) => world.uclient(["-n", "2", "-c"], { peer })));
    const allowed = world.uclient(["-n", "5", "-c"], { peer: "10.77.0.1" });
    const ownArgv = world.uclientArgv(["-n", "5", "-c"], { peer: world.addresses[0] });
    const own = world.client.spawn(["stdbuf", "-oL", ...ownArgv]);
    // It reports every second, and would wait long for what does not come.
    const reports = /tot_send_msgs=5,[\s\S]*tot_send_msgs=5, tot_recv_msgs=(\d+)/;
    const [, received] = await own.waitForOutput(reports, { timeoutMs: 40_000 });
    own.kill("SIGKILL");
    for (const [index, { stdout, stderr }] of (await refusals).entries()) {
      expect([forbidden[index], `${stdout}${stderr}`]).toEqual([
        forbidden[index],
        expect.stringContaining("error 403"),
      ]);
    }
    expect(received).toBe("0");
    expect(readUclient(await allowed)).toMatchObject({ sent: 5, lost: 0 });
  });

  test("floods of requests and rubbish cost little memory, and the clients that are there go on", async () => {
    await using world = await RelayWorld.create("flood");
    const before = residentMebibytes(world.relay.pid);
    const flooders = [1, 2].map((seed) =>
      world.peer.spawn([process.execPath, SPRAY, world.addresses[0], "3478", "1000000", String(seed)]),
    );
    // Damages its requests at random, and waits for ever for an answer to one that was dropped.
    const damager = world.client.spawn(world.uclientArgv(["-R", "-m", "5", "-n", "100"]));
    const served = await world.uclient(["-c", "-m", "3", "-n", "50"]);
    for (const { running } of flooders) expect(running).toBe(true);
    for (const flooder of [...flooders, damager]) flooder.kill("SIGKILL");
    expect(served.code).toBe(0);
    expect(readUclient(served).sent).toBe(150);
    expect(readUclient(served).lost).toBeLessThanOrEqual(readUclient(served).sent / 20);
    expect(residentMebibytes(world.relay.pid) - before).toBeLessThan(64);
    expect(world.relay.running).toBe(true);
  });
});

function residentMebibytes(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) / 1024;
}
