import type { RelaysMessage } from "@asterism/core/control";
import type { MeshPath } from "@asterism/core/mesh";
import { expect } from "vitest";
import { nobleCrypto } from "../../../core/test/noble-crypto.ts";
import { MeshNode } from "../../src/virtual-internet/mesh-node.ts";
import type { NatOptions } from "../../src/virtual-internet/nat-table.ts";
import { relaysMessage } from "../../src/virtual-internet/relays-message.ts";
import type { AttachmentConditions } from "../../src/virtual-internet/segment.ts";
import type { SignallingServer } from "../../src/virtual-internet/signalling-server.ts";
import { VirtualInternet } from "../../src/virtual-internet/virtual-internet.ts";
import { VirtualRelay } from "../../src/virtual-internet/virtual-relay.ts";
import type { VirtualRouter } from "../../src/virtual-internet/virtual-router.ts";
import { LINE, NAT_KINDS } from "./scenario.ts";

export const PAIR_KINDS = { public: null, ...NAT_KINDS } as const;
export type PairKind = keyof typeof PAIR_KINDS;

/** Whole members on lines of 10 ms behind NATs of their own, with relays in the middle of the network. */
export class RelayWorld {
  readonly net: VirtualInternet;
  readonly signalling: SignallingServer;
  readonly relays: VirtualRelay[] = [];
  readonly nodes: MeshNode[] = [];
  readonly routers = new Map<string, VirtualRouter>();
  readonly #seed: number;

  constructor(seed = 1) {
    this.#seed = seed;
    this.net = new VirtualInternet(seed);
    this.signalling = this.net.signalling();
  }

  /** `streamPorts`: it takes streams as well. */
  relay(
    name: string,
    ipv4: string,
    conditions: AttachmentConditions = {},
    streamPorts: VirtualRelay["streamPorts"] = { tcp: null, tls: null },
  ): VirtualRelay {
    const host = this.net.host(name);
    const on = host.connect(this.net.public, { ipv4, ...conditions });
    const relay = new VirtualRelay({ host, interface: on, streamPorts });
    this.relays.push(relay);
    return relay;
  }

  /** A member alone behind a NAT of its own, or on the public internet. */
  node(name: string, nat: NatOptions | null, conditions: AttachmentConditions = LINE): MeshNode {
    const host = this.net.host(name);
    const seed = this.#seed * 100 + this.nodes.length;
    const node = new MeshNode({ host, signalling: this.signalling, crypto: nobleCrypto, seed });
    const outsideIpv4 = `203.0.113.${name.charCodeAt(0) - 96}`;
    if (nat === null) node.addUplink(host.connect(this.net.public, { ipv4: outsideIpv4, ...conditions }));
    else {
      const router = this.net.lan(name, { outsideIpv4, nat, conditions });
      this.routers.set(name, router);
      node.addUplink(host.connect(router.inside, { ipv4: "192.168.1.2" }));
    }
    this.nodes.push(node);
    return node;
  }

  /** The server tells everybody about everybody and about the relays; what follows from it comes to rest. */
  introduce(): void {
    const message = this.relaysMessage();
    for (const node of this.nodes) {
      const others = this.nodes.filter((other) => other !== node).map(({ info }) => info);
      node.act((mesh, time) => {
        mesh.handleMap(others, time);
        mesh.handleRelays(message, time);
      });
    }
    this.run(120_000);
  }

  relaysMessage(): RelaysMessage {
    return relaysMessage(this.relays);
  }

  /** Pulls the plug of a relay. */
  cut(index: number): void {
    const relay = this.relays[index];
    if (relay !== undefined) relay.attachment.isUp = false;
  }

  run(durationMs: number): void {
    this.net.world.run(durationMs);
  }

  /** Both send a packet every `everyMs`. */
  talk(a: MeshNode, b: MeshNode, everyMs: number, durationMs: number): void {
    for (let atMs = 0; atMs < durationMs; atMs += everyMs) {
      this.net.world.after(atMs, () => {
        a.sendData(b.name, `${a.name}${atMs}`);
        b.sendData(a.name, `${b.name}${atMs}`);
      });
    }
    this.run(durationMs);
  }

  until(condition: () => boolean, limitMs: number, what: string): number {
    const tookMs = this.net.world.runUntil(condition, limitMs);
    if (tookMs === undefined) expect.fail(`${what}: not within ${limitMs} ms\n${this.net.world.log.toMermaid()}`);
    return tookMs;
  }
}

/** The path that the engine uses; undefined without one. */
export function pathOf(node: MeshNode, peer: MeshNode): MeshPath | undefined {
  return node.engine.paths(peer.name)[0];
}

export function isDirect(node: MeshNode, peer: MeshNode): boolean {
  const path = pathOf(node, peer);
  return path !== undefined && !path.relayed;
}

export function isRelayed(node: MeshNode, peer: MeshNode): boolean {
  return pathOf(node, peer)?.relayed === true;
}
