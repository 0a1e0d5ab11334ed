import { encodeAgentMessage } from "@asterism/core/inner";
import { beforeEach, describe, expect, test } from "vitest";
import type { MeshNode } from "../../src/virtual-internet/mesh-node.ts";
import { firstArrivalMs, OutageWorld } from "./outage-world.ts";

/**
 * a, b and c talk with m, who is hostile and keeps every call of a's that it is given to pass on; the server is dead. If
 * c is `connected`, a and b talk with c, too.
 */
class HostileForwarder {
  readonly world = new OutageWorld();
  readonly a = this.world.add("a", { ipv4: "203.0.113.1" });
  readonly b = this.world.add("b", { ipv4: "203.0.113.2" });
  readonly c = this.world.add("c", { ipv4: "203.0.113.3" });
  readonly m = this.world.add("m", { ipv4: "203.0.113.13" });
  /** Calls of a's for b. */
  readonly kept: Uint8Array[] = [];
  forwards = true;

  constructor(options: { readonly connected?: boolean } = {}) {
    const { world, a, b, c, m } = this;
    world.introduce();
    const pairs = [[a, m], [b, m], [c, m]] as const; // biome-ignore format: short
    world.talk(options.connected === true ? [...pairs, [a, c], [b, c]] : pairs, 1_000, 3_000);
    world.server.die();
    m.onAgentMessage = (_from, message) => {
      if (message.kind === "forward-call" && message.to === "b") this.kept.push(message.sealed);
      return this.forwards;
    };
  }

  /** m hands b a call that it says is of `from`. */
  hand(to: MeshNode, from: string, sealed: Uint8Array): void {
    this.m.sendInner(to.name, encodeAgentMessage({ kind: "forwarded-call", from, sealed }));
    this.world.run(200);
  }

  /** Lets a call b; m has the call. */
  call(): Uint8Array {
    this.a.sendData("b", "hello");
    this.world.run(500);
    const [first] = this.kept;
    expect(first).toBeDefined();
    return first!;
  }
}

function drops(node: MeshNode, reason: string): number {
  return node.mesh.drops[reason] ?? 0;
}

function candidatesOf(at: MeshNode, of: string): string[] {
  const known = at.mesh.peers.get(of)?.paths?.snapshot(at.host.now).remoteCandidates ?? [];
  return known.map(({ address }) => address.address);
}

