/** Hosts that sleep, processes that are stopped, and clocks that are set, at one end or at both. */
import { describe, expect, it } from "vitest";
import type { MeshNode } from "../../src/virtual-internet/mesh-node.ts";
import { isDirect, RelayWorld } from "./relay-world.ts";
import { NAT_KINDS } from "./scenario.ts";

const DAY_MS = 86_400_000;
const GAP_MS = 100;
/** Forgets what was silent for as long as many do. */
const FORGETFUL = { ...NAT_KINDS["port-restricted cone"], mappingTimeoutMs: 30_000 };

class Pair {
  readonly world = new RelayWorld(3);
  readonly a: MeshNode;
  readonly b: MeshNode;

  constructor() {
    this.world.relay("relay", "198.51.100.1");
    this.a = this.world.node("a", FORGETFUL);
    this.b = this.world.node("b", FORGETFUL);
    this.world.introduce();
    // Calls carry the server's time.
    for (const node of [this.a, this.b]) node.act((mesh, time) => mesh.handleServerTime(0, time));
    this.world.talk(this.a, this.b, GAP_MS, 5_000);
  }

  end(name: "a" | "b"): MeshNode {
    return name === "a" ? this.a : this.b;
  }

  /** Both go on talking; milliseconds until each has heard the other. */
  untilHeard(limitMs: number): number {
    const { world, a, b } = this;
    const [heardA, heardB] = [a.delivered.length, b.delivered.length];
    for (let atMs = 0; atMs < limitMs; atMs += GAP_MS) {
      world.talk(a, b, GAP_MS, GAP_MS);
      if (a.delivered.length > heardA && b.delivered.length > heardB) return atMs + GAP_MS;
    }
    return expect.fail(`nothing heard within ${limitMs} ms\n${world.net.world.log.toMermaid()}`);
  }
}

describe("a pair behind NATs that have forgotten it meanwhile talks again", () => {
  // An agent's clock goes on while its host sleeps.
  it.each([
    ["one end has slept for a minute", ["a"], 60_000],
    ["one end has slept for a night", ["b"], 8 * 3_600_000],
    ["both ends have slept for a night", ["a", "b"], 8 * 3_600_000],
  ] as const)("within 5 s after %s", (_, ends, durationMs) => {
    const pair = new Pair();
    for (const end of ends) pair.end(end).host.sleep(durationMs, "runs");
    pair.world.run(durationMs + 1);
    expect(pair.untilHeard(5_000)).toBeLessThan(5_000);
    pair.world.talk(pair.a, pair.b, GAP_MS, 5_000);
    expect([isDirect(pair.a, pair.b), isDirect(pair.b, pair.a)]).toEqual([true, true]);
  });

  it("while somebody at the other end goes on talking all the time", () => {
    const pair = new Pair();
    const { world, a, b } = pair;
    a.host.sleep(120_000, "runs");
    for (let atMs = 0; atMs < 120_000; atMs += GAP_MS)
      world.net.world.after(atMs, () => b.sendData("a", "are you there?"));
    world.run(120_001);
    expect(pair.untilHeard(5_000)).toBeLessThan(5_000);
  });
});

describe("a wall clock that is set", () => {
  it.each([
    ["back at one end", -DAY_MS, 0],
    ["forward at one end", DAY_MS, 0],
    ["back at both", -DAY_MS, -DAY_MS],
    ["apart", DAY_MS, -DAY_MS],
  ])("%s stops no traffic, and no new sessions either", (_, byA, byB) => {
    const { world, a, b } = new Pair();
    a.host.jumpWallClock(byA);
    b.host.jumpWallClock(byB);
    const before = [a.delivered.length, b.delivered.length];
    const durationMs = 400_000;
    world.talk(a, b, 500, durationMs);
    for (const [index, node] of [a, b].entries()) {
      expect(node.delivered.length - before[index]!).toBeGreaterThan(durationMs / 500 - 10);
    }
  });

  it("back and forth again leaves a pair that can call each other and open a tunnel anew", () => {
    const pair = new Pair();
    const { world, a, b } = pair;
    for (const byMs of [DAY_MS, -2 * DAY_MS, DAY_MS]) {
      a.host.jumpWallClock(byMs);
      world.run(600_000);
      expect(pair.untilHeard(10_000)).toBeLessThan(5_000);
    }
    expect(b.mesh.drops["call-stale"] ?? 0).toBe(0);
  });
});
