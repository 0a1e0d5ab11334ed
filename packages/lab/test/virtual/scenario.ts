import { expect } from "vitest";
import type { NatBehaviour, NatOptions } from "../../src/virtual-internet/nat-table.ts";
import type { AttachmentConditions } from "../../src/virtual-internet/segment.ts";
import type { SignallingOptions, SignallingServer } from "../../src/virtual-internet/signalling-server.ts";
import { VirtualInternet } from "../../src/virtual-internet/virtual-internet.ts";
import type { VirtualRouter } from "../../src/virtual-internet/virtual-router.ts";
import { PathNode } from "./path-node.ts";
import { runStunServer } from "./stun-responder.ts";

export const STUN_ADDRESS = { address: "192.0.2.10", port: 3478 };
/** An ordinary access line: 10 ms each way to the internet. */
export const LINE: AttachmentConditions = { up: { delayMs: 10 }, down: { delayMs: 10 } };

/** The five kinds of issue and design: what most people's routers are. */
export const NAT_KINDS = {
  "full cone": nat("endpoint-independent", "endpoint-independent"),
  "restricted cone": nat("endpoint-independent", "address-dependent"),
  "port-restricted cone": nat("endpoint-independent", "address-and-port-dependent"),
  symmetric: nat("address-and-port-dependent", "address-and-port-dependent"),
} as const;

export function nat(mapping: NatBehaviour, filtering: NatBehaviour, more: Partial<NatOptions> = {}): NatOptions {
  return { mapping, filtering, ports: { kind: "random" }, ...more };
}

/** A virtual internet with signalling and a STUN server, and members that know each other. */
export class Scenario {
  readonly net: VirtualInternet;
  readonly signalling: SignallingServer;
  readonly #seed: number;
  readonly #nodes: PathNode[] = [];

  constructor(seed = 1, signalling: SignallingOptions = {}) {
    this.#seed = seed;
    this.net = new VirtualInternet(seed);
    this.signalling = this.net.signalling(signalling);
    runStunServer(this.net, STUN_ADDRESS.address, STUN_ADDRESS.port);
  }

  /** A member that has no interface yet. */
  node(name: string): PathNode {
    const seed = this.#seed * 1_000 + this.#nodes.length;
    const node = new PathNode({
      host: this.net.host(name),
      signalling: this.signalling,
      seed,
      stunServer: STUN_ADDRESS,
    });
    for (const other of this.#nodes) {
      node.meet(other);
      other.meet(node);
    }
    this.#nodes.push(node);
    return node;
  }

  /** A member on the public internet. */
  publicNode(name: string, ipv4: string, conditions: AttachmentConditions = LINE): PathNode {
    const node = this.node(name);
    node.addUplink(node.host.connect(this.net.public, { ipv4, ...conditions }));
    return node;
  }

  /** A member alone behind a NAT of its own. */
  natNode(name: string, outsideIpv4: string, options: NatOptions): { node: PathNode; router: VirtualRouter } {
    const router = this.net.lan(name, { outsideIpv4, nat: options, conditions: LINE });
    const node = this.node(name);
    node.addUplink(node.host.connect(router.inside, { ipv4: "192.168.1.2" }));
    return { node, router };
  }

  /** Lets everybody gather candidates. */
  settle(): void {
    this.net.world.run(1_000);
  }

  run(durationMs: number): void {
    this.net.world.run(durationMs);
  }

  /** Milliseconds until `node` sends to `peer` on a trusted direct path; fails with the packet log after `limitMs`. */
  untilDirect(node: PathNode, peer: string, limitMs: number): number {
    return this.until(() => node.directTo(peer) !== undefined, limitMs, `${node.host.name} → ${peer} direct`);
  }

  until(condition: () => boolean, limitMs: number, what: string): number {
    const tookMs = this.net.world.runUntil(condition, limitMs);
    if (tookMs === undefined) expect.fail(`${what}: not within ${limitMs} ms\n${this.net.world.log.toMermaid()}`);
    return tookMs;
  }
}
