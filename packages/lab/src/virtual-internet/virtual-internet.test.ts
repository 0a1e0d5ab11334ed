import type { PathAddress } from "@asterism/core/net";
import { addMs, type Instant } from "@asterism/core/time";
import { describe, expect, it } from "vitest";
import type { NatOptions } from "./nat-table.ts";
import type { VirtualHost, VirtualInterface, VirtualMachine } from "./virtual-host.ts";
import { VirtualInternet } from "./virtual-internet.ts";

const CONE: NatOptions = { mapping: "endpoint-independent", filtering: "endpoint-independent" };

/** Remembers what it receives, sends what it is told, and answers pings. */
class Recorder implements VirtualMachine {
  readonly received: { text: string; from: PathAddress; at: Instant }[] = [];
  readonly #outgoing: { to: PathAddress; bytes: Uint8Array }[] = [];
  readonly #host: VirtualHost;
  alarms: Instant[] = [];
  alarmAt: Instant | undefined;
  resumedAt: Instant | undefined;

  constructor(host: VirtualHost) {
    this.#host = host;
    host.run(this);
  }

  send(address: string, port: number, text = "ping", linkId = 1): void {
    const to = { linkId, remote: { address, port }, channel: null };
    this.#host.act(() => this.#outgoing.push({ to, bytes: new TextEncoder().encode(text) }));
  }

  get texts(): string[] {
    return this.received.map(({ text }) => text);
  }

  handleDatagram(bytes: Uint8Array, from: PathAddress, at: Instant): boolean {
    const text = new TextDecoder().decode(bytes);
    this.received.push({ text, from, at });
    if (text === "ping") this.#outgoing.push({ to: from, bytes: new TextEncoder().encode("pong") });
    return true;
  }

  handleTimeout(now: Instant): void {
    this.alarms.push(now);
    this.alarmAt = undefined;
  }

  handleResume(now: Instant): void {
    this.resumedAt = now;
  }

  pollTimeout = (): { at: Instant } | undefined => (this.alarmAt === undefined ? undefined : { at: this.alarmAt });
  pollTransmit = (): { to: PathAddress; bytes: Uint8Array } | undefined => this.#outgoing.shift();
}

interface PublicHost {
  readonly host: VirtualHost;
  readonly uplink: VirtualInterface;
  readonly machine: Recorder;
}

function publicHost(net: VirtualInternet, name: string, ipv4: string): PublicHost {
  const host = net.host(name);
  const uplink = host.connect(net.public, { ipv4, up: { delayMs: 5 } });
  host.openSocket(uplink, 1_000);
  return { host, uplink, machine: new Recorder(host) };
}

