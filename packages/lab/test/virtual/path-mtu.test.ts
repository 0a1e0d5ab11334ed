import { describe, expect, it } from "vitest";
import type { LinkConditions } from "../../src/virtual-internet/link-model.ts";
import type { PathNode } from "./path-node.ts";
import { pathOf, RelayWorld } from "./relay-world.ts";
import { LINE, NAT_KINDS, Scenario } from "./scenario.ts";

/** What a full-size packet of the overlay takes: 1408 bytes, and 32 that WireGuard adds. */
const FULL_BYTES = 1_440;

function mtuOf(node: PathNode, peer: string): number | undefined {
  return node.peer(peer).table[0]?.mtuBytes;
}

/** Two public hosts; the way to and from `b` has these conditions besides its delay. */
function pair(conditions: { readonly up?: LinkConditions; readonly down?: LinkConditions }, seed = 1) {
  const scenario = new Scenario(seed);
  const a = scenario.publicNode("a", "203.0.113.1");
  const line = { up: { ...LINE.up, ...conditions.up }, down: { ...LINE.down, ...conditions.down } };
  const b = scenario.publicNode("b", "203.0.113.2", line);
  scenario.settle();
  a.startTalking("b");
  b.startTalking("a");
  scenario.untilDirect(a, "b", 1_000);
  scenario.untilDirect(b, "a", 1_000);
  return { scenario, a, b };
}

describe("the largest datagram of a path", () => {
  it("is known a round trip after the path", () => {
    const { scenario, a, b } = pair({});
    expect(scenario.until(() => mtuOf(a, "b") === FULL_BYTES, 1_000, "the size")).toBeLessThan(100);
    expect(scenario.until(() => mtuOf(b, "a") === FULL_BYTES, 1_000, "the size")).toBeLessThan(100);
  });

  it("is found within a second where larger ones vanish without a word, and nothing else suffers", () => {
    const { scenario, a, b } = pair({ up: { mtuBytes: 1_280 }, down: { mtuBytes: 1_280 } });
    expect(scenario.until(() => mtuOf(a, "b") === 1_252, 2_000, "the size")).toBeLessThan(1_000);
    expect(scenario.until(() => mtuOf(b, "a") === 1_252, 2_000, "the size")).toBeLessThan(1_000);
    scenario.run(120_000);
    expect(mtuOf(a, "b")).toBe(1_252);
    const { paths, changes } = a.peer("b").paths.snapshot(a.host.now);
    expect(paths[0]).toMatchObject({ state: "active", lossRatio: 0, mtuBytes: 1_252 });
    expect(changes).toHaveLength(1);
  });

  it("may differ between the directions", () => {
    const { scenario, a, b } = pair({ down: { mtuBytes: 1_400 } });
    scenario.run(2_000);
    expect([mtuOf(a, "b"), mtuOf(b, "a")]).toEqual([1_372, FULL_BYTES]);
  });

  it.each([
    [1_492, FULL_BYTES],
    [1_488, FULL_BYTES],
    [1_480, 1_412],
    [1_280, 1_232],
  ])("over IPv6 with packets of %i bytes is %i", (mtuBytes, expected) => {
    const scenario = new Scenario();
    const [a, b] = ["a", "b"].map((name, index) => {
      const node = scenario.node(name);
      const line = { up: { delayMs: 10, mtuBytes }, down: { delayMs: 10 } };
      node.addUplink(node.host.connect(scenario.net.public, { ipv6: `2001:db8::${index + 1}`, ...line }));
      return node;
    });
    scenario.settle();
    a!.startTalking("b");
    scenario.untilDirect(a!, "b", 1_000);
    scenario.run(2_000);
    expect([mtuOf(a!, "b"), mtuOf(b!, "a")]).toEqual([expected, expected]);
  });

  it("is found behind NATs", () => {
    const scenario = new Scenario();
    const { node: a, router } = scenario.natNode("a", "198.51.100.1", NAT_KINDS["port-restricted cone"]);
    const { node: b } = scenario.natNode("b", "198.51.100.2", NAT_KINDS["port-restricted cone"]);
    router.line.setConditions({ up: { delayMs: 10, mtuBytes: 1_320 }, down: { delayMs: 10 } });
    scenario.settle();
    a.startTalking("b");
    scenario.untilDirect(a, "b", 3_000);
    scenario.run(2_000);
    expect([mtuOf(a, "b"), mtuOf(b, "a")]).toEqual([1_292, FULL_BYTES]);
  });

  it("follows the path when it shrinks and when it grows", () => {
    const { scenario, a, b } = pair({});
    scenario.run(5_000);
    const [line] = b.interfaces;
    line!.attachment.setConditions({ up: LINE.up!, down: { ...LINE.down, mtuBytes: 1_280 } });
    scenario.until(() => mtuOf(a, "b") === 1_252, 20_000, "the smaller size");
    line!.attachment.setConditions(LINE);
    scenario.until(() => mtuOf(a, "b") === FULL_BYTES, 70_000, "the full size");
  });

  it("is not taken for smaller for long because of loss", () => {
    for (let seed = 1; seed <= 10; seed++) {
      const { scenario, a } = pair({ up: { lossRatio: 0.1 }, down: { lossRatio: 0.1 } }, seed);
      scenario.until(() => mtuOf(a, "b") === FULL_BYTES, 5_000, `the full size with seed ${seed}`);
    }
  });

  it("costs each side a packet every 15 s, and none without traffic", () => {
    const { scenario, a, b } = pair({});
    const { log } = scenario.net.world;
    const large = (): number => log.entries.filter(({ packet }) => packet.bytes.length >= FULL_BYTES).length;
    scenario.run(5_000);
    const before = large();
    scenario.run(60_000);
    expect(large() - before).toBe(8);
    a.stopTalking();
    b.stopTalking();
    scenario.run(60_000);
    const atRest = large();
    scenario.run(600_000);
    expect(large() - atRest).toBe(0);
  });
});

