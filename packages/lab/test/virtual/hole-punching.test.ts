/** A symmetric NAT with random ports and a port-restricted one, with whole members and a relay between them. */
import type { PunchRecord } from "@asterism/core/paths";
import { describe, expect, it } from "vitest";
import type { MeshNode } from "../../src/virtual-internet/mesh-node.ts";
import { isDirect, isRelayed, pathOf, RelayWorld } from "./relay-world.ts";
import { NAT_KINDS } from "./scenario.ts";

const LIMIT_MS = 10_000;
/** As many as a person asks for; the default does for a regression. */
const TRIES = Number(process.env["PUNCH_TRIES"] ?? 6);

interface Pair {
  readonly world: RelayWorld;
  /** Behind the symmetric NAT. */
  readonly a: MeshNode;
  readonly b: MeshNode;
}

function pair(seed: number): Pair {
  const world = new RelayWorld(seed);
  world.relay("relay", "198.51.100.1");
  world.relay("relay2", "198.51.100.2");
  const a = world.node("a", NAT_KINDS.symmetric);
  const b = world.node("b", NAT_KINDS["port-restricted cone"]);
  world.introduce();
  return { world, a, b };
}

function attemptsOf(node: MeshNode, peer: MeshNode): readonly PunchRecord[] {
  return node.mesh.peers.get(peer.name)?.paths?.snapshot(node.host.now).punch.attempts ?? [];
}

/** Milliseconds from the first packet to a direct path both ways; undefined if there is none in time. */
function timeToDirect({ world, a, b }: Pair, caller: MeshNode = a): number | undefined {
  const callee = caller === a ? b : a;
  for (let atMs = 0; atMs < LIMIT_MS; atMs += 200) {
    world.net.world.after(atMs, () => caller.sendData(callee.name, `${atMs}`));
  }
  return world.net.world.runUntil(() => isDirect(a, b) && isDirect(b, a), LIMIT_MS);
}

function quantile(sorted: readonly number[], share: number): number {
  return Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0);
}