describe("the virtual internet", () => {
  it("carries a packet there and back in the time the lines take", () => {
    const net = new VirtualInternet(1);
    const a = publicHost(net, "a", "192.0.2.1");
    publicHost(net, "b", "192.0.2.2");
    const startedAt = a.host.now;
    a.machine.send("192.0.2.2", 1_000);
    net.world.run(100);
    expect(a.machine.texts).toEqual(["pong"]);
    expect(a.machine.received[0]!.at - startedAt).toBeCloseTo(10);
    expect(net.world.log.toMermaid()).toContain("a->>b: 5.0 ms 4 bytes 192.0.2.1:1000 → 192.0.2.2:1000");
  });

  it("shows the outside address of a NAT and brings the answer back", () => {
    const net = new VirtualInternet(1);
    const home = net.lan("home", { outsideIpv4: "198.51.100.1", nat: CONE });
    const a = net.host("a");
    a.openSocket(a.connect(home.inside, { ipv4: "192.168.1.2" }), 1_000);
    const machine = new Recorder(a);
    const b = publicHost(net, "b", "192.0.2.2");
    machine.send("192.0.2.2", 1_000);
    net.world.run(100);
    expect(b.machine.received[0]?.from.remote).toEqual({ address: "198.51.100.1", port: 1_000 });
    expect(machine.texts).toEqual(["pong"]);
  });

  it("translates twice behind two NATs", () => {
    const net = new VirtualInternet(1);
    const carrier = net.lan("carrier", { outsideIpv4: "198.51.100.1", nat: { ...CONE, ports: { kind: "random" } } });
    const home = net.lan("home", { outsideIpv4: "100.64.0.2", nat: CONE }, carrier.inside);
    const a = net.host("a");
    a.openSocket(a.connect(home.inside, { ipv4: "192.168.1.2" }), 1_000);
    const machine = new Recorder(a);
    const b = publicHost(net, "b", "192.0.2.2");
    machine.send("192.0.2.2", 1_000);
    net.world.run(100);
    expect(b.machine.received[0]?.from.remote.address).toBe("198.51.100.1");
    expect(machine.texts).toEqual(["pong"]);
  });

  it.each([true, false])("hairpins only where the NAT does (%s)", (hairpin) => {
    const net = new VirtualInternet(1);
    const home = net.lan("home", { outsideIpv4: "198.51.100.1", nat: { ...CONE, hairpin } });
    const machines = [2, 3].map((n) => {
      const host = net.host(`h${n}`);
      host.openSocket(host.connect(home.inside, { ipv4: `192.168.1.${n}` }), 1_000 + n);
      return new Recorder(host);
    });
    machines[1]!.send("192.0.2.9", 9);
    machines[0]!.send("198.51.100.1", 1_003);
    net.world.run(100);
    expect(machines[1]!.received.map(({ from }) => from.remote)).toEqual(
      hairpin ? [{ address: "198.51.100.1", port: 1_002 }] : [],
    );
  });

  it("routes IPv6 through a router, and a stateful firewall lets only answers in", () => {
    const net = new VirtualInternet(1);
    const home = net.lan("home", { outsideIpv4: "198.51.100.1", nat: CONE, firewall: "stateful" });
    const a = net.host("a");
    a.openSocket(a.connect(home.inside, { ipv6: "2001:db8:1::2" }), 1_000);
    const machine = new Recorder(a);
    const b = net.host("b");
    b.openSocket(b.connect(net.public, { ipv6: "2001:db8::9" }), 1_000);
    const remote = new Recorder(b);
    remote.send("2001:db8:1::2", 1_000, "unasked");
    net.world.run(100);
    expect(machine.texts).toEqual([]);
    expect(net.world.log.drops.get("filtered by the firewall")).toBe(1);
    machine.send("2001:db8::9", 1_000);
    net.world.run(100);
    expect(machine.texts).toEqual(["pong"]);
  });

  it("drops everything where UDP is blocked or the cable is out", () => {
    const net = new VirtualInternet(1);
    const home = net.lan("home", { outsideIpv4: "198.51.100.1", nat: CONE });
    const a = net.host("a");
    a.openSocket(a.connect(home.inside, { ipv4: "192.168.1.2" }), 1_000);
    const machine = new Recorder(a);
    publicHost(net, "b", "192.0.2.2");
    home.setFirewall("udp-blocked");
    machine.send("192.0.2.2", 1_000);
    net.world.run(100);
    home.setFirewall("open");
    home.line.isUp = false;
    machine.send("192.0.2.2", 1_000);
    net.world.run(100);
    expect(machine.texts).toEqual([]);
    expect([...net.world.log.drops.keys()]).toEqual(["UDP is blocked", "link down"]);
    home.line.isUp = true;
    machine.send("192.0.2.2", 1_000);
    net.world.run(100);
    expect(machine.texts).toEqual(["pong"]);
  });

  it("keeps two networks apart that are cut off from each other, and no others", () => {
    const net = new VirtualInternet(1);
    const a = publicHost(net, "a", "192.0.2.1");
    const b = publicHost(net, "b", "192.0.2.2");
    const c = publicHost(net, "c", "192.0.2.3");
    a.uplink.attachment.setCutOff(b.uplink.attachment, true);
    for (const remote of ["192.0.2.2", "192.0.2.3"]) a.machine.send(remote, 1_000);
    b.machine.send("192.0.2.1", 1_000);
    net.world.run(100);
    expect([a.machine.texts, b.machine.texts, c.machine.texts]).toEqual([["pong"], [], ["ping"]]);
    b.uplink.attachment.setCutOff(a.uplink.attachment, false);
    a.machine.send("192.0.2.2", 1_000);
    net.world.run(100);
    expect(b.machine.texts).toEqual(["ping"]);
  });

  it("finds a host that has moved behind another router, with the same socket", () => {
    const net = new VirtualInternet(1);
    const home = net.lan("home", { outsideIpv4: "198.51.100.1", nat: CONE });
    const cafe = net.lan("cafe", { outsideIpv4: "198.51.100.2", nat: CONE });
    const a = net.host("a");
    const uplink = a.connect(home.inside, { ipv4: "192.168.1.2" });
    a.openSocket(uplink, 1_000);
    const machine = new Recorder(a);
    const b = publicHost(net, "b", "192.0.2.2");
    uplink.moveTo(cafe.inside, { ipv4: "192.168.1.9" });
    machine.send("192.0.2.2", 1_000);
    net.world.run(100);
    expect(b.machine.received[0]?.from.remote.address).toBe("198.51.100.2");
    expect(machine.texts).toEqual(["pong"]);
  });

  it("refuses one address twice on a segment", () => {
    const net = new VirtualInternet(1);
    publicHost(net, "a", "192.0.2.1");
    expect(() => publicHost(net, "b", "192.0.2.1")).toThrow("in use");
  });
});