describe("the largest datagram of a relayed path", () => {
  /** Two members whom only a relay brings together; the relay's own line has these conditions. */
  function relayed(relayLine: LinkConditions, lineOfA: LinkConditions = {}) {
    const world = new RelayWorld();
    world.relay("relay", "198.51.100.1", { up: relayLine });
    const a = world.node("a", NAT_KINDS.symmetric, { up: { delayMs: 10, ...lineOfA }, down: { delayMs: 10 } });
    const b = world.node("b", NAT_KINDS.symmetric);
    world.introduce();
    world.talk(a, b, 200, 10_000);
    return [pathOf(a, b), pathOf(b, a)].map((path) => ({ ...path, isRelayed: path?.relayed }));
  }

  /** What WireGuard's datagram may have: the header of the channel is part of the path's MTU. */
  const messageBytes = (path: { channel?: number | null; mtuBytes?: number }): number =>
    (path.mtuBytes ?? 0) - (path.channel == null ? 0 : 4);

  it("has room for the channel's header", () => {
    const paths = relayed({});
    expect(paths.map(({ isRelayed }) => isRelayed)).toEqual([true, true]);
    expect(paths.map(messageBytes)).toEqual([FULL_BYTES, FULL_BYTES]);
  });

  it("is the least of its legs, on each side", () => {
    const [a, b] = relayed({ mtuBytes: 1_280 });
    expect([a, b].map((path) => path?.mtuBytes ?? 0).every((mtuBytes) => mtuBytes > 1_200 && mtuBytes <= 1_256)).toBe(
      true,
    );
    const [ofA, ofB] = relayed({}, { mtuBytes: 1_400 });
    expect(ofA?.mtuBytes).toBe(1_372);
    expect(messageBytes(ofB ?? {})).toBe(FULL_BYTES);
  });
});
