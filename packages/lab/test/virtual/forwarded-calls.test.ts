import { describe, expect, test } from "vitest";
import { firstArrivalMs, OutageWorld } from "./outage-world.ts";
import { NAT_KINDS } from "./scenario.ts";

const BEHIND_NAT = { ipv4: "198.51.100.2", nat: { ...NAT_KINDS["port-restricted cone"], mappingTimeoutMs: 30_000 } };

/** b behind a NAT that lets in only whom it has sent to, c on the internet, a somewhere; a and b both talk with c. */
function three() {
  const world = new OutageWorld();
  const a = world.add("a", { ipv4: "203.0.113.1" });
  const b = world.add("b", BEHIND_NAT);
  const c = world.add("c", { ipv4: "203.0.113.3" });
  world.introduce();
  world.talk([[a, c], [b, c]], 1_000, 5_000); // biome-ignore format: short
  return { world, a, b, c };
}

describe("while the server is dead", () => {
  test("a member that starts anew elsewhere reaches one that it never met through a member connected to both", () => {
    const { world, b, c } = three();
    world.server.die();
    world.talk([[b, c]], 1_000, 60_000);
    const again = world.restart("a", { ipv4: "203.0.113.77" }, ["c"]);
    again.act((mesh, time) => mesh.handleSessionNeeded("c", time)); // as the agent does with those it was connected to
    const tookMs = firstArrivalMs(world, again, b, 10_000);
    expect(tookMs).toBeLessThan(2_000);
    expect(firstArrivalMs(world, b, again, 1_000)).toBeLessThan(100);
    expect(again.mesh.peers.get("b")?.table[0]).toMatchObject({ relayed: false });
    world.run(1_000);
    expect(again.mesh.callWays("b")).toMatchObject({ sent: { byServer: false }, received: { via: "c" } });
    expect(again.mesh.callWays("b").sent?.members).toContain("c");
    expect(b.mesh.callWays("a").received).toMatchObject({ via: "c" });
  });

  test("… and asks members whose addresses it remembers, if it was connected to none", () => {
    const { world, b, c } = three();
    world.server.die();
    world.talk([[b, c]], 1_000, 10_000);
    const again = world.restart("a", { ipv4: "203.0.113.77" }, ["c"]);
    expect(firstArrivalMs(world, again, b, 10_000)).toBeLessThan(6_000);
  });

  test("a member that nobody has a tunnel to is not reached, and hardly anything is sent for it", () => {
    const { world, a, b, c } = three();
    b.stop();
    world.server.die();
    world.talk([[a, c]], 1_000, 200_000);
    const sentBefore = world.net.world.log.entries.length;
    for (let second = 0; second < 60; second++) {
      a.sendData("b", "anybody there?");
      world.run(1_000);
    }
    expect(world.net.world.log.entries.length - sentBefore).toBeLessThan(60 * 12);
    expect(c.mesh.drops["forward-without-tunnel"] ?? 0).toBeLessThan(40);
    expect(a.mesh.callWays("b")).toMatchObject({ sent: { byServer: false, members: [] }, received: null });
  });

  test("of many members some without a tunnel to the callee, the right one is found by asking on", () => {
    const world = new OutageWorld(3);
    const a = world.add("a", { ipv4: "203.0.113.1" });
    const b = world.add("b", BEHIND_NAT);
    const others = ["c", "d", "e", "f", "g", "h", "i", "j"].map((name, index) => {
      return world.add(name, { ipv4: `203.0.113.${10 + index}` });
    });
    world.introduce();
    const last = others.at(-1)!;
    world.talk([...others.map((other) => [a, other] as const), [b, last]], 1_000, 5_000);
    world.server.die();
    expect(firstArrivalMs(world, a, b, 5_000)).toBeLessThan(1_000);
  });

  test("what a connected member tells of itself goes through the tunnel", () => {
    const { world, a, c } = three();
    world.server.die();
    world.talk([[a, c]], 1_000, 3_000);
    a.addUplink(a.host.connect(world.net.public, { ipv4: "203.0.113.99" }));
    world.talk([[a, c]], 1_000, 3_000);
    expect(c.innerMessages).toBeGreaterThan(0);
    const known = c.mesh.peers.get("a")?.paths?.snapshot(c.host.now).remoteCandidates ?? [];
    expect(known.map(({ address }) => address.address)).toContain("203.0.113.99");
  });
});

describe("while the server is alive", () => {
  test("a member that has lost it is called through another one, and calls", () => {
    const { world, a, b } = three();
    world.server.lose("b");
    expect(firstArrivalMs(world, a, b, 5_000)).toBeLessThan(1_000);
    // The server has the call, and can't deliver it.
    expect(a.mesh.callWays("b").sent).toMatchObject({ byServer: false, members: ["c"] });
    world.run(300_000);
    const { world: second, a: x, b: y } = three();
    second.server.lose("b");
    expect(firstArrivalMs(second, y, x, 5_000)).toBeLessThan(1_000);
  });

  test("what members forward for others is no reason to keep the paths between them busy", () => {
    const { world, a, b, c } = three();
    b.stop();
    world.server.lose("b");
    const before = c.innerMessages;
    world.talk([[a, b]], 1_000, 120_000);
    expect(c.innerMessages).toBeGreaterThan(before);
    const since = world.net.world.nowMs - 60_000;
    const checks = world.net.world.log.entries.filter(
      ({ atMs, from, to, packet }) => atMs > since && from === "c" && to === "a" && packet.bytes[0] === 0,
    );
    expect(checks).toEqual([]);
  });

  test("nothing is forwarded when the server delivers", () => {
    const { world, a, b, c } = three();
    expect(firstArrivalMs(world, a, b, 5_000)).toBeLessThan(500);
    for (const node of [a, b, c]) {
      expect(node.innerMessages).toBe(0);
    }
    expect(a.mesh.callWays("b")).toMatchObject({ sent: { byServer: true, members: [] }, received: { via: null } });
  });
});
