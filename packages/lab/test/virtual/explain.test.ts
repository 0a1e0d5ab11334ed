import { peerReport } from "@asterism/core/explain";
import type { PeerExplanation } from "@asterism/core/local-api";
import { describe, expect, it } from "vitest";
import type { MeshNode } from "../../src/virtual-internet/mesh-node.ts";
import { PAIR_KINDS, type PairKind, RelayWorld } from "./relay-world.ts";

/** As the agent puts it together, after an echo that was answered. */
function explain(node: MeshNode, name: string, echoMs: number | null = 40): PeerExplanation {
  let report: PeerExplanation | undefined;
  node.act((mesh, time) => {
    const peer = mesh.peers.get(name);
    if (peer === undefined) throw new Error(`no peer ${name}`);
    const { fqdn, ipv4, ipv6, kind } = peer.peer;
    report = peerReport({
      network: "default",
      server: { url: "https://server.example", connected: true },
      peer: { name, fqdn, ipv4, ipv6, kind, online: true, problem: peer.problem, callProblem: peer.callDrop },
      peerNats: peer.nats,
      peerPorts: peer.ports,
      paths: peer.paths?.snapshot(time.now) ?? null,
      provisional: null,
      gathering: mesh.gathering(),
      calls: mesh.callWays(name),
      lastHandshakeAt: mesh.peerState(peer, time.now).lastHandshakeAt ?? null,
      echoMs,
      traffic: { txPackets: 0, rxPackets: 0, txRelayedPackets: 0, rxRelayedPackets: 0 },
      linkTo: () => "eth0",
      time,
    });
  });
  if (report === undefined) throw new Error("no report");
  return report;
}

function pair(a: PairKind, b: PairKind): { world: RelayWorld; a: MeshNode; b: MeshNode } {
  const world = new RelayWorld(7);
  world.relay("relay", "198.51.100.1");
  world.relay("relay2", "198.51.100.2");
  const nodes = { a: world.node("a", PAIR_KINDS[a]), b: world.node("b", PAIR_KINDS[b]) };
  world.introduce();
  return { world, ...nodes };
}

describe("what both ends say of each other", () => {
  it.each<[PairKind, PairKind, string]>([
    ["public", "symmetric", "direct"],
    ["full cone", "port-restricted cone", "direct"],
    ["symmetric", "restricted cone", "direct"],
    ["symmetric", "symmetric", "relayed-symmetric-both"],
    ["port-restricted cone", "symmetric", "direct"],
  ])("%s ↔ %s: %s", (kindA, kindB, expected) => {
    const { world, a, b } = pair(kindA, kindB);
    world.talk(a, b, 200, 20_000);
    const [fromA, fromB] = [explain(a, "b"), explain(b, "a")];
    expect([fromA.advice.case, fromB.advice.case]).toEqual([expected, expected]);
    expect(fromA.nat.there).toEqual(fromB.nat.here);
    expect(fromB.nat.there).toEqual(fromA.nat.here);
    expect(fromA.path.kind).toBe(expected === "direct" ? "direct" : "relayed");
    expect(fromA.history.changes[0]).toMatchObject({
      from: { kind: "none" },
      to: { rttMs: expect.any(Number) as unknown },
    });
    if (expected !== "direct") expect(fromA.nextAttemptInMs).toBeGreaterThan(0);
  });

  it("a dead relay between two symmetric NATs is named", () => {
    const world = new RelayWorld(7);
    world.relay("relay", "198.51.100.1");
    world.relay("relay2", "198.51.100.2");
    const a = world.node("a", PAIR_KINDS.symmetric);
    const b = world.node("b", PAIR_KINDS.symmetric);
    world.introduce();
    world.talk(a, b, 200, 5_000);
    world.cut(0);
    world.cut(1);
    world.talk(a, b, 200, 60_000);
    a.act((mesh, time) => mesh.handleNetcheck(time));
    world.talk(a, b, 200, 10_000);
    const { advice, relays } = explain(a, "b", null);
    expect(relays.map(({ state }) => state)).toEqual(["silent", "silent"]);
    expect(advice.text).toContain("relay-0.example");
  });
});
