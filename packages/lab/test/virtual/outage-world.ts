import type { RemoteCandidate } from "@asterism/core/paths";
import { candidatePriority } from "@asterism/core/paths";
import { expect } from "vitest";
import { nobleCrypto } from "../../../core/test/noble-crypto.ts";
import { type CallCarrier, type MeshIdentity, MeshNode } from "../../src/virtual-internet/mesh-node.ts";
import type { NatOptions } from "../../src/virtual-internet/nat-table.ts";
import type { VirtualHost } from "../../src/virtual-internet/virtual-host.ts";
import { VirtualInternet } from "../../src/virtual-internet/virtual-internet.ts";
import type { VirtualRouter } from "../../src/virtual-internet/virtual-router.ts";
import { LINE } from "./scenario.ts";

const CALL_DELAY_MS = 20;

/** A control server that can die and come back, and lose single members; these notice, as agents do. */
export class ControlServer implements CallCarrier {
  readonly #world: OutageWorld;
  readonly #deliver = new Map<string, (from: string, sealed: Uint8Array) => void>(); // bounded: by the scenario
  readonly #online = new Set<string>(); // bounded: by the scenario
  /** Calls that came for delivery. */
  calls = 0;

  constructor(world: OutageWorld) {
    this.#world = world;
  }

  connect(name: string, onMessage: (from: string, sealed: Uint8Array) => void): void {
    this.#deliver.set(name, onMessage);
    this.#online.add(name);
  }

  send(from: string, to: string, sealed: Uint8Array): void {
    if (!this.#online.has(from)) return;
    this.calls += 1;
    this.#world.net.world.after(CALL_DELAY_MS, () => {
      if (this.#online.has(to)) this.#deliver.get(to)?.(from, sealed);
      else this.#world.get(from).act((mesh, time) => mesh.handleCallFailed(to, time));
    });
  }

  lose(name: string): void {
    this.#online.delete(name);
    this.#world.get(name).act((mesh, time) => mesh.handleSignallingLost(time));
  }

  find(name: string): void {
    this.#online.add(name);
    this.#world.get(name).act((mesh, time) => mesh.handleSignallingReady(time));
  }

  die(): void {
    for (const name of [...this.#online]) this.lose(name);
  }
}

export interface PlaceOptions {
  /** On the internet: the member's own address, or that of the router that it is alone behind. */
  readonly ipv4: string;
  readonly nat?: NatOptions;
}

/** Members of one network with a control server. They know each other, and meet nobody before somebody talks. */
export class OutageWorld {
  readonly net: VirtualInternet;
  readonly server: ControlServer;
  readonly routers = new Map<string, VirtualRouter>(); // bounded: by the scenario
  readonly #nodes = new Map<string, MeshNode>(); // bounded: by the scenario
  #seed: number;

  constructor(seed = 1) {
    this.#seed = seed * 1_000;
    this.net = new VirtualInternet(seed);
    this.server = new ControlServer(this);
  }

  get(name: string): MeshNode {
    const node = this.#nodes.get(name);
    if (node === undefined) throw new Error(`there is no ${name}`);
    return node;
  }

  add(name: string, place: PlaceOptions, identity?: MeshIdentity): MeshNode {
    const host = this.net.host(name);
    const shared = { signalling: this.server, crypto: nobleCrypto, seed: this.#seed++ };
    const node = new MeshNode({ host, ...shared, ...(identity === undefined ? {} : { identity }) });
    this.#nodes.set(name, node);
    node.addUplink(this.#attach(host, name, place));
    return node;
  }

  /** The server tells everybody about everybody. */
  introduce(): void {
    for (const node of this.#nodes.values()) this.tellMap(node);
  }

  tellMap(node: MeshNode): void {
    const others = [...this.#nodes.values()].filter((other) => other !== node).map(({ info }) => info);
    node.act((mesh, time) => mesh.handleMap(others, time));
  }

  /**
   * The member's agent ends and starts anew while the server is dead, with what it keeps on its disk: map, keys and, of
   * the members named, the addresses that it reached them at.
   */
  restart(name: string, place: PlaceOptions, remembers: readonly string[]): MeshNode {
    const before = this.get(name);
    const known = remembers.map((other) => ({ other, table: before.mesh.peers.get(other)?.table ?? [] }));
    before.stop();
    const node = this.add(name, place, before.identity);
    this.server.lose(name);
    this.tellMap(node);
    node.act((mesh, time) => {
      for (const { other, table } of known) {
        const candidates = table.map(({ remote }): RemoteCandidate => {
          return { kind: "host", address: remote, priority: candidatePriority("host", 0) };
        });
        mesh.handleRememberedCandidates(other, candidates, time);
      }
    });
    return node;
  }

  /** The pairs send each other a packet every `everyMs`. */
  talk(pairs: readonly (readonly [MeshNode, MeshNode])[], everyMs: number, durationMs: number): void {
    const { world } = this.net;
    const endMs = world.nowMs + durationMs;
    const again = (): void => {
      for (const [a, b] of pairs) {
        a.sendData(b.name, "ping");
        b.sendData(a.name, "ping");
      }
      if (world.nowMs + everyMs < endMs) world.after(everyMs, again);
    };
    again();
    world.run(durationMs);
  }

  run(durationMs: number): void {
    this.net.world.run(durationMs);
  }

  until(condition: () => boolean, limitMs: number, what: string): number {
    const tookMs = this.net.world.runUntil(condition, limitMs);
    if (tookMs === undefined) expect.fail(`${what}: not within ${limitMs} ms\n${this.net.world.log.toMermaid()}`);
    return tookMs;
  }

  #attach(host: VirtualHost, name: string, { ipv4, nat }: PlaceOptions): ReturnType<VirtualHost["connect"]> {
    if (nat === undefined) return host.connect(this.net.public, { ipv4, ...LINE });
    const router = this.net.lan(`${name}${this.#seed}`, { outsideIpv4: ipv4, nat, conditions: LINE });
    this.routers.set(name, router);
    return host.connect(router.inside, { ipv4: "192.168.1.2" });
  }
}

/** Milliseconds until a packet of `from` reaches `to`, repeated every 100 ms as a ping is. */
export function firstArrivalMs(world: OutageWorld, from: MeshNode, to: MeshNode, limitMs: number): number {
  const before = to.delivered.length;
  const { net } = world;
  let isOver = false;
  const again = (): void => {
    if (isOver) return;
    from.sendData(to.name, "ping");
    net.world.after(100, again);
  };
  again();
  const tookMs = world.until(() => to.delivered.length > before, limitMs, `${from.name} → ${to.name}`);
  isOver = true;
  return tookMs;
}
