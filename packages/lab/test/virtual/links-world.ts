import type { ChosenModes } from "@asterism/core/mesh";
import type { LinkTraits, TrafficMode } from "@asterism/core/paths";
import { expect } from "vitest";
import { nobleCrypto } from "../../../core/test/noble-crypto.ts";
import { MeshNode } from "../../src/virtual-internet/mesh-node.ts";
import type { AttachmentConditions } from "../../src/virtual-internet/segment.ts";
import type { VirtualInterface } from "../../src/virtual-internet/virtual-host.ts";
import { VirtualInternet } from "../../src/virtual-internet/virtual-internet.ts";
import type { VirtualRouter } from "../../src/virtual-internet/virtual-router.ts";
import { NAT_KINDS } from "./scenario.ts";

const BLACK_HOLE: AttachmentConditions = { up: { lossRatio: 1 }, down: { lossRatio: 1 } };

export interface LinkPlan {
  /** One way to the middle of the internet. */
  readonly delayMs?: number;
  /** Behind a router of its own; on the public internet by default. */
  readonly nat?: keyof typeof NAT_KINDS;
  readonly traits?: LinkTraits;
}

/** One line of a member. */
export class MemberLink {
  readonly on: VirtualInterface;
  readonly #node: MeshNode;
  readonly #router: VirtualRouter | undefined;
  readonly #plan: LinkPlan;
  readonly #line: AttachmentConditions;

  constructor(node: MeshNode, on: VirtualInterface, router: VirtualRouter | undefined, plan: LinkPlan) {
    this.on = on;
    this.#node = node;
    this.#router = router;
    this.#plan = plan;
    this.#line = lineOf(plan);
  }

  /** The interface is gone. */
  vanish(): void {
    this.on.attachment.isUp = false;
    this.#node.removeUplink(this.on);
  }

  comeBack(): void {
    this.on.attachment.isUp = true;
    this.#node.restoreUplink(this.on, this.#plan.traits);
  }

  /** Nothing passes any more, and nobody says so; in this direction alone if one is named. */
  goSilent(direction?: "up" | "down"): void {
    const silent = direction === undefined ? BLACK_HOLE : { ...this.#line, [direction]: BLACK_HOLE[direction] };
    this.#attachment.setConditions(silent);
  }

  mend(): void {
    this.#attachment.setConditions(this.#line);
  }

  /** Another address from the provider. A host behind a router notices nothing of it. */
  roam(ipv4: string): void {
    if (this.#router !== undefined) {
      this.#router.setOutsideIpv4(ipv4);
      return;
    }
    this.on.setAddresses({ ipv4 });
    this.#node.handleRoamed(this.on);
  }

  get #attachment(): VirtualInterface["attachment"] {
    return this.#router?.line ?? this.on.attachment;
  }
}

function lineOf({ delayMs = 10 }: LinkPlan): AttachmentConditions {
  return { up: { delayMs }, down: { delayMs } };
}

export interface Member {
  readonly node: MeshNode;
  readonly links: readonly MemberLink[];
  /** By name: how many packets have come from a member. */
  readonly heard: ReadonlyMap<string, number>;
}

/** Members with several lines each. */
export class LinksWorld {
  readonly net: VirtualInternet;
  readonly #seed: number;
  readonly #signalling;
  readonly #members: Member[] = [];

  constructor(seed = 1) {
    this.#seed = seed;
    this.net = new VirtualInternet(seed);
    this.#signalling = this.net.signalling();
  }

  get calls(): number {
    return this.#signalling.forwarded;
  }

  member(name: string, ...plans: readonly LinkPlan[]): Member {
    const host = this.net.host(name);
    const seed = this.#seed * 100 + this.#members.length;
    const heard = new Map<string, number>();
    const onDelivered = (from: string): void => void heard.set(from, (heard.get(from) ?? 0) + 1);
    const node = new MeshNode({ host, signalling: this.#signalling, crypto: nobleCrypto, seed, onDelivered });
    const links = plans.map((plan, index) => {
      const ipv4 = `203.0.${113 + index}.${this.#members.length + 1}`;
      const link = plan.nat === undefined ? this.#publicLink(node, ipv4, plan) : this.#natLink(node, ipv4, index, plan);
      node.addUplink(link.on, plan.traits);
      return link;
    });
    const member = { node, links, heard };
    for (const other of this.#members) {
      node.act((mesh, time) => mesh.handleMapChange([other.node.info], [], time));
      other.node.act((mesh, time) => mesh.handleMapChange([node.info], [], time));
    }
    this.#members.push(member);
    return member;
  }

  #publicLink(node: MeshNode, ipv4: string, plan: LinkPlan): MemberLink {
    const on = node.host.connect(this.net.public, { ipv4, ...lineOf(plan) });
    return new MemberLink(node, on, undefined, plan);
  }

  #natLink(node: MeshNode, outsideIpv4: string, index: number, plan: LinkPlan): MemberLink {
    const nat = NAT_KINDS[plan.nat ?? "port-restricted cone"];
    const router = this.net.lan(`${node.name}${index}`, { outsideIpv4, nat, conditions: lineOf(plan) });
    const on = node.host.connect(router.inside, { ipv4: `192.168.${index}.2` });
    return new MemberLink(node, on, router, plan);
  }

