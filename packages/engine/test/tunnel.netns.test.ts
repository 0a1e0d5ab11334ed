/** Two engines in two namespaces, with the host's own tools on both sides of the tunnel. */
import { execFile } from "node:child_process";
import type { Instant } from "@asterism/core/time";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { iperf } from "./iperf.ts";
import { inNamespace, ip, NetnsPair } from "./netns-pair.ts";
import { now, PING_IDENTIFIER, pathTo, sessionOf, type TunnelOptions, TunnelPair } from "./tunnel-pair.ts";

const SOAK = process.env["ASTERISM_SOAK"] !== undefined;

let pair: NetnsPair;
beforeAll(() => {
  pair = new NetnsPair("tunnel");
});
afterAll(() => pair.remove());

async function withTunnel(options: TunnelOptions, run: (tunnel: TunnelPair) => Promise<void>): Promise<void> {
  const tunnel = await TunnelPair.open(pair, options);
  try {
    await run(tunnel);
  } finally {
    await tunnel.close();
  }
}

function ping(tunnel: TunnelPair, address: string, ...parameters: string[]): string {
  return inNamespace(tunnel.a.side.namespace, "ping", "-c", "3", "-i", "0.05", "-W", "2", ...parameters, address);
}

/** An ICMP echo request with the agent's identifier from `a`, as the agent would send it. */
function echoRequest(): Uint8Array {
  const packet = new Uint8Array(28);
  const view = new DataView(packet.buffer);
  packet.set([0x45, 0, 0, 28, 0, 0, 0, 0, 64, 1, 0, 0, 100, 64, 0, 1, 100, 64, 0, 2, 8, 0, 0, 0]);
  view.setUint16(24, PING_IDENTIFIER);
  const checksum = (start: number, end: number): number => {
    let sum = 0;
    for (let at = start; at < end; at += 2) sum += view.getUint16(at);
    return ~((sum & 0xffff) + (sum >>> 16)) & 0xffff;
  };
  view.setUint16(10, checksum(0, 20));
  view.setUint16(22, checksum(20, 28));
  return packet;
}

describe("packets of the host", () => {
  const variants: readonly (readonly [string, TunnelOptions])[] = [
    ["over IPv4", {}],
    ["over IPv6", { outer: "ipv6" }],
    ["with AES-256-GCM", { aead: "aes-256-gcm" }],
    ["inside ChannelData", { channel: 0x4001 }],
    ["on one thread", { threads: 1 }],
    ["on two paths at once", { mode: "redundant" }],
    ["with workers", { workers: 2 }],
    ["with workers and AES-256-GCM in ChannelData", { workers: 4, aead: "aes-256-gcm", channel: 0x4002 }],
  ];
  test.each(variants)("pass both ways %s", async (_, options) => {
    await withTunnel(options, async (tunnel) => {
      expect(ping(tunnel, tunnel.b.overlay4)).toContain("3 received");
      expect(ping(tunnel, tunnel.b.overlay6, "-6")).toContain("3 received");
      expect(ping(tunnel, tunnel.b.overlay4, "-s", "8000")).toContain("3 received");
      for (const address of [tunnel.b.overlay4, tunnel.b.overlay6]) {
        const there = await iperf(tunnel.a.side, tunnel.b.side, address, { seconds: 1 });
        expect(there.bitsPerSecond).toBeGreaterThan(5e8);
        const back = await iperf(tunnel.a.side, tunnel.b.side, address, { seconds: 1, reverse: true });
        expect(back.bitsPerSecond).toBeGreaterThan(5e8);
      }
      const drops = await tunnel.b.engine.call("readDrops");
      expect(drops["auth-failed"]).toBeUndefined();
      expect(drops["inner-malformed"]).toBeUndefined();
      const counters = await tunnel.a.engine.call("readPeer", tunnel.a.peer);
      expect(counters.txBytes).toBeGreaterThan(1e7);
      expect(counters.rxBytes).toBeGreaterThan(1e7);
      expect(counters.txRelayedPackets > 0).toBe(options.channel != null);
    });
  });

  test("small UDP packets arrive whole, in both directions at a rate that loses none", async () => {
    await withTunnel({}, async (tunnel) => {
      const udp = { seconds: 1, udpPayloadBytes: 200, bitsPerSecond: 20e6 };
      const there = await iperf(tunnel.a.side, tunnel.b.side, tunnel.b.overlay4, udp);
      expect(there.packetsPerSecond).toBeGreaterThan(8000);
      expect(there.lostRatio).toBeLessThan(0.05);
      const back = await iperf(tunnel.a.side, tunnel.b.side, tunnel.b.overlay6, { ...udp, reverse: true });
      expect(back.lostRatio).toBeLessThan(0.05);
    });
  });

  test("go on while sessions are replaced", async () => {
    await withTunnel({}, async (tunnel) => {
      const rounds = SOAK ? 10_000 : 300;
      let running = true;
      const swap = async (): Promise<void> => {
        for (let round = 1; running && round <= rounds; round++) {
          const aead = round % 2 === 0 ? "aes-256-gcm" : "chacha20-poly1305";
          await tunnel.b.engine.call("installSession", tunnel.b.peer, sessionOf("b", round, aead));
          await tunnel.a.engine.call("installSession", tunnel.a.peer, sessionOf("a", round, aead));
        }
      };
      const before = await tunnel.a.engine.footprint();
      const traffic = repliesTo(tunnel, "-i", "0.002", "-c", "400", tunnel.b.overlay4);
      await swap();
      running = false;
      expect(await traffic).toBeGreaterThan(390);
      const after = await tunnel.a.engine.footprint();
      expect(after.files).toBe(before.files);
      expect(after.residentBytes - before.residentBytes).toBeLessThan(30e6);
    });
  });

  test("that do not fit the outer path are reported and still arrive", async () => {
    await withTunnel({}, async (tunnel) => {
      for (const side of [pair.a, pair.b]) ip("-n", side.namespace, "link", "set", "veth0", "mtu", "1300");
      try {
        const result = await iperf(tunnel.a.side, tunnel.b.side, tunnel.b.overlay4, { seconds: 1 });
        expect(result.bitsPerSecond).toBeGreaterThan(1e7);
        const event = await tunnel.a.engine.event("path-mtu");
        expect(event.mtuBytes).toBe(1300 - 28);
        expect(event.to.remote.address).toBe(tunnel.b.side.ipv4);
      } finally {
        for (const side of [pair.a, pair.b]) ip("-n", side.namespace, "link", "set", "veth0", "mtu", "1500");
      }
    });
  });
});

