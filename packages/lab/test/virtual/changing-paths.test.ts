import { describe, expect, it } from "vitest";
import type { PathNode } from "./path-node.ts";
import { LINE, NAT_KINDS, nat, Scenario } from "./scenario.ts";

function isDirect(node: PathNode, peer: string): boolean {
  return node.directTo(peer) !== undefined;
}

/** Longest time without data at `node` from `peer` while the simulation runs for `durationMs`. */
function longestStall(scenario: Scenario, node: PathNode, peer: string, durationMs: number): number {
  const { world } = scenario.net;
  const endMs = world.nowMs + durationMs;
  let stallMs = 0;
  while (world.nowMs < endMs) {
    const before = node.peer(peer).received;
    const waitedMs = world.runUntil(() => node.peer(peer).received > before, endMs - world.nowMs);
    stallMs = Math.max(stallMs, waitedMs ?? endMs - world.nowMs);
    if (waitedMs === undefined) break;
  }
  return stallMs;
}

function connectedPair(scenario: Scenario): { a: PathNode; b: PathNode } {
  const a = scenario.publicNode("a", "203.0.113.1");
  const b = scenario.publicNode("b", "203.0.113.2");
  scenario.settle();
  a.startTalking("b", 100);
  scenario.untilDirect(a, "b", 500);
  scenario.untilDirect(b, "a", 500);
  return { a, b };
}

describe("a pair without a way to each other", () => {
  it("stays unreachable behind symmetric NATs, breaks nothing, and goes on trying once a minute at most", () => {
    const scenario = new Scenario();
    const { node: a } = scenario.natNode("a", "198.51.100.1", NAT_KINDS.symmetric);
    const { node: b } = scenario.natNode("b", "198.51.100.2", NAT_KINDS.symmetric);
    scenario.settle();
    a.startTalking("b", 1_000);
    scenario.run(30 * 60_000);
    expect(isDirect(a, "b")).toBe(false);
    expect(a.peer("b").table).toEqual([]);
    const calls = a.peer("b").events.filter(({ kind }) => kind === "call").length;
    expect(calls).toBeGreaterThan(25);
    expect(calls).toBeLessThan(90);
    expect(scenario.net.world.log.drops.get("filtered by the NAT")).toBeGreaterThan(0);
    const history = a.peer("b").paths.snapshot(a.host.now).attempts;
    expect(history.map(({ result }) => result)).toContain("no-answer");
    expect(b.peer("a").paths.snapshot(b.host.now).kind).toBe("none");
  });

  it("stays unreachable where UDP is blocked, and comes up when it is not any more", () => {
    const scenario = new Scenario();
    const { node: a, router } = scenario.natNode("a", "198.51.100.1", NAT_KINDS["full cone"]);
    scenario.publicNode("b", "203.0.113.2");
    router.setFirewall("udp-blocked");
    scenario.settle();
    a.startTalking("b", 1_000);
    scenario.run(10_000);
    expect(isDirect(a, "b")).toBe(false);
    router.setFirewall("open");
    expect(scenario.untilDirect(a, "b", 60_000)).toBeLessThanOrEqual(60_000);
  });

  it("is quiet when nobody talks", () => {
    const scenario = new Scenario();
    const { node: a } = scenario.natNode("a", "198.51.100.1", NAT_KINDS.symmetric);
    scenario.natNode("b", "198.51.100.2", NAT_KINDS.symmetric);
    scenario.settle();
    a.startTalking("b", 1_000, 10_000);
    scenario.run(120_000);
    const before = scenario.net.world.log.total;
    scenario.run(3_600_000);
    expect(scenario.net.world.log.total).toBe(before);
    expect(a.pollTimeout()).toBeUndefined();
  });
});

