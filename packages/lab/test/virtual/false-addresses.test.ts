import type { RemoteCandidate } from "@asterism/core/paths";
import { candidatePriority } from "@asterism/core/paths";
import { describe, expect, test } from "vitest";
import type { PathNode } from "./path-node.ts";
import { Scenario } from "./scenario.ts";

const VICTIM = "203.0.113.99";

/** The members named, all of whom know m, who is hostile; and a host that is no member. */
function scene(names: readonly string[]) {
  const scenario = new Scenario();
  const members = names.map((name, index) => scenario.publicNode(name, `203.0.113.${index + 1}`));
  const m = scenario.publicNode("m", "203.0.113.13");
  scenario.net.host("victim").connect(scenario.net.public, { ipv4: VICTIM });
  scenario.settle();
  let sentAt = 0;
  let received = 0;
  const watch = (): number => {
    const { entries } = scenario.net.world.log;
    const fresh = entries.filter(({ atMs, packet }) => atMs > sentAt && packet.destination.address === VICTIM);
    sentAt = scenario.net.world.nowMs;
    received += fresh.length;
    return received;
  };
  return { scenario, members, m, watch };
}

function claim(from: PathNode, to: PathNode, addresses: readonly { address: string; port: number }[]): void {
  const candidates = addresses.map((address, index): RemoteCandidate => {
    return { kind: "host", address, priority: candidatePriority("host", index) };
  });
  to.host.act((now) => {
    const callId = now.toString(16).replace(".", "").padStart(16, "0").slice(-16);
    to.peer(from.host.name).paths.handleCall({ type: "offer", callId, candidates }, now);
  });
}

const ports = (count: number) =>
  Array.from({ length: count }, (_, index) => ({ address: VICTIM, port: 1_000 + index }));

describe("a peer that claims other people's addresses", () => {
  test("makes us send a bounded number of checks to them, however often it calls", () => {
    const { scenario, members, m, watch } = scene(["a"]);
    const [a] = members;
    let received = 0;
    for (let second = 0; second < 300; second++) {
      claim(m, a!, ports(32));
      scenario.run(1_000);
      received = watch();
    }
    process.stdout.write(`  figure: 300 calls with 32 false addresses each: ${received} checks in 5 minutes\n`);
    expect(received).toBeGreaterThan(100);
    expect(received).toBeLessThan(300 + 300 * 4 + 10);
  });

  test("… not even with others that claim the same, as far as one member is concerned", () => {
    const { scenario, members, m, watch } = scene(["a", "b", "c", "d"]);
    const [a, ...others] = members;
    let received = 0;
    for (let second = 0; second < 120; second++) {
      for (const liar of [m, ...others]) claim(liar, a!, ports(8));
      scenario.run(1_000);
      received = watch();
    }
    expect(received).toBeLessThan(300 + 120 * 4 + 10);
  });

  test("is itself checked all the same, and reached", () => {
    const { scenario, members, m } = scene(["a"]);
    const [a] = members;
    for (let second = 0; second < 30; second++) {
      claim(m, a!, ports(31));
      scenario.run(1_000);
    }
    claim(m, a!, [...ports(31), { address: "203.0.113.13", port: 41_641 }]);
    a!.startTalking("m");
    expect(scenario.untilDirect(a!, "m", 10_000)).toBeLessThan(5_000);
  });

  test.each([
    "127.0.0.1",
    "169.254.1.1",
    "224.0.0.251",
    "0.0.0.0",
    "255.255.255.255",
    "::1",
    "fe80::1",
    "ff02::1",
    "::ffff:127.0.0.1",
  ])("never has %s checked", (address) => {
    const { scenario, members, m } = scene(["a"]);
    const [a] = members;
    const before = scenario.net.world.log.total;
    claim(m, a!, [{ address, port: 53 }]);
    scenario.run(10_000);
    const checks = scenario.net.world.log.entries
      .slice(before)
      .filter(({ packet }) => packet.destination.address === address);
    expect(checks).toEqual([]);
  });
});
