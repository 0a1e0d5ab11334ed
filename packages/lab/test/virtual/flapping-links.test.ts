/**
 * Lines of both ends that come, go, swallow everything and roam faster than anybody can look, in modes that change as fast;
 * relays that do as well. At times a member has no line at all.
 */
import { TRAFFIC_MODES } from "@asterism/core/paths";
import { expect, it } from "vitest";
import { relaysMessage } from "../../src/virtual-internet/relays-message.ts";
import { SeededRandom } from "../../src/virtual-internet/seeded-random.ts";
import { VirtualRelay } from "../../src/virtual-internet/virtual-relay.ts";
import { choose, LinksWorld, type Member, type MemberLink, talk } from "./links-world.ts";

const STORM_MS = 60_000;
const STRIKES = ["vanish", "vanish", "back", "silent", "mend", "roam", "mode"] as const;
const STREAM_PORTS = { "UDP only": { tcp: null, tls: null }, "streams as well": { tcp: 3_478, tls: 443 } } as const;

class Storm {
  readonly world: LinksWorld;
  readonly a: Member;
  readonly b: Member;
  readonly #random: SeededRandom;
  /** Those that come and go. */
  readonly #relays: VirtualRelay[] = [];
  readonly #gone = new Set<MemberLink>();
  #addresses = 10;

  constructor(seed: number, relayedBy: keyof typeof STREAM_PORTS) {
    this.world = new LinksWorld(seed);
    this.#random = new SeededRandom(seed);
    this.a = this.world.member("a", {}, { nat: "symmetric" }, { delayMs: 25, nat: "port-restricted cone" });
    this.b = this.world.member("b", {}, { delayMs: 25, nat: "port-restricted cone" });
    const all = (relayedBy === "UDP only" ? [1] : [1, 2]).map((number) => {
      const host = this.world.net.host(`relay${number}`);
      const on = host.connect(this.world.net.public, { ipv4: `198.51.100.${number}` });
      return new VirtualRelay({ host, interface: on, streamPorts: STREAM_PORTS[relayedBy] });
    });
    if (relayedBy !== "UDP only") this.#relays.push(...all);
    const relays = relaysMessage(all);
    for (const { node } of [this.a, this.b]) node.act((mesh, time) => mesh.handleRelays(relays, time));
  }

  rage(): void {
    const { world, a, b } = this;
    for (let leftMs = STORM_MS; leftMs > 0; ) {
      this.#strike();
      a.node.sendData("b", "to b");
      b.node.sendData("a", "to a");
      const pauseMs = this.#random.between(1, 300);
      world.run(pauseMs);
      leftMs -= pauseMs;
    }
    for (const relay of this.#relays) relay.attachment.isUp = true;
    for (const link of [...a.links, ...b.links]) {
      link.mend();
      this.#bringBack(link);
    }
  }

  #strike(): void {
    const member = this.#pick([this.a, this.b]);
    const link = this.#pick(member.links);
    const strikes = this.#relays.length === 0 ? STRIKES : ([...STRIKES, "relay", "relay"] as const);
    switch (this.#pick(strikes)) {
      case "vanish":
        if (!this.#gone.has(link)) link.vanish();
        this.#gone.add(link);
        return;
      case "back":
        this.#bringBack(link);
        return;
      case "silent":
        link.goSilent(this.#pick([undefined, "up", "down"] as const));
        return;
      case "mend":
        link.mend();
        return;
      case "roam":
        if (!this.#gone.has(link)) link.roam(`203.0.116.${this.#addresses++ % 250}`);
        return;
      case "relay": {
        const { attachment } = this.#pick(this.#relays);
        attachment.isUp = !attachment.isUp;
        return;
      }
      case "mode":
        choose(member, this.#pick(TRAFFIC_MODES));
        return;
    }
  }

  #bringBack(link: MemberLink): void {
    if (this.#gone.delete(link)) link.comeBack();
  }

  #pick<T>(all: readonly T[]): T {
    return all[this.#random.between(0, all.length - 1)]!;
  }
}

/** Names of the member's interfaces that carry what it sends. */
function inUse({ node, links }: Member, peer: Member): number[] {
  const carriers = node.engine.paths(peer.node.name).filter(({ weight }) => weight > 0);
  const used = new Set(carriers.map(({ linkId }) => node.interfaceOf(linkId)));
  return [...links.keys()].filter((index) => used.has(links[index]!.on));
}

it.each([
  [9, "UDP only"],
  [20, "UDP only"],
  [38, "UDP only"],
  [101, "streams as well"],
  [103, "streams as well"],
  [120, "streams as well"],
] as const)("leave nothing behind, and all lines are of use again soon: seed %i, relays by %s", (seed, relayedBy) => {
  const storm = new Storm(seed, relayedBy);
  const { world, a, b } = storm;
  storm.rage();
  for (const member of [a, b]) choose(member, "aggregate");
  talk(world, [a, b], "both", 12_000);
  expect(talk(world, [a, b], "both", 3_000)).toBeLessThan(200);
  expect([inUse(a, b), inUse(b, a)]).toEqual([
    [0, 1, 2],
    [0, 1],
  ]);
  for (const { node } of [a, b]) expect(node.extraSockets).toBeLessThanOrEqual(1);
  world.run(700_000);
  const before = [a.node.host.sentPackets, b.node.host.sentPackets];
  world.run(600_000);
  expect([a.node.host.sentPackets, b.node.host.sentPackets]).toEqual(before);
});
