import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { type Host, Lab, type LabProcess, type Router } from "../../src/index.ts";
import { PORT_BLOCK } from "../../src/net/nat.ts";
import { checkNat, startStunServer } from "../../src/net/nat-proof.ts";

const UDP_PEER = fileURLToPath(new URL("../fixtures/udp-peer.ts", import.meta.url));
const CONES = ["full-cone", "restricted-cone", "port-restricted"] as const;
const KINDS = [...CONES, "symmetric", "symmetric-sequential", "port-block"] as const;

/** A UDP socket on a machine of the lab. */
class UdpPeer {
  readonly #program: LabProcess;
  readonly #port: number;

  private constructor(program: LabProcess, port: number) {
    this.#program = program;
    this.#port = port;
  }

  static async bind(host: Host, port: number): Promise<UdpPeer> {
    const program = host.spawn([process.execPath, UDP_PEER, "0.0.0.0", String(port)], { keepStdin: true });
    await program.waitForOutput(/^bound$/m);
    return new UdpPeer(program, port);
  }

  get port(): number {
    return this.#port;
  }

  send(address: string, port: number, text: string): void {
    this.#program.write(`${address} ${port} ${text}\n`);
  }

  /** Waits for a text and returns the endpoint that it came from. */
  async receive(text: string): Promise<{ address: string; port: number }> {
    const [, address = "", port = ""] = await this.#program.waitForOutput(
      new RegExp(`^got ${text} from (\\S+) (\\d+)$`, "m"),
    );
    return { address, port: Number(port) };
  }

  has(text: string): boolean {
    return this.#program.stdout.includes(`got ${text} from`);
  }
}

/** Ports that one socket behind the router gets, for six ports of one machine. */
async function mappedPorts(router: Router, outside: Host): Promise<number[]> {
  const a = await UdpPeer.bind(await router.host("inside"), 5_000);
  const ports: number[] = [];
  for (const port of [9_000, 9_001, 9_002, 9_003, 9_004, 9_005]) {
    const peer = await UdpPeer.bind(outside, port);
    a.send(outside.ipv4, port, "hello");
    ports.push((await peer.receive("hello")).port);
  }
  return ports;
}

describe("routers' kinds of NAT", () => {
  test("each kind is what `stun` says it is, with hairpin and without", async () => {
    await using lab = Lab.create("kinds");
    const internet = await lab.internet();
    // Every one of these calls is a check by `stun`, which throws.
    const routers = KINDS.flatMap((nat) =>
      [false, true].map((hairpin) => lab.router(`${nat}${hairpin ? "-hairpin" : ""}`, internet, { nat, hairpin })),
    );
    expect(await Promise.all(routers)).toHaveLength(12);
  });

  test("a router of another kind than asked for is found out", async () => {
    await using lab = Lab.create("liar");
    const lan = await lab.lan("outside", { ipv6Prefix: undefined });
    const server = await startStunServer(await lan.host("server"));
    const router = await lab.router("router", lan, { nat: "port-restricted" });
    const inside = await router.host("inside");
    await checkNat(inside, server, "port-restricted", false);
    const once = 1;
    await expect(checkNat(inside, server, "symmetric", false, once)).rejects.toThrow(/should be sym.*Port Dependent/s);
    await expect(checkNat(inside, server, "full-cone", false, once)).rejects.toThrow(/should be full-cone/);
    await expect(checkNat(inside, server, "port-restricted", true, once)).rejects.toThrow(/will hairpin.*no hairpin/s);
  });

  test.each(CONES)("%s: two machines with one port keep a mapping each, whatever they talk to", async (nat) => {
    await using lab = Lab.create("shared");
    const internet = await lab.internet();
    const router = await lab.router("router", internet, { nat });
    const [first, second, outside, other] = await Promise.all([
      router.host("first"),
      router.host("second"),
      internet.host("outside"),
      internet.host("other"),
    ]);
    const [a, b, near, far] = await Promise.all([
      UdpPeer.bind(first, 5_000),
      UdpPeer.bind(second, 5_000),
      UdpPeer.bind(outside, 9_000),
      UdpPeer.bind(other, 9_001),
    ]);
    a.send(outside.ipv4, near.port, "a-near");
    const mappedA = await near.receive("a-near");
    expect(mappedA).toEqual({ address: router.machine.ipv4, port: 5_000 });
    b.send(other.ipv4, far.port, "b-far");
    const mappedB = await far.receive("b-far");
    expect(mappedB.port).not.toBe(mappedA.port);
    a.send(other.ipv4, far.port, "a-far");
    expect(await far.receive("a-far")).toEqual(mappedA);
    b.send(outside.ipv4, near.port, "b-near");
    expect(await near.receive("b-near")).toEqual(mappedB);
    far.send(mappedB.address, mappedB.port, "to-b");
    await b.receive("to-b");
    expect(a.has("to-b")).toBe(false);
  });

  test("sequential ports follow each other", async () => {
    await using lab = Lab.create("sequence");
    const internet = await lab.internet();
    const router = await lab.router("router", internet, { nat: "symmetric-sequential" });
    const ports = await mappedPorts(router, await internet.host("outside"));
    const first = ports[0] ?? 0;
    expect(ports).toEqual([first, first + 1, first + 2, first + 3, first + 4, first + 5]);
  });

  test("a block's ports lie within it, in no order", async () => {
    await using lab = Lab.create("block");
    const internet = await lab.internet();
    const router = await lab.router("router", internet, { nat: "port-block" });
    const ports = await mappedPorts(router, await internet.host("outside"));
    expect(ports.every((port) => port >= PORT_BLOCK.first && port <= PORT_BLOCK.last)).toBe(true);
    expect(new Set(ports).size).toBe(ports.length);
    const distances = new Set(ports.slice(1).map((port, index) => port - (ports[index] ?? 0)));
    expect(distances.size).toBeGreaterThan(1);
  });

  test("hairpin: machines inside meet at their outside endpoints, or not at all", async () => {
    await using lab = Lab.create("hairpin");
    const internet = await lab.internet();
    const outside = await internet.host("outside");
    const witness = await UdpPeer.bind(outside, 9_000);
    for (const hairpin of [true, false]) {
      const router = await lab.router(`router-${hairpin}`, internet, { nat: "port-restricted", hairpin });
      const [first, second] = await Promise.all([router.host(`a-${hairpin}`), router.host(`b-${hairpin}`)]);
      const [a, b] = await Promise.all([UdpPeer.bind(first, 5_000), UdpPeer.bind(second, 5_000)]);
      a.send(outside.ipv4, witness.port, `a-${hairpin}`);
      const mappedA = await witness.receive(`a-${hairpin}`);
      b.send(outside.ipv4, witness.port, `b-${hairpin}`);
      const mappedB = await witness.receive(`b-${hairpin}`);
      a.send(mappedB.address, mappedB.port, "inward");
      if (hairpin) expect(await b.receive("inward")).toEqual(mappedA);
      // A later packet that arrives shows that the earlier one is not on its way.
      a.send(second.ipv4, b.port, "straight");
      await b.receive("straight");
      expect(b.has("inward")).toBe(hairpin);
    }
  });
});

