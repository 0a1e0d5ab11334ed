import { describe, expect, test } from "vitest";
import type { MeshNode } from "../../src/virtual-internet/mesh-node.ts";
import { firstArrivalMs, OutageWorld } from "./outage-world.ts";
import { isRelayed, RelayWorld } from "./relay-world.ts";
import { NAT_KINDS } from "./scenario.ts";

const HOUR_MS = 3_600_000;
/** Hours of packets take their time on a busy machine. */
const LIMIT_MS = 60_000;

/** Connected members behind NATs that forget soon, and one on the internet. */
function connected(seed: number) {
  const world = new OutageWorld(seed);
  const kinds = ["full cone", "restricted cone", "port-restricted cone"] as const;
  const timeouts = [30_000, 60_000, 120_000] as const;
  const behind = kinds.map((kind, index) => {
    const nat = { ...NAT_KINDS[kind], ports: { kind: "preserving" }, mappingTimeoutMs: timeouts[index]! } as const;
    return world.add("abc".charAt(index), { ipv4: `198.51.100.${index + 1}`, nat });
  });
  const d = world.add("d", { ipv4: "203.0.113.4" });
  world.introduce();
  const [a, b, c] = behind as [MeshNode, MeshNode, MeshNode];
  const pairs = [[a, d], [b, d], [c, d], [a, b], [a, c], [b, c]] as const; // biome-ignore format: short
  return { world, a, b, c, d, pairs };
}

describe("a server that is dead for an hour", () => {
  test("costs connected members nothing, whether they talk or not", { timeout: LIMIT_MS }, () => {
    const { world, pairs } = connected(1);
    world.talk(pairs, 500, 10_000);
    world.server.die();
    const worst: number[] = [];
    for (let phase = 0; phase < 6; phase++) {
      const before = pairs.map(([, b]) => b.delivered.length);
      world.talk(pairs, 1_000, 60_000);
      for (const [index, [, to]] of pairs.entries()) expect(to.delivered.length - before[index]!).toBeGreaterThan(55);
      world.run(HOUR_MS / 6 - 60_000);
      worst.push(...pairs.map(([from, to]) => firstArrivalMs(world, from, to, 20_000)));
    }
    process.stdout.write(
      `  figure: first packet after 9 minutes of silence: ${Math.max(...worst).toFixed(0)} ms at most\n`,
    );
    expect(Math.max(...worst)).toBeLessThan(2_000);
  });

  test("while nobody talks a connected pair costs some packets a minute, and none when the server is back", () => {
    const { world, a, b, c, d } = connected(2);
    const pairs = [[a, d], [b, d], [c, d]] as const; // biome-ignore format: short
    world.talk(pairs, 500, 10_000);
    world.server.die();
    world.run(600_000);
    const sent = packetsDuring(world, 60_000);
    process.stdout.write(`  figure: a connected pair without traffic: ${(sent / 3).toFixed(0)} packets a minute\n`);
    expect(sent).toBeGreaterThan(3 * 4);
    expect(sent).toBeLessThan(3 * 24);
    for (const node of [a, b, c, d]) world.server.find(node.name);
    world.run(60_000);
    expect(packetsDuring(world, 600_000)).toBe(0);
    expect(firstArrivalMs(world, d, a, 5_000)).toBeLessThan(2_000);
  });
});

describe("a server that is dead for a day", () => {
  test("costs connected members nothing", { timeout: LIMIT_MS }, () => {
    const { world, a, d } = connected(3);
    world.talk([[a, d]], 500, 10_000);
    world.server.die();
    for (let hours = 0; hours < 24; hours += 6) {
      world.run(6 * HOUR_MS);
      expect(firstArrivalMs(world, d, a, 20_000)).toBeLessThan(2_000);
      world.talk([[a, d]], 1_000, 300_000);
    }
  });
});