describe("an idle pair", () => {
  it("sends nothing before anybody talks", () => {
    const scenario = new Scenario();
    scenario.publicNode("a", "203.0.113.1");
    scenario.publicNode("b", "203.0.113.2");
    scenario.settle();
    const before = scenario.net.world.log.total;
    scenario.run(3_600_000);
    expect(scenario.net.world.log.total).toBe(before);
    expect(scenario.signalling.forwarded).toBe(0);
  });

  it("sends nothing a minute after the last data, keeps its path, and uses it at once when data come again", () => {
    const scenario = new Scenario();
    const { a, b } = connectedPair(scenario);
    scenario.run(5_000);
    a.stopTalking();
    scenario.run(60_000);
    const before = scenario.net.world.log.total;
    scenario.run(3_600_000);
    expect(scenario.net.world.log.total).toBe(before);
    expect(b.peer("a").paths.pollTimeout()).toBeUndefined();
    expect(a.peer("b").table).toHaveLength(1);
    const calls = scenario.signalling.forwarded;
    const received = b.peer("a").received;
    a.startTalking("b", 100);
    scenario.until(() => b.peer("a").received > received, 100, "data after a pause");
    scenario.run(5_000);
    expect(isDirect(a, "b")).toBe(true);
    expect(scenario.signalling.forwarded).toBe(calls);
  });

  it("calls again when the NAT has forgotten the path meanwhile", () => {
    const scenario = new Scenario();
    const restricted = nat("endpoint-independent", "address-and-port-dependent", { mappingTimeoutMs: 30_000 });
    const { node: a } = scenario.natNode("a", "198.51.100.1", restricted);
    const { node: b } = scenario.natNode("b", "198.51.100.2", restricted);
    scenario.settle();
    a.startTalking("b");
    scenario.untilDirect(a, "b", 1_000);
    a.stopTalking();
    scenario.run(300_000);
    a.gather();
    b.gather();
    scenario.run(500);
    a.startTalking("b");
    const received = b.peer("a").received;
    expect(scenario.until(() => b.peer("a").received > received, 3_000, "data again")).toBeLessThan(1_500);
  });
});

