/** What a relay must not do, for whomever. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { RelayWorld, readUclient } from "./relay-world.ts";

const SPRAY = fileURLToPath(new URL("../fixtures/spray.ts", import.meta.url));

test("peers that are not public are out of reach unless allowed", async () => {
  await using world = await RelayWorld.create("forbidden", ["--allow-peer", "10.77.0.0/16"]);
  await world.relayHost.ip(["addr add 10.77.0.1/24 dev lo", "addr add 192.168.7.1/24 dev lo"]);
  for (const peer of ["127.0.0.1", "192.168.7.1", "10.0.0.1", "169.254.169.254", "100.64.0.1", "224.0.0.5"]) {
    const refused = await world.uclient(["-n", "2", "-c"], { peer });
    expect([peer, `${refused.stdout}${refused.stderr}`]).toEqual([peer, expect.stringContaining("error 403")]);
  }
  // The server's own address is a peer only at relayed ports: its echo server stays out of reach.
  world.relayHost.spawn(["turnutils_peer", "-L", world.addresses[0]]);
  const own = await world.uclient(["-n", "5", "-c"], { peer: world.addresses[0] });
  expect(readUclient(own).received).toBe(0);
  world.relayHost.spawn(["turnutils_peer", "-L", "10.77.0.1"]);
  // 10.77.0.1 is an address of the server too, but allowed.
  const allowed = await world.uclient(["-n", "5", "-c"], { peer: "10.77.0.1" });
  expect(readUclient(allowed).lost).toBe(0);
});

test("floods of requests and rubbish cost little memory, and the clients that are there go on", async () => {
  await using world = await RelayWorld.create("flood");
  const before = residentMebibytes(world.relay.pid);
  const flooders = [1, 2].map((seed) =>
    world.peer.exec([process.execPath, SPRAY, world.addresses[0], "3478", "100000", String(seed)], {
      timeoutMs: 90_000,
    }),
  );
  const served = await world.uclient(["-c", "-m", "3", "-n", "200"]);
  await Promise.all(flooders);
  expect(served.code).toBe(0);
  expect(readUclient(served).lost).toBeLessThanOrEqual(readUclient(served).sent / 20);
  expect(residentMebibytes(world.relay.pid) - before).toBeLessThan(64);
  expect(world.relay.running).toBe(true);
});

function residentMebibytes(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) / 1024;
}
