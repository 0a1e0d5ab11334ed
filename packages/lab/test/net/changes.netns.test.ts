import { describe, expect, test } from "vitest";
import { type Host, Lab } from "../../src/index.ts";

const STILL = { timeoutMs: 300 };

async function reaches(from: Host, to: Host): Promise<boolean> {
  return (await from.ping(to.ipv4, STILL)).received === 1;
}

describe("changes of a network while it is in use", () => {
  test.concurrent("a rebooted router has forgotten its mappings, and may have another address", async () => {
    await using lab = Lab.create("reboot");
    const internet = await lab.internet();
    const home = await lab.router("home", internet, { nat: "full-cone", firewall: "stateful" });
    const [inside, outside] = await Promise.all([home.host("inside"), internet.host("outside")]);
    const mappings = async (): Promise<string> =>
      (await home.machine.shell("nft list map inet lab_nat port_of")).stdout;
    await inside.exec(["bash", "-c", `echo hello > /dev/udp/${outside.ipv4}/9`]);
    expect(await mappings()).toContain(inside.ipv4);
    await home.reboot({ ipv4: "203.0.113.99" });
    expect(await mappings()).not.toContain(inside.ipv4);
    expect((await home.machine.shell("conntrack -L -p udp")).stdout).toBe("");
    expect(await reaches(inside, outside)).toBe(true);
    expect((await outside.ping("203.0.113.99", STILL)).received).toBe(1);
  });

  test.concurrent("a flapping cable, a default route that moves, a host asleep", async () => {
    await using lab = Lab.create("flap");
    const internet = await lab.internet();
    const [a, b] = await Promise.all([internet.host("a"), internet.host("b")]);
    const second = await internet.attach(a);
    const leavesBy = async (): Promise<string | undefined> =>
      / dev (\S+)/.exec((await a.exec(["ip", "route", "get", b.ipv4])).stdout)?.[1];
    expect(await leavesBy()).toBe("eth0");
    await a.preferUplink(second);
    expect(await leavesBy()).toBe("eth1");
    await second.renumber({ ipv4: "203.0.113.77" });
    expect(await leavesBy()).toBe("eth1");
    expect(await reaches(a, b)).toBe(true);
    await a.preferUplink(a.uplink);
    expect(await leavesBy()).toBe("eth0");
    await a.uplink.flap(2, { downMs: 20, upMs: 20 });
    expect(await reaches(b, a)).toBe(true);
    const clock = a.spawn(["sh", "-c", "while sleep 0.02; do echo tick; done"]);
    await clock.waitForOutput(/tick/);
    await a.suspend();
    expect(await reaches(b, a)).toBe(false);
    const { length } = clock.stdout;
    await a.resume();
    await expect.poll(() => clock.stdout.length).toBeGreaterThan(length);
    expect(await reaches(b, a)).toBe(true);
  });
});
