/** Agents with two uplinks each: what a mode that is chosen by command does for one TCP connection. */
import { setTimeout as sleep } from "node:timers/promises";
import type { LinksAnswer, PeerExplanation } from "@asterism/core/local-api";
import { expect, test } from "vitest";
import { measureTcp } from "../../src/net/iperf.ts";
import type { LinkOptions } from "../../src/net/link-options.ts";
import { median, quantile } from "../../src/net/ping.ts";
import type { AgentProcess } from "../../src/product/agent-process.ts";
import { ipv4Of, reportFigure, World } from "./world.ts";

const UPLINK: LinkOptions = { rateMbit: 20, delayMs: 5 };
/** Half as far as by the uplinks of both ends. */
const WIRE: LinkOptions = { rateMbit: 40, delayMs: 5 };

async function explain(agent: AgentProcess, peer: string): Promise<PeerExplanation> {
  return JSON.parse((await agent.command(["explain", peer, "--json"])).stdout) as PeerExplanation;
}

/** How many paths carry the packets for `b`. */
async function carriers(a: AgentProcess): Promise<number> {
  await a.ping("b", ["-c", "1"]);
  const { paths } = await a.peer("b");
  return paths.filter(({ weight }) => weight > 0).length;
}

test("two lines carry one connection, one of them is cut, and the choice survives a restart", async () => {
  await using world = await World.create("modes");
  const [hostA, hostB] = await Promise.all(
    ["a", "b"].map((name) => world.internet.host(name, { ipv6: false, link: UPLINK })),
  );
  if (hostA === undefined || hostB === undefined) throw new Error("no hosts");
  const wire = await world.lab.wire(hostA, hostB, WIRE);
  await hostA.ip([`addr add 10.77.0.1/24 dev ${wire.a.interfaceName}`]);
  await hostB.ip([`addr add 10.77.0.2/24 dev ${wire.b.interfaceName}`]);
  const [a, b] = await world.members(hostA, hostB);
  if (a === undefined || b === undefined) throw new Error("no agents");
  const transfer = async (seconds: number): Promise<number> => {
    const options = { address: await ipv4Of(b), congestion: "cubic" as const, seconds };
    return (await measureTcp(hostB, hostA, options)).bitsPerSecond / 1e6;
  };
  await a.ping("b", ["--until-direct"]);
  const best = await transfer(3);
  expect((await explain(a, "b")).modeAdvice?.case).toBe("mode-could-use-several");
  const chosen = await a.command(["mode", "b", "aggregate", "--json"]);
  expect(JSON.parse(chosen.stdout)).toMatchObject({ mode: "aggregate", by: "command", networkDefault: "best" });
  await expect.poll(() => carriers(a), { timeout: 15_000 }).toBe(2);
  const rates = async (): Promise<unknown[]> => {
    await carriers(a);
    return (await a.peer("b")).paths.flatMap(({ spread }) => (spread === null ? [] : [spread.rateBitsPerSecond]));
  };
  // Pings fill nothing.
  await expect.poll(rates, { timeout: 15_000 }).toEqual([null, null]);
  const together = await transfer(4);
  process.stdout.write(
    `  figure: one connection: ${best.toFixed(1)} Mbit/s in best, ${together.toFixed(1)} in aggregate\n`,
  );
  expect(together).toBeGreaterThan(1.15 * best);
  const { mode, paths } = await b.peer("a");
  expect(mode).toBe("aggregate");
  expect(paths.filter(({ spread }) => spread !== null).length).toBeGreaterThan(0);

  const explanation = await explain(a, "b");
  expect(explanation).toMatchObject({ mode: { mode: "aggregate", by: "command" } });
  expect(explanation.modeAdvice?.case).not.toBe("mode-one-path");
  const carrying = explanation.tried.filter(({ share }) => share > 0);
  expect(carrying.map(({ link }) => link).sort()).toEqual(["eth0", wire.a.interfaceName].sort());
  for (const { spread } of carrying) expect(spread?.rateBitsPerSecond).toBeGreaterThan(1e6);
  expect((await a.command(["explain", "b"])).stdout).toMatch(/aggregate \(chosen here\).*SHARE +RATE.* Mbit\/s/s);
  const { networks } = JSON.parse((await a.command(["links", "--json"])).stdout) as LinksAnswer;
  expect(networks[0]?.links[0]?.paths).toMatchObject([
    { peer: "b", pathsInUse: 2 },
    { peer: "b", pathsInUse: 2 },
  ]);
  expect((await a.command(["links"])).stdout).toMatch(/1 by several paths together.*PEER +MODE.*b +aggregate/s);

  await a.command(["mode", "b", "auto"]);
  const pings = async (): Promise<readonly number[]> =>
    (await hostA.ping(await ipv4Of(b), { count: 40, intervalMs: 50 })).rttsMs;
  const idleMs = median(await pings());
  const bulk = transfer(4);
  await sleep(1_500);
  const busy = await pings();
  const goal = `1.5 × ${idleMs.toFixed(1)} + 10 ms`;
  reportFigure("ping beside a bulk transfer in auto, median", median(busy), "ms", goal);
  reportFigure("ping beside a bulk transfer in auto, 95 of 100", quantile(busy, 0.95), "ms", goal);
  expect(await bulk).toBeGreaterThan(10);
  expect(median(busy)).toBeLessThan(1.5 * idleMs + 60);

  const cut = transfer(5);
  await sleep(2_000);
  await wire.cut();
  expect(await cut).toBeGreaterThan(10);
  await expect.poll(() => carriers(a), { timeout: 15_000 }).toBe(1);
  await a.kill();
  await a.startAgain();
  await expect.poll(async () => (await a.peer("b")).mode, { timeout: 15_000 }).toBe("auto");
});
