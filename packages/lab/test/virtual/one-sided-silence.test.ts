import { describe, expect, it } from "vitest";
import type { MeshNode } from "../../src/virtual-internet/mesh-node.ts";
import { SeededRandom } from "../../src/virtual-internet/seeded-random.ts";
import { isRelayed, PAIR_KINDS, pathOf, RelayWorld } from "./relay-world.ts";
import { LINE } from "./scenario.ts";

const FAR = { up: { delayMs: 60 }, down: { delayMs: 60 } };
/** As many as a person asks for; the default does for a regression. */
const TRIES = Number(process.env["SILENCE_TRIES"] ?? 5);
const STEP_MS = 10;
const GAP_MS = 50;

/** `a` sends all the time and `b` only answers, as with a ping; the longest time in which `a` got nothing. */
function longestWaitMs(world: RelayWorld, a: MeshNode, b: MeshNode, durationMs: number): number {
  let answered = b.delivered.length;
  let lastAt = a.host.now;
  let heard = a.delivered.length;
  let longestMs = 0;
  for (let atMs = 0; atMs < durationMs; atMs += STEP_MS) {
    if (atMs % GAP_MS === 0) a.sendData("b", `ping ${atMs}`);
    world.run(STEP_MS);
    for (; answered < b.delivered.length; answered++) b.sendData("a", "pong");
    if (a.delivered.length > heard) lastAt = a.host.now;
    heard = a.delivered.length;
    longestMs = Math.max(longestMs, a.host.now - lastAt);
  }
  return longestMs;
}

/** Kills the nearer of two relays, at a random phase of each end's heartbeats and counters. */
function killRelay(seed: number): number {
  const random = new SeededRandom(seed);
  const world = new RelayWorld(seed);
  world.relay("near", "198.51.100.1", LINE);
  world.relay("far", "198.51.100.2", FAR);
  const [a, b] = ["a", "b"].map((name) => world.node(name, PAIR_KINDS.symmetric, LINE));
  world.introduce();
  a!.sendData("b", "begins to look at its counters");
  world.run(random.between(0, 1_000));
  b!.sendData("a", "so does this one");
  longestWaitMs(world, a!, b!, 10_000 + random.between(0, 3_000));
  expect([pathOf(a!, b!)?.remote.address, isRelayed(a!, b!)]).toEqual(["198.51.100.1", true]);
  world.signalling.isUp = false;
  world.cut(0);
  const waitMs = longestWaitMs(world, a!, b!, 5_000);
  expect(pathOf(a!, b!)?.remote.address).toBe("198.51.100.2");
  return waitMs;
}

describe("a relay that dies while one end only answers", () => {
  it("is replaced within 3 s at both ends, without signalling", () => {
    const seeds = Array.from({ length: TRIES }, (_, index) => 41 + index);
    const waitsMs = seeds.map(killRelay).sort((a, b) => a - b);
    const medianMs = waitsMs[TRIES >> 1];
    process.stdout.write(
      `  figure: nothing heard for ${medianMs} ms (median), ${waitsMs.at(-1)} ms (worst of ${TRIES})\n`,
    );
    expect(waitsMs.at(-1)).toBeLessThan(3_000);
  });
});
