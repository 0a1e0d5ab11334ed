import type { NetcheckAnswer, PeerExplanation } from "@asterism/core/local-api";
import { describe, expect, test } from "vitest";
import type { Host } from "../../src/net/host.ts";
import { ipv4Of, reportFigure, World } from "../e2e/world.ts";

/** Drops a share of the UDP that the router forwards, each way, and nothing else. */
async function throttleUdp(router: Host, percent: number): Promise<void> {
  const rule = `meta l4proto udp numgen random mod 100 < ${percent} drop`;
  await router.nft(
    `table inet lab_throttle {\n chain forward {\n type filter hook forward priority filter\n ${rule}\n }\n}\n`,
  );
}

describe("with UDP throttled", () => {
  test("a pair goes on by the relay's stream, which loses nothing", async () => {
    await using world = await World.create("throttled");
    const router = await world.lab.router("office", world.internet, { nat: "port-restricted", ipv6: false });
    const [a, b] = await world.members(await router.host("a"), await world.internet.host("b", { ipv6: false }));
    const address = await ipv4Of(b!);
    const traffic = a!.host.spawn(["ping", "-n", "-i", "0.1", address]);
    const untilKind = async (kind: string): Promise<void> => {
      const isRight = async () => [(await a!.peer("b")).path.kind, (await b!.peer("a")).path.kind];
      await expect.poll(isRight, { timeout: 120_000, interval: 1_000 }).toEqual([kind, kind]);
    };
    await untilKind("direct");
    await throttleUdp(router.machine, 30);
    const startedAt = performance.now();
    await untilKind("relayed");
    reportFigure("away from UDP that loses 30 % each way after", (performance.now() - startedAt) / 1_000, "s", "< 40");
    // A relay may be reached over UDP for a moment, which loses as much.
    const lostPercent = async (): Promise<number> => {
      const { sent, received } = await a!.host.ping(address, { count: 100, intervalMs: 50 });
      reportFigure("lost by the stream", (100 * (sent - received)) / sent, "%", "0");
      return (100 * (sent - received)) / sent;
    };
    await expect.poll(lostPercent, { timeout: 60_000 }).toBeLessThanOrEqual(5);
    const asked = async <T>(...args: string[]): Promise<T> => {
      return JSON.parse((await a!.command([...args, "--json"])).stdout) as T;
    };
    const patience = { timeout: 60_000, interval: 1_000 };
    const check = async () => (await asked<NetcheckAnswer>("netcheck")).networks[0];
    await expect.poll(check, patience).toMatchObject({ lossyPeers: ["b"], advice: { case: "udp-throttled" } });
    const advice = async () => (await asked<PeerExplanation>("explain", "b")).advice.case;
    await expect.poll(advice, patience).toBe("relayed-udp-throttled");
    traffic.kill("SIGKILL");
  }, 300_000);
});