describe("networks around NAT", () => {
  test.each([
    ["symmetric", "full-cone", "symmetric"],
    ["full-cone", "port-restricted", "port-restricted"],
    ["restricted-cone", "full-cone", "restricted-cone"],
  ] as const)("a carrier's %s NAT in front of a home's %s one acts as %s", async (carrier, home, together) => {
    await using lab = Lab.create("carrier");
    const internet = await lab.lan("outside", { ipv6Prefix: undefined });
    const server = await startStunServer(await internet.host("server"));
    const first = await lab.router("carrier", internet, { nat: carrier });
    const second = await lab.router("home", first.lan, { nat: home });
    await checkNat(await second.host("inside"), server, together, false);
  });

  test("IPv6 only, behind a stateful firewall", async () => {
    await using lab = Lab.create("six");
    const internet = await lab.internet();
    const router = await lab.router("router", internet, { firewall: "stateful", uplink: { ipv4: false } });
    const [inside, outside] = await Promise.all([router.host("inside", { ipv4: false }), internet.host("outside")]);
    expect(inside.uplink.ipv4).toBeUndefined();
    expect((await inside.ping(outside.ipv6)).received).toBe(1);
    expect((await outside.ping(inside.ipv6, { timeoutMs: 300 })).received).toBe(0);
    expect((await inside.ping(outside.ipv4, { timeoutMs: 300 })).received).toBe(0);
    await expect(lab.router("wrong", internet, { nat: "masquerade", uplink: { ipv4: false } })).rejects.toThrow(
      /NAT needs an IPv4 address/,
    );
  });

  test("what a full cone lets in passes its stateful firewall, and nothing else does", async () => {
    await using lab = Lab.create("pinhole");
    const internet = await lab.internet();
    const router = await lab.router("router", internet, { nat: "full-cone", firewall: "stateful" });
    const [inside, outside, stranger] = await Promise.all([
      router.host("inside"),
      internet.host("outside"),
      internet.host("stranger"),
    ]);
    const [a, near, far] = await Promise.all([
      UdpPeer.bind(inside, 5_000),
      UdpPeer.bind(outside, 9_000),
      UdpPeer.bind(stranger, 9_000),
    ]);
    const closed = await UdpPeer.bind(inside, 5_001);
    a.send(outside.ipv4, near.port, "hello");
    const mapped = await near.receive("hello");
    far.send(mapped.address, 5_001, "to-closed");
    far.send(mapped.address, mapped.port, "to-open");
    await a.receive("to-open");
    expect(closed.has("to-closed")).toBe(false);
  });
});
