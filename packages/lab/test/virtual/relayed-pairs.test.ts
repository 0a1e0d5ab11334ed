import { describe, expect, it } from "vitest";
import { isDirect, isRelayed, PAIR_KINDS, type PairKind, RelayWorld } from "./relay-world.ts";

const KINDS = Object.keys(PAIR_KINDS) as PairKind[];
const MATRIX = KINDS.flatMap((a) => KINDS.map((b) => [a, b] as const));
/** What only guessing ports gets through, and what not even that does. */
const PUNCHED = "port-restricted cone ↔ symmetric";
const HARD = "symmetric ↔ symmetric";

function pair(a: PairKind, b: PairKind, seed = 1) {
  const world = new RelayWorld(seed);
  const relay = world.relay("relay", "198.51.100.1");
  world.relay("relay2", "198.51.100.2");
  const nodes = { a: world.node("a", PAIR_KINDS[a]), b: world.node("b", PAIR_KINDS[b]) };
  world.introduce();
  return { world, relay, ...nodes };
}

describe("every pair of NATs", () => {
  it.each(MATRIX)("%s ↔ %s: data at once, direct where it can be", (kindA, kindB) => {
    const { world, a, b } = pair(kindA, kindB);
    a.sendData("b", "first");
    const firstMs = world.until(() => b.delivered.length > 0, 2_000, "first data");
    expect(firstMs).toBeLessThan(300);
    const kinds = [kindA, kindB].sort().join(" ↔ ");
    const isHard = kinds === HARD;
    if (!isHard) {
      const directMs = firstMs + world.until(() => isDirect(a, b) && isDirect(b, a), 10_000, "direct");
      expect(directMs).toBeLessThan(kinds === PUNCHED ? 10_000 : 1_000);
    }
    const before = { a: a.delivered.length, b: b.delivered.length };
    world.talk(a, b, 200, 20_000);
    expect(a.delivered.length - before.a).toBe(100);
    expect(b.delivered.length - before.b).toBe(100);
    expect([isDirect(a, b), isDirect(b, a)]).toEqual([!isHard, !isHard]);
    expect([isRelayed(a, b), isRelayed(b, a)]).toEqual([isHard, isHard]);
  });
});
