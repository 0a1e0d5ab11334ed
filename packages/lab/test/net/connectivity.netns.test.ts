import { describe, expect, test } from "vitest";
import { Lab } from "../../src/index.ts";

describe("machines of the lab", () => {
  test("public hosts reach each other by IPv4 and IPv6 through the internet", async () => {
    await using lab = Lab.create("conn");
    const internet = await lab.internet();
    const [a, b] = await Promise.all([internet.host("a"), internet.host("b")]);
    expect((await a.ping(b.ipv4)).received).toBe(1);
    expect((await b.ping(a.ipv6)).received).toBe(1);
    expect(a.ipv4).toMatch(/^203\.0\.113\./);
  });

  test("three hosts are there in less than a second", async () => {
    const startedAt = performance.now();
    await using lab = Lab.create("fast");
    const internet = await lab.internet();
    await Promise.all(["a", "b", "c"].map((name) => internet.host(name)));
    expect(performance.now() - startedAt).toBeLessThan(1_000);
  });

  test("two labs with the same host names and addresses run side by side", async () => {
    await using first = Lab.create("twin");
    await using second = Lab.create("twin");
    const [lanA, lanB] = await Promise.all([first.lan("lan"), second.lan("lan")]);
    const [a, b] = await Promise.all([lanA.host("a"), lanB.host("a", { ipv4: "192.168.1.99" })]);
    expect(a.namespace).not.toBe(b.namespace);
    expect((await a.ping("192.168.1.99", { timeoutMs: 300 })).received).toBe(0);
  });

  test("a masquerading router lets its LAN out and nobody in", async () => {
    await using lab = Lab.create("masq");
    const internet = await lab.internet();
    const router = await lab.router("router", internet, { nat: "masquerade", firewall: "stateful" });
    const [inside, neighbour, outside] = await Promise.all([
      router.host("inside"),
      router.host("neighbour"),
      internet.host("outside"),
    ]);
    expect((await inside.ping(outside.ipv4)).received).toBe(1);
    expect((await inside.ping(neighbour.ipv4)).received).toBe(1);
    expect((await inside.ping(outside.ipv6)).received).toBe(1);
    expect((await outside.ping(inside.ipv4, { timeoutMs: 300 })).received).toBe(0);
    expect((await outside.ping(inside.ipv6, { timeoutMs: 300 })).received).toBe(0);
    const seen = outside.spawn(["tcpdump", "-n", "-l", "-c", "1", "icmp"]);
    await seen.waitForOutput(/listening on/, { stream: "stderr" });
    await inside.ping(outside.ipv4);
    const line = await seen.waitForOutput(/IP (\S+) > /);
    expect(line[1]).toBe(router.machine.ipv4);
  });

  test("double NAT and a firewall without UDP", async () => {
    await using lab = Lab.create("double");
    const internet = await lab.internet();
    const carrier = await lab.router("carrier", internet, { nat: "masquerade" });
    const home = await lab.router("home", carrier.lan, { nat: "masquerade", firewall: "block-udp" });
    const [inside, outside] = await Promise.all([home.host("inside"), internet.host("outside")]);
    expect((await inside.ping(outside.ipv4)).received).toBe(1);
    const listener = outside.spawn(["tcpdump", "-n", "-l", "udp"]);
    await listener.waitForOutput(/listening on/, { stream: "stderr" });
    await inside.shell(`echo x | timeout 1 bash -c 'cat >/dev/udp/${outside.ipv4}/5000'`, { allowFailure: true });
    await outside.shell(`echo x | timeout 1 bash -c 'cat >/dev/udp/${carrier.machine.ipv4}/7777'`, {
      allowFailure: true,
    });
    await listener.waitForOutput(/\.7777: UDP/);
    expect(listener.stdout).not.toContain(".5000: UDP");
  });

  test("routers that are made at the same time get IPv6 networks of their own", async () => {
    await using lab = Lab.create("prefixes");
    const internet = await lab.internet();
    const [left, right] = await Promise.all(["left", "right"].map((name) => lab.router(name, internet)));
    const [a, b] = await Promise.all([left!.host("a"), right!.host("b")]);
    expect((await a.ping(b.ipv6)).received).toBe(1);
    expect((await b.ping(a.ipv6)).received).toBe(1);
  });

  test("a host with two uplinks uses each by its interface", async () => {
    await using lab = Lab.create("uplinks");
    const internet = await lab.internet();
    const [a, b] = await Promise.all([internet.host("a"), internet.host("b")]);
    await internet.attach(a);
    expect(a.attachments.map((attachment) => attachment.interfaceName)).toEqual(["eth0", "eth1"]);
    for (const interfaceName of ["eth0", "eth1"]) {
      expect((await a.ping(b.ipv4, { interfaceName })).received).toBe(1);
    }
  });

  test("a link of a smaller MTU refuses larger packets", async () => {
    await using lab = Lab.create("mtu");
    const internet = await lab.internet();
    const [a, b] = await Promise.all([internet.host("a"), internet.host("b", { link: { mtuBytes: 1280 } })]);
    expect((await a.ping(b.ipv4, { sizeBytes: 1252, dontFragment: true })).received).toBe(1);
    expect((await a.ping(b.ipv4, { sizeBytes: 1253, dontFragment: true, timeoutMs: 300 })).received).toBe(0);
  });

  test.each(["veth", "box"])("cable cut, interface down and new address on a %s link", async (kind) => {
    await using lab = Lab.create("roam");
    const internet = await lab.internet();
    const link = kind === "box" ? ({ kind: "box" } as const) : {};
    const [a, b] = await Promise.all([internet.host("a", { link }), internet.host("b")]);
    const reachable = async (): Promise<boolean[]> => {
      const pings = await Promise.all([a.ipv4, a.ipv6].map((address) => b.ping(address, { timeoutMs: 300 })));
      return pings.map((ping) => ping.received === 1);
    };
    expect(await reachable()).toEqual([true, true]);
    await a.uplink.cut();
    expect(await reachable()).toEqual([false, false]);
    await a.uplink.mend();
    expect(await reachable()).toEqual([true, true]);
    await a.uplink.setDown();
    expect(await reachable()).toEqual([false, false]);
    await a.uplink.setUp();
    expect(await reachable()).toEqual([true, true]);
    const old = a.ipv4;
    await a.uplink.renumber({ ipv4: "198.51.100.7", ipv6: "2001:db8:0:77::2" });
    expect(await reachable()).toEqual([true, true]);
    expect((await b.ping(old, { timeoutMs: 300 })).received).toBe(0);
  });
});