describe("a virtual host", () => {
  it("hears its alarms on time, and only the last one that was set", () => {
    const net = new VirtualInternet(1);
    const { host, machine } = publicHost(net, "a", "192.0.2.1");
    const start = host.now;
    host.act(() => {
      machine.alarmAt = addMs(start, 50);
    });
    host.act(() => {
      machine.alarmAt = addMs(start, 80);
    });
    net.world.run(1_000);
    expect(machine.alarms).toEqual([addMs(start, 80)]);
  });

  it("receives nothing asleep, and its monotonic clock stands still", () => {
    const net = new VirtualInternet(1);
    const a = publicHost(net, "a", "192.0.2.1");
    const b = publicHost(net, "b", "192.0.2.2");
    const start = a.host.now;
    const wallStart = a.host.wallNow;
    a.host.act(() => {
      a.machine.alarmAt = addMs(start, 100);
    });
    net.world.run(50);
    a.host.sleep(3_600_000);
    b.machine.send("192.0.2.1", 1_000, "lost");
    net.world.run(3_600_000);
    expect(a.machine.texts).toEqual([]);
    expect(a.machine.resumedAt! - start).toBeCloseTo(50);
    expect(a.machine.alarms).toEqual([]);
    net.world.run(51);
    expect(a.machine.alarms).toHaveLength(1);
    expect(a.host.wallNow - wallStart).toBe(3_600_101);
  });

  it("whose processes are stopped misses packets and alarms, while its monotonic clock goes on", () => {
    const net = new VirtualInternet(1);
    const { host, machine } = publicHost(net, "a", "192.0.2.1");
    const start = host.now;
    host.act(() => {
      machine.alarmAt = addMs(start, 100);
    });
    host.sleep(5_000, "runs");
    net.world.run(5_001);
    expect(host.now - start).toBeCloseTo(5_001);
    expect(machine.alarms[0]! - start).toBeCloseTo(5_000);
  });

  it("gives nothing to a process that has ended, and its port to the next one", () => {
    const net = new VirtualInternet(1);
    const { host, machine, uplink } = publicHost(net, "a", "192.0.2.1");
    const b = publicHost(net, "b", "192.0.2.2");
    host.halt(machine);
    host.closeSocket(1);
    host.openSocket(uplink, 1_000);
    const next = new Recorder(host);
    b.machine.send("192.0.2.1", 1_000);
    net.world.run(100);
    expect([machine.texts, next.texts]).toEqual([[], ["ping"]]);
  });

  it("has a wall clock that can be set", () => {
    const { host } = publicHost(new VirtualInternet(1), "a", "192.0.2.1");
    const before = host.wallNow;
    host.jumpWallClock(-60_000);
    expect(host.wallNow - before).toBe(-60_000);
  });
});

describe("the signalling server", () => {
  it("forwards with its latency, and nothing while it is down", () => {
    const net = new VirtualInternet(1);
    const server = net.signalling({ delayMs: 30 });
    const heard: [number, string][] = [];
    server.connect("b", (from) => heard.push([net.world.nowMs, from]));
    server.send("a", "b", new Uint8Array());
    net.world.run(100);
    server.isUp = false;
    server.send("a", "b", new Uint8Array());
    net.world.run(100);
    expect(heard).toEqual([[30, "a"]]);
    expect(server.forwarded).toBe(1);
  });
});
