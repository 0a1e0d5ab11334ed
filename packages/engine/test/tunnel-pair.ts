/** Two engine devices in two namespaces that know each other: overlay 100.64.0.1/2 and fd64::1/2. */
import type { Instant } from "@asterism/core/time";
import {
  type Aead,
  type EnginePath,
  engineNow,
  type LinkInfo,
  type PathMode,
  type PeerId,
  type SessionOptions,
} from "../src/index.ts";
import { EngineProcess } from "./engine-process.ts";
import { ip, type NetnsPair, type Side } from "./netns-pair.ts";

export const PING_IDENTIFIER = 0xa57e;

export interface TunnelOptions {
  readonly aead?: Aead;
  readonly outer?: "ipv4" | "ipv6";
  readonly channel?: number | null;
  readonly mtuBytes?: number;
  readonly threads?: 1 | 2;
  readonly workers?: 0 | 1 | 2 | 4;
  readonly mode?: PathMode;
  /** Leave the sessions out. */
  readonly sessions?: boolean;
}

export interface TunnelEnd {
  readonly side: Side;
  readonly engine: EngineProcess;
  readonly link: LinkInfo;
  readonly peer: PeerId;
  readonly overlay4: string;
  readonly overlay6: string;
}

/** Milliseconds of the engine's clock. */
export function now(): Instant {
  return engineNow();
}

export function key(fill: number): Uint8Array {
  return new Uint8Array(32).fill(fill);
}

export function sessionOf(end: "a" | "b", round = 0, aead: Aead = "chacha20-poly1305"): SessionOptions {
  const [own, other] = end === "a" ? [1, 2] : [2, 1];
  return {
    localIndex: own * 0x1000 + round,
    remoteIndex: other * 0x1000 + round,
    sendKey: key(own * 16 + (round % 16)),
    receiveKey: key(other * 16 + (round % 16)),
    aead,
    role: "initiator",
    expiresAt: (now() + 180_000) as Instant,
  };
}

export class TunnelPair {
  readonly a: TunnelEnd;
  readonly b: TunnelEnd;

  private constructor(a: TunnelEnd, b: TunnelEnd) {
    this.a = a;
    this.b = b;
  }

  static async open(pair: NetnsPair, options: TunnelOptions = {}): Promise<TunnelPair> {
    const [a, b] = await Promise.all([openEnd(pair.a, 1, options), openEnd(pair.b, 2, options)]);
    const tunnel = new TunnelPair(a, b);
    await Promise.all([connect(a, b, options), connect(b, a, options)]);
    if (options.sessions !== false) {
      await a.engine.call("installSession", a.peer, sessionOf("a", 0, options.aead));
      await b.engine.call("installSession", b.peer, sessionOf("b", 0, options.aead));
    }
    return tunnel;
  }

  async close(): Promise<void> {
    await Promise.all([this.a.engine.end(), this.b.engine.end()]);
  }
}

async function openEnd(side: Side, number: number, options: TunnelOptions): Promise<TunnelEnd> {
  const engine = new EngineProcess(side.namespace);
  await engine.open({
    kind: "tun",
    interfaceName: "ast0",
    mtuBytes: options.mtuBytes ?? 1420,
    publicKey: key(200 + number),
    pingIdentifier: PING_IDENTIFIER,
    ...(options.threads === undefined ? {} : { threads: options.threads }),
    ...(options.workers === undefined ? {} : { workers: options.workers }),
  });
  const overlay4 = `100.64.0.${number}`;
  const overlay6 = `fd64::${number}`;
  ip("-n", side.namespace, "addr", "add", `${overlay4}/24`, "dev", "ast0");
  ip("-n", side.namespace, "-6", "addr", "add", `${overlay6}/64`, "dev", "ast0", "nodad");
  ip("-n", side.namespace, "link", "set", "ast0", "up");
  const link = await engine.call("openLink", { port: 0, ipv4: "0.0.0.0", ipv6: "::" });
  const peer = await engine.call("addPeer");
  return { side, engine, link, peer, overlay4, overlay6 };
}

async function connect(from: TunnelEnd, to: TunnelEnd, options: TunnelOptions): Promise<void> {
  await from.engine.call("setAllowedIps", from.peer, [`${to.overlay4}/32`, `${to.overlay6}/128`]);
  await from.engine.call("setPaths", from.peer, [pathTo(from, to, options)], options.mode ?? "best");
}

export function pathTo(from: TunnelEnd, to: TunnelEnd, options: TunnelOptions = {}): EnginePath {
  return {
    linkId: from.link.id,
    remote: { address: options.outer === "ipv6" ? to.side.ipv6 : to.side.ipv4, port: to.link.port },
    channel: options.channel ?? null,
    relayed: options.channel != null,
    weight: 1,
    mtuBytes: 0,
  };
}