describe("symmetric with port-restricted", () => {
  it(`${TRIES} tries: direct within 10 s, with little sent`, { timeout: 60_000 + TRIES * 3_000 }, () => {
    const times: number[] = [];
    const attempts: PunchRecord[] = [];
    for (let seed = 1; seed <= TRIES; seed++) {
      const made = pair(seed);
      const tookMs = timeToDirect(made, seed % 2 === 0 ? made.a : made.b);
      if (tookMs !== undefined) times.push(tookMs);
      attempts.push(...attemptsOf(made.a, made.b), ...attemptsOf(made.b, made.a));
      expect(made.a.mostSockets).toBeLessThanOrEqual(256);
      expect(made.a.extraSockets).toBeLessThanOrEqual(1);
    }
    times.sort((a, b) => a - b);
    const bytes = attempts.map((attempt) => attempt.bytes).sort((a, b) => a - b);
    const packets = attempts.map((attempt) => attempt.packets).sort((a, b) => a - b);
    process.stdout.write(
      `  figure: direct in ${times.length} of ${TRIES}; after ${quantile(times, 0.5)} ms (median), ` +
        `${quantile(times, 0.95)} ms (95 %), ${quantile(times, 1)} ms (longest); each side sent ` +
        `${quantile(packets, 0.5)} packets (median), ${quantile(packets, 1)} (most), ` +
        `${quantile(bytes, 0.5)} bytes (median), ${quantile(bytes, 1)} (most)`,
    );
    expect(times.length).toBeGreaterThanOrEqual(Math.ceil(TRIES * 0.97));
    expect(bytes.at(-1)).toBeLessThanOrEqual(100_000);
  });

  it("does not make the peer take a mode back that was chosen for it", () => {
    const made = pair(1);
    const { world, a, b } = made;
    b.act((mesh, time) => mesh.handleModes({ network: null, peers: new Map([["a", "aggregate"]]) }, time));
    const modes: string[] = [];
    const look = (): void => {
      const { mode } = a.mesh.peers.get("b")?.paths?.snapshot(a.host.now).mode ?? {};
      if (mode !== undefined && mode !== modes.at(-1)) modes.push(mode);
    };
    for (let atMs = 0; atMs < LIMIT_MS; atMs += 20) world.net.world.after(atMs, look);
    expect(timeToDirect(made)).toBeLessThan(LIMIT_MS);
    expect(modes).toEqual(["best", "aggregate"]);
  });

  it("keeps to 200 packets a second on the wire", () => {
    const made = pair(1);
    const { log } = made.world.net.world;
    const sent: Record<"a" | "b", number[]> = { a: [], b: [] };
    // Seen behind the host, so that nothing is counted twice; the relay has other addresses.
    const add = log.add.bind(log);
    log.add = (atMs, from, to, packet, dropped) => {
      const peers = from === "a" ? "203.0.113.2" : "203.0.113.1";
      if ((from === "a" || from === "b") && packet.destination.address === peers) sent[from].push(atMs);
      add(atMs, from, to, packet, dropped);
    };
    expect(timeToDirect(made)).toBeLessThan(LIMIT_MS);
    for (const times of Object.values(sent)) {
      const most = Math.max(...times.map((at) => times.filter((other) => other >= at && other < at + 1_000).length));
      // Ordinary checks of the same second are counted as well.
      expect(most).toBeLessThanOrEqual(210);
      expect(most).toBeGreaterThan(50);
    }
  });

  it("goes on for an hour on the adopted socket, without the relay's help", { timeout: 60_000 }, () => {
    const made = pair(2);
    expect(timeToDirect(made)).toBeLessThan(LIMIT_MS);
    const { world, a, b } = made;
    expect([a.extraSockets, b.extraSockets]).toEqual([1, 0]);
    const adopted = pathOf(a, b)?.linkId;
    world.cut(0);
    world.cut(1);
    const before = [a.delivered.length, b.delivered.length];
    world.talk(a, b, 5_000, 3_600_000);
    expect(a.delivered.length - before[0]!).toBe(720);
    expect(b.delivered.length - before[1]!).toBeGreaterThanOrEqual(720);
    expect(pathOf(a, b)?.linkId).toBe(adopted);
    expect(attemptsOf(a, b).length).toBe(1);
  });

  it.each(["a", "b"] as const)("comes back at once when the NAT of %s forgets its mappings", (rebooted) => {
    const made = pair(3);
    expect(timeToDirect(made)).toBeLessThan(LIMIT_MS);
    const { world, a, b } = made;
    world.talk(a, b, 200, 20_000);
    world.routers.get(rebooted)?.reboot();
    world.talk(a, b, 200, 30_000);
    expect([isDirect(a, b), isDirect(b, a)]).toEqual([true, true]);
    // None, where the port that was hit is that of the first socket.
    expect(a.extraSockets).toBeLessThanOrEqual(1);
  });

  it("closes the adopted socket when nobody has talked for long, and punches anew when somebody does", () => {
    const made = pair(4);
    expect(timeToDirect(made)).toBeLessThan(LIMIT_MS);
    const { world, a, b } = made;
    world.run(600_000);
    expect(a.extraSockets).toBe(0);
    const before = world.net.world.log.total;
    world.run(3_600_000);
    expect(world.net.world.log.total).toBe(before);
    expect(timeToDirect(made, b)).toBeLessThan(LIMIT_MS);
    expect(a.extraSockets).toBe(1);
  });

  it("several peers may each have a socket of their own", { timeout: 60_000 }, () => {
    const world = new RelayWorld(5);
    world.relay("relay", "198.51.100.1");
    world.relay("relay2", "198.51.100.2");
    const a = world.node("a", NAT_KINDS.symmetric);
    const others = ["b", "c", "d"].map((name) => world.node(name, NAT_KINDS["port-restricted cone"]));
    world.introduce();
    for (let atMs = 0; atMs < 40_000; atMs += 500) {
      world.net.world.after(atMs, () => {
        for (const other of others) a.sendData(other.name, "x");
      });
    }
    const isDone = (): boolean => others.every((other) => isDirect(a, other) && isDirect(other, a));
    expect(world.net.world.runUntil(isDone, 40_000)).toBeLessThan(40_000);
    expect(a.extraSockets).toBe(3);
    expect(a.mostSockets).toBeLessThanOrEqual(256 + 2);
  });

  it("stays on the relay, and asks ever more rarely, where no packet passes between the two", {
    timeout: 60_000,
  }, () => {
    const world = new RelayWorld(6);
    world.relay("relay", "198.51.100.1");
    world.relay("relay2", "198.51.100.2");
    const a = world.node("a", NAT_KINDS.symmetric);
    const b = world.node("b", NAT_KINDS["port-restricted cone"]);
    world.introduce();
    const far = world.routers.get("b")?.line;
    if (far !== undefined) world.routers.get("a")?.line.setCutOff(far, true);
    world.talk(a, b, 1_000, 120_000);
    expect([isRelayed(a, b), isRelayed(b, a)]).toEqual([true, true]);
    const attempts = attemptsOf(a, b);
    expect(attempts.map(({ result }) => result)).toEqual(["no-hit", "no-hit"]);
    expect(a.extraSockets).toBe(0);
  });
});
