/** Hard NATs whose next ports can be foretold, with whole members and relays between them. */
import type { PunchRecord } from "@asterism/core/paths";
import { describe, expect, it } from "vitest";
import type { MeshNode } from "../../src/virtual-internet/mesh-node.ts";
import type { NatOptions } from "../../src/virtual-internet/nat-table.ts";
import type { PortAllocation } from "../../src/virtual-internet/port-allocator.ts";
import { isDirect, RelayWorld } from "./relay-world.ts";
import { NAT_KINDS } from "./scenario.ts";

/** As many as a person asks for; the default does for a regression. */
const TRIES = Number(process.env["PUNCH_TRIES"] ?? 4);
const LIMIT_MS = 10_000;
const BUSY: PortAllocation = { kind: "sequential", othersPerSecond: 5 };
const DOWN: PortAllocation = { kind: "sequential", step: -2, othersPerSecond: 1 };
const BLOCK: PortAllocation = { kind: "port-block", sizePorts: 512 };

function symmetric(ports: PortAllocation): NatOptions {
  return { ...NAT_KINDS.symmetric, ports };
}

function made(seed: number, [natA, natB]: readonly [NatOptions, NatOptions]) {
  const world = new RelayWorld(seed);
  world.relay("relay", "198.51.100.1");
  world.relay("relay2", "198.51.100.2");
  const a = world.node("a", natA);
  const b = world.node("b", natB);
  world.introduce();
  return { world, a, b };
}

function attemptsOf(node: MeshNode, peer: MeshNode): readonly PunchRecord[] {
  return node.mesh.peers.get(peer.name)?.paths?.snapshot(node.host.now).punch.attempts ?? [];
}

const restricted = NAT_KINDS["port-restricted cone"];

describe("hard NATs that can be foretold", () => {
  it.each([
    ["sequential, port-restricted", [symmetric(BUSY), restricted]],
    ["sequential by −2, port-restricted", [symmetric(DOWN), restricted]],
    ["port block, port-restricted", [symmetric(BLOCK), restricted]],
    ["sequential, sequential", [symmetric(BUSY), symmetric(DOWN)]],
  ] as const)("%s: direct within 3 s, with little sent", { timeout: 60_000 + TRIES * 3_000 }, (name, nats) => {
    const times: number[] = [];
    const packets: number[] = [];
    for (let seed = 1; seed <= TRIES; seed++) {
      const { world, a, b } = made(seed, nats);
      // The NATs were examined a while ago.
      world.run(60_000);
      const [caller, callee] = seed % 2 === 0 ? [a, b] : [b, a];
      for (let atMs = 0; atMs < LIMIT_MS; atMs += 200)
        world.net.world.after(atMs, () => caller.sendData(callee.name, "x"));
      const tookMs = world.net.world.runUntil(() => isDirect(a, b) && isDirect(b, a), LIMIT_MS);
      if (tookMs !== undefined) times.push(tookMs);
      packets.push(...[...attemptsOf(a, b), ...attemptsOf(b, a)].map((attempt) => attempt.packets));
    }
    times.sort((x, y) => x - y);
    const inTime = times.filter((tookMs) => tookMs <= 3_000).length;
    const median = Math.round(times[Math.floor(times.length / 2)] ?? 0);
    process.stdout.write(
      `  figure: ${name}: direct within 3 s in ${inTime} of ${TRIES}, after ${median} ms (median), ` +
        `${Math.round(times.at(-1) ?? 0)} ms (longest); at most ${Math.max(...packets)} packets of one side\n`,
    );
    expect(inTime).toBeGreaterThanOrEqual(Math.ceil(TRIES * 0.98));
    expect(Math.max(...packets)).toBeLessThanOrEqual(600);
  });
});
