import { describe, expect, it } from "vitest";
import { SeededRandom } from "../../src/virtual-internet/seeded-random.ts";
import type { VirtualInterface } from "../../src/virtual-internet/virtual-host.ts";
import type { VirtualRouter } from "../../src/virtual-internet/virtual-router.ts";
import type { PathNode } from "./path-node.ts";
import { LINE, NAT_KINDS, Scenario } from "./scenario.ts";

const MEMBERS = 6;
const CALM_MS = 10_000;

interface Member {
  readonly node: PathNode;
  readonly uplink: VirtualInterface;
  readonly router: VirtualRouter | undefined;
  /** Counts up the addresses it has had. */
  moves: number;
}

/** One thing that goes wrong, and how it is mended. */
interface Fault {
  readonly name: string;
  readonly lastsMs: number;
  readonly mend: () => void;
}

/** Public, behind each kind of cone, and one with two lines. */
function createMembers(scenario: Scenario): Member[] {
  const kinds = [null, "full cone", "port-restricted cone", null, "restricted cone", "port-restricted cone"] as const;
  return kinds.map((kind, index) => {
    const name = `m${index}`;
    if (kind === null) {
      const node = scenario.publicNode(name, `203.0.113.${index + 1}`);
      if (index === 3)
        node.addUplink(node.host.connect(scenario.net.public, { ipv4: "203.0.113.100", ...LINE }), 41641);
      return { node, uplink: node.interfaces[0]!, router: undefined, moves: 0 };
    }
    const { node, router } = scenario.natNode(name, `198.51.100.${index + 1}`, NAT_KINDS[kind]);
    return { node, uplink: node.interfaces[0]!, router, moves: 0 };
  });
}

function causeFault(scenario: Scenario, members: readonly Member[], random: SeededRandom): Fault {
  const member = members[random.between(0, members.length - 1)]!;
  const { node, uplink, router } = member;
  const lastsMs = random.between(200, 30_000);
  switch (random.between(0, 5)) {
    case 0:
      uplink.attachment.isUp = false;
      return { name: "cable", lastsMs, mend: () => (uplink.attachment.isUp = true) };
    case 1:
      router?.reboot();
      return { name: "NAT reboot", lastsMs: 0, mend: () => node.gather() };
    case 2: {
      member.moves += 1;
      if (router !== undefined)
        router.setOutsideIpv4(`198.51.100.${member.moves * 10 + Number(node.host.name.slice(1))}`);
      else uplink.setAddresses({ ipv4: `203.0.113.${member.moves * 10 + Number(node.host.name.slice(1))}` });
      return { name: "address", lastsMs: 0, mend: () => node.gather() };
    }
    case 3:
      node.host.sleep(lastsMs);
      return { name: "sleep", lastsMs: lastsMs + 1, mend: () => node.gather() };
    case 4:
      scenario.signalling.isUp = false;
      return { name: "server", lastsMs, mend: () => bringServerBack(scenario, members) };
    default: {
      const bad = { delayMs: 200, jitterMs: 300, lossRatio: 0.5, reorderRatio: 0.3, duplicateRatio: 0.3 };
      uplink.attachment.setConditions({ up: bad, down: bad });
      return {
        name: "bad line",
        lastsMs,
        mend: () => uplink.attachment.setConditions(router === undefined ? LINE : {}),
      };
    }
  }
}

function bringServerBack(scenario: Scenario, members: readonly Member[]): void {
  scenario.signalling.isUp = true;
  for (const { node } of members) {
    node.host.act((now) => {
      for (const other of members) {
        if (other.node !== node) node.peer(other.node.host.name).paths.handleSignallingReady(now);
      }
    });
  }
}

describe("chaos", () => {
  it.each([1, 2, 3])("every pair that can be direct is, 10 s after the last of many faults (seed %d)", (seed) => {
    const scenario = new Scenario(seed);
    const members = createMembers(scenario);
    const random = new SeededRandom(seed);
    scenario.settle();
    const pairs = members.map(({ node }, index) => [node, members[(index + 1) % MEMBERS]!.node] as const);
    for (const [from, to] of pairs) from.startTalking(to.host.name, 500);
    const story: string[] = [];
    for (let i = 0; i < 30; i++) {
      const fault = causeFault(scenario, members, random);
      story.push(`${fault.name} at ${scenario.net.world.nowMs} for ${fault.lastsMs}`);
      scenario.run(fault.lastsMs);
      fault.mend();
      if (random.chance(0.5)) scenario.run(random.between(0, 20_000));
    }
    scenario.run(CALM_MS);
    for (const [from, to] of pairs) {
      const [there, back] = [from.directTo(to.host.name), to.directTo(from.host.name)];
      expect({
        pair: `${from.host.name} ${to.host.name}`,
        direct: [there, back].every((path) => path !== undefined),
        story: story.slice(-6),
      }).toMatchObject({ direct: true });
    }
    const received = pairs.map(([from, to]) => to.peer(from.host.name).received);
    scenario.run(5_000);
    for (const [index, [from, to]] of pairs.entries()) {
      expect(to.peer(from.host.name).received - received[index]!).toBeGreaterThanOrEqual(9);
    }
  });
});