describe("events", () => {
  test("a packet without a session asks for one and is delivered when it comes", async () => {
    await withTunnel({ sessions: false }, async (tunnel) => {
      const { a, b } = tunnel;
      const traffic = repliesTo(tunnel, "-c", "1", "-W", "4", b.overlay4);
      await a.engine.event("session-needed", (event) => event.peerId === a.peer);
      expect((await a.engine.call("readPeer", a.peer)).lastStagedAt).toBeGreaterThan(0);
      await b.engine.call("installSession", b.peer, { ...sessionOf("b"), role: "responder" });
      await a.engine.call("installSession", a.peer, sessionOf("a"));
      expect(await traffic).toBe(1);
      const confirmed = await b.engine.event("session-confirmed");
      expect(confirmed.localIndex).toBe(sessionOf("b").localIndex);
    });
  });

  test("a new source address is reported once", async () => {
    await withTunnel({}, async (tunnel) => {
      const { a, b } = tunnel;
      expect(ping(tunnel, b.overlay4)).toContain("3 received");
      const moved = await a.engine.call("openLink", { port: 0, ipv4: "0.0.0.0", ipv6: null });
      await a.engine.call("setPaths", a.peer, [{ ...pathTo(a, b), linkId: moved.id }], "best");
      await a.engine.call("closeLink", a.link.id);
      await a.engine.call("sendKeepalive", a.peer);
      await a.engine.call("sendKeepalive", a.peer);
      const roamed = await b.engine.event("roamed");
      expect(roamed.from.remote).toEqual({ address: a.side.ipv4, port: moved.port });
      await b.engine.call("setPaths", b.peer, [{ ...pathTo(b, a), remote: roamed.from.remote }], "best");
      expect(ping(tunnel, b.overlay4)).toContain("3 received");
      expect(b.engine.events.filter((event) => event.kind === "roamed")).toHaveLength(1);
    });
  });

  test("echo replies to the agent's own requests go up, others to the host", async () => {
    await withTunnel({}, async (tunnel) => {
      const { a, b } = tunnel;
      const sentAt = now();
      await a.engine.call("sendInner", a.peer, echoRequest());
      const reply = await a.engine.event("inner");
      expect(reply.peerId).toBe(a.peer);
      expect(reply.bytes[20]).toBe(0);
      expect(reply.from.remote.address).toBe(b.side.ipv4);
      expect(reply.receivedAt).toBeGreaterThan(sentAt);
      expect(reply.receivedAt).toBeLessThan(sentAt + 2000);
      expect(ping(tunnel, b.overlay4)).toContain("3 received");
      expect(a.engine.events.filter((event) => event.kind === "inner")).toHaveLength(1);
    });
  });

  test("nothing passes in an expired session", async () => {
    await withTunnel({ sessions: false }, async (tunnel) => {
      const { a, b } = tunnel;
      const expiresAt = (now() + 400) as Instant;
      await b.engine.call("installSession", b.peer, { ...sessionOf("b"), expiresAt });
      await a.engine.call("installSession", a.peer, { ...sessionOf("a"), expiresAt });
      const received = await repliesTo(tunnel, "-i", "0.1", "-c", "8", "-W", "1", b.overlay4);
      expect(received).toBeGreaterThan(0);
      expect(received).toBeLessThan(5);
      await a.engine.event("session-needed");
    });
  });

  test("a deleted interface is reported and does not spin", async () => {
    await withTunnel({}, async (tunnel) => {
      ip("-n", tunnel.a.side.namespace, "link", "delete", "ast0");
      const event = await tunnel.a.engine.event("failed");
      expect(event.message).toContain("deleted");
      await tunnel.a.engine.call("close");
    });
  });
});

/** How many replies a ping from `a` got. Does not block this process, unlike `ping`. */
function repliesTo(tunnel: TunnelPair, ...parameters: string[]): Promise<number> {
  return new Promise((resolve, reject) => {
    execFile("ip", ["netns", "exec", tunnel.a.side.namespace, "ping", ...parameters], (_, output) => {
      const received = / (\d+) received/.exec(output)?.[1];
      if (received === undefined) reject(new Error(output));
      else resolve(Number(received));
    });
  });
}
