/** The parts of `npm run bench:relay`, briefly: what it measures must be there, not fast. */
import { expect, test } from "vitest";
import { METRICS, STREAMS } from "../../src/bench-relay/metrics.ts";
import { relayVersion } from "../../src/bench-relay/relay-server.ts";
import { measureMemory, type RunOptions, runRounds } from "../../src/bench-relay/run.ts";
import { divideCores } from "../../src/bench-relay/stage.ts";

const OPTIONS = { rounds: 1, milliseconds: 100, clients: 4, cores: divideCores(), log: () => undefined };

function withOneWindow(metrics: RunOptions["metrics"]): RunOptions["metrics"] {
  return Object.fromEntries(
    Object.entries(metrics).map(([name, metric]) => [name, { ...metric, windows: metric.windows.slice(0, 1) }]),
  );
}

test("traffic of every metric arrives through both relays", async () => {
  expect(await relayVersion("asterism")).toMatch(/^\d+\./);
  expect(await relayVersion("coturn")).toMatch(/^\d+\./);
  const pairs = await runRounds({ ...OPTIONS, metrics: withOneWindow(METRICS) });
  const streams = await runRounds({ ...OPTIONS, metrics: withOneWindow({ streams: STREAMS }), tcp: true });
  const silent = Object.entries({ ...pairs, ...streams }).filter(([, [pair]]) =>
    [pair?.asterism, pair?.coturn].some((figure) => !(Number(figure?.value) > 0 && Number(figure?.cpuNsPerPacket) > 0)),
  );
  expect(silent).toEqual([]);
  expect(Object.keys(pairs)).toEqual(Object.keys(METRICS));
});

test("the memory of allocations is told", async () => {
  const { beforeBytes, afterBytes } = await measureMemory("asterism", 70, divideCores());
  expect(beforeBytes).toBeGreaterThan(10 << 20);
  expect(afterBytes).toBeGreaterThan(beforeBytes);
});