describe("while traffic flows", () => {
  it("keeps NAT mappings of 30 s alive for an hour, with a heartbeat every 3 s and no call", () => {
    const scenario = new Scenario();
    const restricted = nat("endpoint-independent", "address-and-port-dependent", { mappingTimeoutMs: 30_000 });
    const { node: a } = scenario.natNode("a", "198.51.100.1", restricted);
    const { node: b } = scenario.natNode("b", "198.51.100.2", restricted);
    scenario.settle();
    a.startTalking("b", 20_000);
    scenario.untilDirect(a, "b", 1_000);
    scenario.run(5_000);
    const calls = scenario.signalling.forwarded;
    const delivered = scenario.net.world.log.delivered;
    scenario.run(3_600_000);
    expect(scenario.signalling.forwarded).toBe(calls);
    expect(isDirect(a, "b")).toBe(true);
    expect(isDirect(b, "a")).toBe(true);
    // Each check and each answer is delivered three times: to a router, to the other router, to the host.
    const checksPerSecond = (scenario.net.world.log.delivered - delivered) / 3 / 2 / 3_600;
    // Heartbeats both ways every 3 s, and every 15 s a look at how large a packet passes.
    expect(checksPerSecond).toBeLessThan(2 / 3 + 2 / 15 + 0.1);
  });

  it("goes on over the second line within 5 s when the first one dies, and comes back", () => {
    const scenario = new Scenario();
    const a = scenario.node("a");
    const first = a.host.connect(scenario.net.public, { ipv4: "203.0.113.1", up: { delayMs: 5 } });
    const firstLink = a.addUplink(first, 41641, 1);
    const second = a.addUplink(
      a.host.connect(scenario.net.public, { ipv4: "198.51.100.1", up: { delayMs: 6 } }),
      41641,
    );
    const b = scenario.publicNode("b", "203.0.113.9");
    scenario.settle();
    a.startTalking("b", 50);
    scenario.run(10_000);
    expect(a.peer("b").table[0]?.address.linkId).toBe(firstLink);
    first.attachment.isUp = false;
    expect(longestStall(scenario, b, "a", 20_000)).toBeLessThan(5_000);
    expect(a.peer("b").table[0]?.address.linkId).toBe(second);
    expect(isDirect(a, "b")).toBe(true);
    first.attachment.isUp = true;
    scenario.until(() => a.peer("b").table[0]?.address.linkId === firstLink, 120_000, "back on the first line");
  });

  it("notices at once when the system reports a link gone", () => {
    const scenario = new Scenario();
    const a = scenario.node("a");
    const first = a.host.connect(scenario.net.public, { ipv4: "203.0.113.1", up: { delayMs: 5 } });
    const firstLink = a.addUplink(first, 41641, 1);
    a.addUplink(a.host.connect(scenario.net.public, { ipv4: "198.51.100.1", up: { delayMs: 6 } }), 41641);
    const b = scenario.publicNode("b", "203.0.113.9");
    scenario.settle();
    a.startTalking("b", 50);
    scenario.run(10_000);
    first.attachment.isUp = false;
    a.removeUplink(firstLink);
    expect(longestStall(scenario, b, "a", 5_000)).toBeLessThan(200);
    expect(a.peer("b").paths.snapshot(a.host.now).changes.at(-1)?.why).toBe("its link is gone");
  });

  it("is direct again in less than 1 s after roaming to another network", () => {
    const scenario = new Scenario();
    const home = scenario.net.lan("home", { outsideIpv4: "198.51.100.1", nat: NAT_KINDS["port-restricted cone"] });
    const cafe = scenario.net.lan("cafe", { outsideIpv4: "198.51.100.9", nat: NAT_KINDS["port-restricted cone"] });
    const a = scenario.node("a");
    const atHome = a.host.connect(home.inside, { ipv4: "192.168.1.2", up: { delayMs: 10 } });
    const homeLink = a.addUplink(atHome);
    const { node: b } = scenario.natNode("b", "203.0.113.2", NAT_KINDS["port-restricted cone"]);
    scenario.settle();
    a.startTalking("b", 50);
    b.startTalking("a", 50);
    scenario.run(5_000);
    expect(isDirect(a, "b")).toBe(true);
    atHome.attachment.isUp = false;
    a.addUplink(a.host.connect(cafe.inside, { ipv4: "10.1.1.7", up: { delayMs: 10 } }));
    a.removeUplink(homeLink);
    const received = { a: a.peer("b").received, b: b.peer("a").received };
    scenario.until(() => b.peer("a").received > received.b, 1_000, "data from the café");
    scenario.until(() => a.peer("b").received > received.a, 1_000, "data to the café");
    scenario.run(2_000);
    expect(b.directTo("a")?.address).toBe("198.51.100.9");
  });

  it("follows a new address on the same link at once", () => {
    const scenario = new Scenario();
    const a = scenario.node("a");
    const own = a.host.connect(scenario.net.public, { ipv4: "203.0.113.1", ...LINE });
    a.addUplink(own);
    const b = scenario.publicNode("b", "203.0.113.2");
    scenario.settle();
    a.startTalking("b", 50);
    b.startTalking("a", 50);
    scenario.run(3_000);
    own.setAddresses({ ipv4: "203.0.113.77" });
    a.gather();
    const received = a.peer("b").received;
    scenario.until(() => a.peer("b").received > received + 1, 500, "data at the new address");
    scenario.run(1_000);
    expect(b.directTo("a")?.address).toBe("203.0.113.77");
    expect(isDirect(a, "b")).toBe(true);
  });

  it("recovers from a NAT that lost its state", () => {
    const scenario = new Scenario();
    const { node: a, router } = scenario.natNode("a", "198.51.100.1", NAT_KINDS["port-restricted cone"]);
    const { node: b } = scenario.natNode("b", "198.51.100.2", NAT_KINDS["port-restricted cone"]);
    scenario.settle();
    a.startTalking("b", 100);
    b.startTalking("a", 100);
    scenario.run(5_000);
    router.reboot();
    scenario.run(6_000);
    const received = a.peer("b").received;
    scenario.run(4_000);
    expect(a.peer("b").received).toBeGreaterThan(received + 30);
    expect(isDirect(a, "b")).toBe(true);
    expect(isDirect(b, "a")).toBe(true);
  });

  it("recovers within 10 s of the end of an outage in the middle of the network, however long it was", () => {
    for (const outageMs of [2_000, 20_000, 300_000]) {
      const scenario = new Scenario(outageMs);
      const { a, b } = connectedPair(scenario);
      b.startTalking("a", 100);
      scenario.run(5_000);
      scenario.signalling.isUp = false;
      const lost = { up: { delayMs: 10, lossRatio: 1 }, down: { delayMs: 10, lossRatio: 1 } };
      const line = a.peer("b").table[0];
      expect(line).toBeDefined();
      const interfaces = [a, b].map((node) => node.interfaces[0]!.attachment);
      for (const attachment of interfaces) attachment.setConditions(lost);
      scenario.run(outageMs);
      for (const attachment of interfaces) attachment.setConditions(LINE);
      const received = b.peer("a").received;
      scenario.until(() => b.peer("a").received > received, 10_000, `data after ${outageMs} ms of outage`);
      scenario.untilDirect(a, "b", 10_000);
    }
  });

  it("is direct again within 5 s after a sleep, also when the address has changed meanwhile", () => {
    const scenario = new Scenario();
    const a = scenario.node("a");
    const own = a.host.connect(scenario.net.public, { ipv4: "203.0.113.1", ...LINE });
    a.addUplink(own);
    const b = scenario.publicNode("b", "203.0.113.2");
    scenario.settle();
    a.startTalking("b", 100);
    b.startTalking("a", 100);
    scenario.run(5_000);
    a.host.sleep(3_600_000);
    scenario.run(3_600_000);
    own.setAddresses({ ipv4: "203.0.113.99" });
    a.gather();
    const received = { a: a.peer("b").received, b: b.peer("a").received };
    scenario.until(() => a.peer("b").received > received.a && b.peer("a").received > received.b, 5_000, "data");
    expect(scenario.untilDirect(a, "b", 5_000)).toBeLessThan(1_000);
  });
});

