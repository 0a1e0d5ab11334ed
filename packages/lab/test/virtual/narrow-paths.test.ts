/** Paths on which small packets pass, checks among them, and large ones vanish without a word. */
import { describe, expect, it } from "vitest";
import type { MeshNode } from "../../src/virtual-internet/mesh-node.ts";
import type { AttachmentConditions } from "../../src/virtual-internet/segment.ts";
import { isDirect, isRelayed, pathOf, RelayWorld } from "./relay-world.ts";
import { LINE } from "./scenario.ts";

const narrow = (mtuBytes: number): AttachmentConditions => ({ up: { ...LINE.up, mtuBytes }, down: LINE.down ?? {} });

/** Over IPv4 only relays bring the two together; over IPv6, where datagrams of `mtuBytes` pass from `a`, they are direct. */
function pair(mtuBytes: number, relays: number) {
  const world = new RelayWorld();
  for (let index = 1; index <= relays; index++) world.relay(`relay${index}`, `198.51.100.${index}`, LINE);
  const a = world.node("a", null);
  const b = world.node("b", null);
  const [four, six] = [a, b].map((node, index) => {
    const ipv6 = node.host.connect(world.net.public, { ipv6: `2001:db8::${index + 1}`, ...LINE });
    node.addUplink(ipv6);
    return { four: node.uplinks[0]!.attachment, six: ipv6.attachment };
  });
  four!.four.setCutOff(six!.four, true);
  four!.six.setConditions(narrow(mtuBytes));
  world.introduce();
  return { world, a, b, lineOfA: four!.six };
}

function whys(node: MeshNode, peer: MeshNode): string[] {
  const snapshot = node.mesh.peers.get(peer.info.nodeId)?.paths?.snapshot(node.host.now);
  return (snapshot?.changes ?? []).map(({ why }) => why);
}

describe("a direct path that carries small packets only", () => {
  it.each([300, 600, 1_000])("of %i bytes loses to the relay, for the end whose packets vanish", (mtuBytes) => {
    const { world, a, b, lineOfA } = pair(mtuBytes, 1);
    world.talk(a, b, 100, 3_000);
    expect([isRelayed(a, b), isDirect(b, a)]).toEqual([true, true]);
    expect(pathOf(a, b)?.mtuBytes).toBeGreaterThanOrEqual(1_440);
    expect(whys(a, b).at(-1)).toBe("large packets vanish on the former path");
    // It stays so for as long as the path does.
    const changes = whys(a, b).length;
    world.talk(a, b, 100, 90_000);
    expect(isRelayed(a, b)).toBe(true);
    expect(whys(a, b)).toHaveLength(changes);
    lineOfA.setConditions(LINE);
    world.talk(a, b, 100, 70_000);
    expect([isDirect(a, b), isDirect(b, a)]).toEqual([true, true]);
  });

  it("is used with its small size where there is nothing better", () => {
    const { world, a, b } = pair(600, 0);
    world.talk(a, b, 100, 10_000);
    expect([isDirect(a, b), isDirect(b, a)]).toEqual([true, true]);
    // IPv6 packets of 576 bytes are the largest that were tried and passed.
    expect(pathOf(a, b)?.mtuBytes).toBe(576 - 48);
    expect(pathOf(b, a)?.mtuBytes).toBe(1_440);
  });

  it("is noticed when a good path becomes one", () => {
    const { world, a, b, lineOfA } = pair(1_500, 1);
    world.talk(a, b, 100, 3_000);
    expect(isDirect(a, b)).toBe(true);
    lineOfA.setConditions(narrow(600));
    world.talk(a, b, 100, 20_000);
    expect(isRelayed(a, b)).toBe(true);
  });

  it("is no reason to guess ports: other ones lead to the same narrow path", () => {
    const world = new RelayWorld();
    world.relay("relay", "198.51.100.1", LINE);
    const [a, b] = [world.node("a", null), world.node("b", null)];
    a.uplinks[0]!.attachment.setLargestPacket(b.uplinks[0]!.attachment, 600);
    world.introduce();
    world.talk(a, b, 100, 60_000);
    expect([isRelayed(a, b), isRelayed(b, a)]).toEqual([true, true]);
    expect(whys(a, b)).toEqual(["the first path that answered", "large packets vanish on the former path"]);
  });

  it.each([
    ["by the relay", 1],
    ["in small packets, as nothing else is left,", 0],
  ] as const)("and large packets go on %s a few seconds after a good path becomes one", (_, relays) => {
    const { world, a, b, lineOfA } = pair(1_500, relays);
    /** As a download does: only what is large leaves, and only its arrival is answered. */
    const send = (durationMs: number): void => {
      for (let atMs = 0; atMs < durationMs; atMs += 50) {
        const answered = b.delivered.length;
        a.sendData("b", "large".padEnd(1_300));
        world.run(50);
        if (b.delivered.length > answered) b.sendData("a", "thanks");
      }
    };
    send(5_000);
    expect(isDirect(a, b)).toBe(true);
    lineOfA.setConditions(narrow(600));
    send(3_500);
    expect([isRelayed(a, b), pathOf(a, b)?.mtuBytes]).toEqual(relays > 0 ? [true, 1_444] : [false, 576 - 48]);
  });
});