describe("a hostile member that forwards calls", () => {
  let scene: HostileForwarder;
  beforeEach(() => {
    scene = new HostileForwarder();
    scene.forwards = false;
  });

  test("can't make one up", () => {
    const { b } = scene;
    scene.hand(b, "a", new Uint8Array(200).fill(1));
    scene.hand(b, "nobody", new Uint8Array(200));
    scene.hand(b, "b", new Uint8Array(200));
    expect(drops(b, "call-malformed") + drops(b, "call-unauthenticated")).toBe(1);
    expect(drops(b, "call-of-unknown-peer")).toBe(2);
    expect(candidatesOf(b, "a")).toEqual([]);
  });

  test("can't alter one", () => {
    const { b } = scene;
    const call = scene.call();
    for (let place = 0; place < call.length; place += Math.ceil(call.length / 12)) {
      const altered = call.slice();
      altered[place] = (altered[place] ?? 0) ^ 0x40;
      scene.hand(b, "a", altered);
      scene.world.run(1_000);
    }
    expect(drops(b, "call-malformed") + drops(b, "call-unauthenticated")).toBe(12);
    expect(candidatesOf(b, "a")).toEqual([]);
  });

  test("can't redirect one to another member, nor pass it off as another's", () => {
    const { b, c } = scene;
    const call = scene.call();
    scene.hand(c, "a", call);
    expect(drops(c, "call-unauthenticated")).toBe(1);
    scene.hand(b, "c", call);
    scene.hand(b, "m", call);
    expect(drops(b, "call-unauthenticated")).toBe(2);
    expect(candidatesOf(c, "a")).toEqual([]);
  });

  test("can't send one back to who made it", () => {
    const { a } = scene;
    const call = scene.call();
    scene.hand(a, "b", call);
    expect(drops(a, "call-unauthenticated")).toBe(1);
  });

  test("can't replay one, and not hold one back for longer than calls count", () => {
    const { b, world } = scene;
    const call = scene.call();
    scene.hand(b, "a", call);
    expect(candidatesOf(b, "a")).toEqual(["203.0.113.1"]);
    for (let copy = 0; copy < 5; copy++) scene.hand(b, "a", call);
    expect(drops(b, "call-replayed")).toBe(5);
    const later = scene.kept.at(-1)!;
    world.run(200_000);
    scene.hand(b, "a", later);
    expect(drops(b, "call-stale")).toBe(1);
  });

  test("can't bring an older call to bear after a younger one", () => {
    const { b } = scene;
    const older = scene.call();
    scene.world.run(3_000);
    const younger = scene.kept.at(-1)!;
    expect(younger).not.toEqual(older);
    scene.hand(b, "a", younger);
    scene.hand(b, "a", older);
    expect(drops(b, "call-replayed")).toBe(1);
  });

  test("can't occupy a member by flooding it", () => {
    const { world, a, b, m } = new HostileForwarder({ connected: true });
    const rubbish = encodeAgentMessage({ kind: "forwarded-call", from: "a", sealed: new Uint8Array(500).fill(1) });
    const order = encodeAgentMessage({ kind: "forward-call", to: "c", sealed: new Uint8Array(500) });
    const openedBefore = drops(b, "call-unauthenticated") + drops(b, "call-malformed");
    for (let ms = 0; ms < 10_000; ms += 5) {
      world.net.world.after(ms, () => {
        m.sendInner("b", rubbish);
        m.sendInner("b", order);
      });
    }
    world.run(5_000);
    expect(drops(b, "forward-rate-limited")).toBeGreaterThan(1_500);
    expect(drops(b, "call-unauthenticated") + drops(b, "call-malformed") - openedBefore).toBeLessThan(40);
    // What others forward gets through meanwhile.
    expect(firstArrivalMs(world, a, b, 10_000)).toBeLessThan(2_000);
  });

  test("that only keeps calls does not stand in the way of a member that does better", () => {
    const other = new HostileForwarder({ connected: true });
    other.forwards = false;
    expect(firstArrivalMs(other.world, other.a, other.b, 10_000)).toBeLessThan(1_000);
  });

  test("what newer versions say is ignored", () => {
    const { b, m, world } = scene;
    m.sendInner("b", Uint8Array.of(0, 77, 0, 1, 0));
    m.sendInner("b", Uint8Array.of(15));
    world.run(200);
    expect(drops(b, "agent-message-unknown")).toBe(2);
  });
});

describe("a server that floods a member with calls", () => {
  test("costs it a bounded number of them, and those who are connected nothing", () => {
    const world = new OutageWorld(2);
    const a = world.add("a", { ipv4: "203.0.113.1" });
    const b = world.add("b", { ipv4: "203.0.113.2" });
    world.introduce();
    world.talk([[a, b]], 1_000, 3_000);
    const before = a.delivered.length;
    for (let ms = 0; ms < 10_000; ms += 100) {
      world.net.world.after(ms, () => {
        a.act((mesh, time) => {
          for (let call = 0; call < 500; call++) mesh.handleCall("b", "AAAA", time);
        });
      });
    }
    world.talk([[a, b]], 1_000, 10_000);
    expect(drops(a, "call-malformed")).toBeLessThanOrEqual(1_000 + 10 * 200);
    expect(drops(a, "call-rate-limited")).toBeGreaterThan(40_000);
    expect(a.delivered.length - before).toBe(10);
  });
});