describe("without the signalling server", () => {
  it("a connected pair stays connected", () => {
    const scenario = new Scenario();
    const { a, b } = connectedPair(scenario);
    scenario.signalling.isUp = false;
    expect(longestStall(scenario, b, "a", 600_000)).toBeLessThan(500);
    expect(isDirect(a, "b")).toBe(true);
  });

  it("a pair that wants to meet does so as soon as it is back", () => {
    const scenario = new Scenario();
    const { node: a } = scenario.natNode("a", "198.51.100.1", NAT_KINDS["port-restricted cone"]);
    scenario.natNode("b", "198.51.100.2", NAT_KINDS["port-restricted cone"]);
    scenario.settle();
    scenario.signalling.isUp = false;
    a.startTalking("b");
    scenario.run(200_000);
    expect(isDirect(a, "b")).toBe(false);
    scenario.signalling.isUp = true;
    a.host.act((now) => a.peer("b").paths.handleSignallingReady(now));
    expect(scenario.untilDirect(a, "b", 5_000)).toBeLessThan(1_000);
  });

  it("a peer is found at its remembered address", () => {
    const scenario = new Scenario();
    const a = scenario.publicNode("a", "203.0.113.1");
    scenario.publicNode("b", "203.0.113.2");
    scenario.signalling.isUp = false;
    scenario.settle();
    const remembered = [{ kind: "host" as const, address: { address: "203.0.113.2", port: 41641 }, priority: 1 }];
    a.host.act((now) => a.peer("b").paths.handleRememberedCandidates(remembered, now));
    a.startTalking("b");
    expect(scenario.untilDirect(a, "b", 1_000)).toBeLessThan(100);
  });
});

describe("many members", () => {
  it("the same seed gives the same packets", () => {
    const trace = (): string => {
      const scenario = new Scenario(5);
      const { node: a } = scenario.natNode("a", "198.51.100.1", NAT_KINDS.symmetric);
      scenario.natNode("b", "198.51.100.2", NAT_KINDS["full cone"]);
      scenario.settle();
      a.startTalking("b");
      scenario.run(20_000);
      return JSON.stringify(scenario.net.world.log.entries);
    };
    expect(trace()).toBe(trace());
  });

  it("twelve behind all kinds of NAT reach whom they can", () => {
    const scenario = new Scenario(3);
    const kinds = Object.entries(NAT_KINDS);
    const nodes = Array.from({ length: 12 }, (_, index) => {
      const [kind, options] = kinds[index % kinds.length]!;
      return { kind, node: scenario.natNode(`n${index}`, `198.51.100.${index + 1}`, options).node };
    });
    scenario.settle();
    for (const [index, { node }] of nodes.entries()) node.startTalking(`n${(index + 1) % 12}`, 1_000);
    scenario.run(5_000);
    for (const [index, { kind, node }] of nodes.entries()) {
      const next = nodes[(index + 1) % 12]!;
      const pair = [kind, next.kind].sort().join(" ↔ ");
      const isHard = pair === "port-restricted cone ↔ symmetric" || pair === "symmetric ↔ symmetric";
      expect([pair, isDirect(node, next.node.host.name)]).toEqual([pair, !isHard]);
    }
  });
});
