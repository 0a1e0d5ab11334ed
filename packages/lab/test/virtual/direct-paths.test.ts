import { describe, expect, it } from "vitest";
import { NAT_BEHAVIOURS } from "../../src/virtual-internet/nat-table.ts";
import { LINE, NAT_KINDS, nat, Scenario } from "./scenario.ts";

const BEHAVIOURS = NAT_BEHAVIOURS.flatMap((mapping) =>
  NAT_BEHAVIOURS.map((filtering) => [mapping, filtering] as const),
);

describe("two peers become direct", () => {
  it("on one LAN, within 100 ms", () => {
    const scenario = new Scenario();
    const lan = scenario.net.segment("lan");
    const [a, b] = ["a", "b"].map((name, index) => {
      const node = scenario.node(name);
      node.addUplink(node.host.connect(lan, { ipv4: `10.0.0.${index + 1}`, up: { delayMs: 0.2 } }));
      return node;
    });
    scenario.settle();
    a!.startTalking("b");
    expect(scenario.untilDirect(a!, "b", 100)).toBeLessThan(100);
    expect(scenario.untilDirect(b!, "a", 100)).toBeLessThan(100);
    expect(a!.directTo("b")).toEqual({ address: "10.0.0.2", port: 41641 });
  });

  it("both public", () => {
    const scenario = new Scenario();
    const a = scenario.publicNode("a", "203.0.113.1");
    const b = scenario.publicNode("b", "203.0.113.2");
    scenario.settle();
    a.startTalking("b");
    expect(scenario.untilDirect(a, "b", 500)).toBeLessThan(150);
    scenario.run(1_000);
    expect(b.peer("a").received).toBeGreaterThan(2);
  });

  it.each(BEHAVIOURS)("one public, one behind a NAT with %s mapping and %s filtering", (mapping, filtering) => {
    for (const caller of ["a", "b"]) {
      const scenario = new Scenario();
      const { node: a } = scenario.natNode("a", "198.51.100.1", nat(mapping, filtering));
      const b = scenario.publicNode("b", "203.0.113.2");
      scenario.settle();
      const [from, to] = caller === "a" ? [a, b] : [b, a];
      from.startTalking(to.host.name);
      expect(scenario.untilDirect(from, to.host.name, 2_000)).toBeLessThan(500);
      scenario.run(2_000);
      expect(to.peer(from.host.name).received).toBeGreaterThan(4);
    }
  });

  const cones = Object.entries(NAT_KINDS).filter(([kind]) => kind !== "symmetric");
  const conePairs = cones.flatMap(([a]) => cones.map(([b]) => [a, b] as const));
  it.each(conePairs)("both behind NATs: %s and %s", (kindA, kindB) => {
    const scenario = new Scenario();
    const { node: a } = scenario.natNode("a", "198.51.100.1", NAT_KINDS[kindA as "full cone"]);
    const { node: b } = scenario.natNode("b", "198.51.100.2", NAT_KINDS[kindB as "full cone"]);
    scenario.settle();
    a.startTalking("b");
    expect(scenario.untilDirect(a, "b", 3_000)).toBeLessThan(1_000);
    expect(scenario.untilDirect(b, "a", 3_000)).toBeLessThan(1_000);
    scenario.run(1_000);
    expect(b.peer("a").received).toBeGreaterThan(2);
  });

  it.each(["full cone", "restricted cone"] as const)("symmetric and %s", (kind) => {
    const scenario = new Scenario();
    const { node: a } = scenario.natNode("a", "198.51.100.1", NAT_KINDS.symmetric);
    scenario.natNode("b", "198.51.100.2", NAT_KINDS[kind]);
    scenario.settle();
    a.startTalking("b");
    expect(scenario.untilDirect(a, "b", 3_000)).toBeLessThan(1_000);
  });

  it("behind one NAT by the LAN, not by the hairpin", () => {
    const scenario = new Scenario();
    const hairpin = nat("endpoint-independent", "endpoint-independent", { hairpin: true });
    const router = scenario.net.lan("home", { outsideIpv4: "198.51.100.1", nat: hairpin, conditions: LINE });
    const [a, b] = ["a", "b"].map((name, index) => {
      const node = scenario.node(name);
      node.addUplink(node.host.connect(router.inside, { ipv4: `192.168.1.${index + 2}`, up: { delayMs: 0.2 } }));
      return node;
    });
    scenario.settle();
    a!.startTalking("b");
    scenario.run(2_000);
    expect(a!.directTo("b")?.address).toBe("192.168.1.3");
    expect(b!.directTo("a")?.address).toBe("192.168.1.2");
    const hairpinPath = a!
      .peer("b")
      .paths.snapshot(a!.host.now)
      .paths.find(({ address }) => address.remote.address === "198.51.100.1");
    expect(hairpinPath?.state).toBe("standby");
  });

  it("behind two NATs each (carrier-grade), by the inner one where it is the same", () => {
    const scenario = new Scenario();
    const carrier = scenario.net.lan("carrier", {
      outsideIpv4: "198.51.100.1",
      nat: nat("endpoint-independent", "endpoint-independent", {
        hairpin: true,
        ports: { kind: "port-block", sizePorts: 512 },
      }),
      conditions: LINE,
    });
    const [a, b] = ["a", "b"].map((name, index) => {
      const home = scenario.net.lan(
        name,
        { outsideIpv4: `100.64.0.${index + 2}`, nat: NAT_KINDS["port-restricted cone"] },
        carrier.inside,
      );
      const node = scenario.node(name);
      node.addUplink(node.host.connect(home.inside, { ipv4: "192.168.1.2" }));
      return node;
    });
    scenario.settle();
    a!.startTalking("b");
    scenario.untilDirect(a!, "b", 3_000);
    scenario.untilDirect(b!, "a", 3_000);
  });

  it("by IPv6 where both have it, and IPv4 where one has not", () => {
    const scenario = new Scenario();
    const [a, b, c] = ["a", "b", "c"].map((name, index) => {
      const node = scenario.node(name);
      const ipv6 = name === "c" ? {} : { ipv6: `2001:db8::${index + 1}` };
      node.addUplink(node.host.connect(scenario.net.public, { ipv4: `203.0.113.${index + 1}`, ...ipv6, ...LINE }));
      return node;
    });
    scenario.settle();
    a!.startTalking("b");
    scenario.run(2_000);
    expect(a!.directTo("b")?.address).toBe("2001:db8::2");
    b!.startTalking("c");
    scenario.run(2_000);
    expect(b!.directTo("c")?.address).toBe("203.0.113.3");
    expect(c!.directTo("b")?.address).toBe("203.0.113.2");
  });

  it("by IPv6 through stateful firewalls while IPv4 is hopeless", () => {
    const scenario = new Scenario();
    const [a, b] = ["a", "b"].map((name, index) => {
      const router = scenario.net.lan(name, {
        outsideIpv4: `198.51.100.${index + 1}`,
        nat: NAT_KINDS.symmetric,
        firewall: "stateful",
        conditions: LINE,
      });
      const node = scenario.node(name);
      node.addUplink(node.host.connect(router.inside, { ipv4: "192.168.1.2", ipv6: `2001:db8:${index + 1}::2` }));
      return node;
    });
    scenario.settle();
    a!.startTalking("b");
    scenario.untilDirect(a!, "b", 1_000);
    scenario.untilDirect(b!, "a", 1_000);
    expect(a!.directTo("b")?.address).toBe("2001:db8:2::2");
  });

  it("with a forwarded port although both NATs are hard", () => {
    const scenario = new Scenario();
    const { node: a } = scenario.natNode("a", "198.51.100.1", NAT_KINDS.symmetric);
    const { router } = scenario.natNode("b", "198.51.100.2", NAT_KINDS.symmetric);
    router.forward(41641, { address: "192.168.1.2", port: 41641 });
    scenario.settle();
    a.startTalking("b");
    scenario.untilDirect(a, "b", 2_000);
  });
});