  run(durationMs: number): void {
    this.net.world.run(durationMs);
  }

  until(condition: () => boolean, limitMs: number, what: string): number {
    const tookMs = this.net.world.runUntil(condition, limitMs);
    if (tookMs === undefined) expect.fail(`${what}: not within ${limitMs} ms\n${this.net.world.log.toMermaid()}`);
    return tookMs;
  }
}

/** In which mode packets of the member for all peers travel. */
export function choose({ node }: Member, mode: TrafficMode): void {
  const modes: ChosenModes = { network: mode, peers: new Map() };
  node.act((mesh, time) => mesh.handleModes(modes, time));
}

/** The interface that carries what the member sends to a peer. */
export function carrierOf({ node }: Member, peer: Member): VirtualInterface | undefined {
  const [path] = node.engine.paths(peer.node.name);
  return path && node.interfaceOf(path.linkId);
}

/** `both` send all the time; one sends and the other `answers`, or is silent (`one-way`). */
export type Flow = "both" | "answers" | "one-way";

const STEP_MS = 5;
const PACKET_GAP_MS = 20;

/** Lets the first talk to the others. Returns the longest time in which somebody who should have got something got nothing. */
export function talk(
  world: LinksWorld,
  [speaker, ...others]: readonly [Member, ...Member[]],
  flow: Flow,
  durationMs: number,
): number {
  const pairs = others.map((other) => new TalkingPair(speaker, other, flow));
  for (let atMs = 0; atMs < durationMs; atMs += STEP_MS) {
    if (atMs % PACKET_GAP_MS === 0) for (const pair of pairs) pair.speak();
    world.run(STEP_MS);
    for (const pair of pairs) pair.listen();
  }
  return Math.max(...pairs.map(({ longestGapMs }) => longestGapMs));
}

class TalkingPair {
  longestGapMs = 0;
  readonly #speaker: Member;
  readonly #other: Member;
  readonly #flow: Flow;
  #heardFromSpeaker: { readonly count: number; readonly at: number };
  #heardFromOther: { readonly count: number; readonly at: number };

  constructor(speaker: Member, other: Member, flow: Flow) {
    this.#speaker = speaker;
    this.#other = other;
    this.#flow = flow;
    this.#heardFromSpeaker = { count: other.heard.get(speaker.node.name) ?? 0, at: other.node.host.now };
    this.#heardFromOther = { count: speaker.heard.get(other.node.name) ?? 0, at: speaker.node.host.now };
  }

  speak(): void {
    this.#speaker.node.sendData(this.#other.node.name, "from the speaker");
    if (this.#flow === "both") this.#other.node.sendData(this.#speaker.node.name, "from the other");
  }

  listen(): void {
    const before = this.#heardFromSpeaker.count;
    this.#heardFromSpeaker = this.#look(this.#other, this.#speaker, this.#heardFromSpeaker);
    if (this.#flow === "one-way") return;
    const answers = this.#flow === "answers" ? this.#heardFromSpeaker.count - before : 0;
    for (let count = 0; count < answers; count++) this.#other.node.sendData(this.#speaker.node.name, "answer");
    this.#heardFromOther = this.#look(this.#speaker, this.#other, this.#heardFromOther);
  }

  #look(
    listener: Member,
    from: Member,
    before: { readonly count: number; readonly at: number },
  ): { count: number; at: number } {
    const count = listener.heard.get(from.node.name) ?? 0;
    const { now } = listener.node.host;
    this.longestGapMs = Math.max(this.longestGapMs, now - before.at);
    return { count, at: count > before.count ? now : before.at };
  }
}