describe("a relayed pair whose relay is not the server's", () => {
  test("lasts for an hour without the server, whether it talks or not", { timeout: LIMIT_MS }, () => {
    const world = new RelayWorld(8);
    world.relay("relay", "192.0.2.20");
    const [a, b] = [world.node("a", NAT_KINDS.symmetric), world.node("b", NAT_KINDS.symmetric)];
    world.introduce();
    world.talk(a, b, 500, 10_000);
    expect(isRelayed(a, b)).toBe(true);
    world.signalling.isUp = false;
    for (const node of [a, b]) node.act((mesh, time) => mesh.handleSignallingLost(time));
    for (let phase = 0; phase < 3; phase++) {
      world.run(HOUR_MS / 3 - 60_000);
      const before = b.delivered.length;
      a.sendData("b", "still there?");
      expect(world.until(() => b.delivered.length > before, 20_000, "a → b")).toBeLessThan(2_000);
      const talking = b.delivered.length;
      world.talk(a, b, 1_000, 60_000);
      expect(b.delivered.length - talking).toBe(60);
    }
  });
});

describe("while the server is dead", () => {
  test("a member whose router gets another address is found again by those it was connected to, even if nobody talks", () => {
    const { world, a, b, d } = connected(4);
    const pairs = [[a, d], [b, d], [a, b]] as const; // biome-ignore format: short
    world.talk(pairs, 500, 10_000);
    world.server.die();
    world.talk(pairs, 500, 10_000);
    world.run(HOUR_MS);
    world.routers.get("a")!.setOutsideIpv4("198.51.100.101");
    world.run(60_000);
    expect(firstArrivalMs(world, d, a, 10_000)).toBeLessThan(2_000);
    expect(firstArrivalMs(world, b, a, 10_000)).toBeLessThan(2_000);
  });

  test("a member that starts anew behind another NAT reaches one behind a NAT, through one connected to both", () => {
    const { world, b, d } = connected(5);
    world.talk([[b, d]], 500, 10_000);
    world.server.die();
    world.run(HOUR_MS);
    const nat = { ...NAT_KINDS["port-restricted cone"], mappingTimeoutMs: 30_000 };
    const again = world.restart("a", { ipv4: "198.51.100.200", nat }, []);
    again.act((mesh, time) => {
      const address = { address: "203.0.113.4", port: 41_641 };
      mesh.handleRememberedCandidates("d", [{ kind: "host", address, priority: 1 }], time);
    });
    const tookMs = firstArrivalMs(world, again, b, 20_000);
    process.stdout.write(
      `  figure: restart behind another NAT to first packet to a member behind one: ${tookMs.toFixed(0)} ms\n`,
    );
    expect(tookMs).toBeLessThan(10_000);
    expect(again.mesh.peers.get("b")?.table[0]).toMatchObject({ relayed: false });
  });

  test("nobody is asked for without end: a member that is gone is given up after 10 minutes", () => {
    const { world, a, d } = connected(6);
    world.talk([[a, d]], 500, 10_000);
    world.server.die();
    a.stop();
    world.run(700_000);
    expect(packetsDuring(world, 600_000)).toBe(0);
  });

  test("a member that was removed meanwhile is cut off as soon as the map says so", () => {
    const { world, a, d } = connected(7);
    world.talk([[a, d]], 500, 10_000);
    world.server.die();
    world.run(60_000);
    world.server.find("d");
    d.act((mesh, time) => mesh.handleMapChange([], ["a"], time));
    const before = d.delivered.length;
    a.sendData("d", "still here?");
    world.run(60_000);
    expect(d.delivered.length).toBe(before);
  });
});

/** Datagrams that members sent, not counting again what routers forwarded. */
function packetsDuring(world: OutageWorld, durationMs: number): number {
  const { log, nowMs } = world.net.world;
  world.run(durationMs);
  return log.entries.filter(({ atMs, from }) => atMs > nowMs && from.length === 1).length;
}