describe("bad lines", () => {
  it.each([1, 2, 3, 4, 5, 6, 7, 8])(
    "with 20 %% loss and reordering a direct path comes within 3 s (seed %d)",
    (seed) => {
      const scenario = new Scenario(seed, { lossRatio: 0.2 });
      const poor = { delayMs: 20, jitterMs: 10, lossRatio: 0.1, reorderRatio: 0.2, duplicateRatio: 0.1 };
      const a = scenario.publicNode("a", "203.0.113.1", { up: poor, down: poor });
      scenario.publicNode("b", "203.0.113.2");
      scenario.settle();
      a.startTalking("b");
      expect(scenario.untilDirect(a, "b", 8_000)).toBeLessThan(3_000);
    },
  );

  it("with 20 % loss a path is kept: nobody gives it up in ten minutes", () => {
    const scenario = new Scenario(11);
    const poor = { delayMs: 20, jitterMs: 10, lossRatio: 0.106 };
    const a = scenario.publicNode("a", "203.0.113.1", { up: poor, down: poor });
    const b = scenario.publicNode("b", "203.0.113.2");
    scenario.settle();
    a.startTalking("b", 1_000);
    scenario.untilDirect(a, "b", 8_000);
    scenario.run(600_000);
    for (const [node, peer] of [
      [a, "b"],
      [b, "a"],
    ] as const) {
      const changes = node.peer(peer).paths.snapshot(node.host.now).changes;
      expect(changes.filter(({ to }) => to === null)).toEqual([]);
      const [path] = node.peer(peer).paths.snapshot(node.host.now).paths;
      expect(path?.lossRatio).toBeGreaterThan(0);
    }
    expect(b.peer("a").received).toBeGreaterThan(600 * 0.75);
  });

  it("takes the clearly faster of two lines", () => {
    const scenario = new Scenario();
    const a = scenario.node("a");
    a.addUplink(a.host.connect(scenario.net.public, { ipv4: "203.0.113.1", up: { delayMs: 60 } }));
    const fast = a.addUplink(a.host.connect(scenario.net.public, { ipv4: "203.0.113.2", up: { delayMs: 10 } }), 41642);
    scenario.publicNode("b", "203.0.113.3");
    scenario.settle();
    a.startTalking("b");
    scenario.run(3_000);
    const { active, paths } = a.peer("b").paths.snapshot(a.host.now);
    expect(active?.address.linkId).toBe(fast);
    expect(paths.filter(({ state }) => state === "standby")).toHaveLength(1);
  });
});
